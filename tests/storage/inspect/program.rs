//! The program with its arguments and variables, and nothing of this process's environment.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::stores::Stores;

#[derive(Clone)]
pub struct Inspect {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

pub struct Output {
    pub code: i32,
    pub text: String,
    pub errors: String,
}

impl Inspect {
    pub fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            variables: Vec::new(),
        }
    }

    /// A repository in the good bucket, with gaps told at once.
    pub fn s3(stores: &Stores, path: &str) -> Self {
        let endpoint = format!("https://{}:{}", stores.get("S3_HOST"), stores.get("S3_PORT"));
        Self::new(&[&format!("s3://{}{path}", stores.get("S3_BUCKET")), "--grace", "0"])
            .variable("AWS_ACCESS_KEY_ID", stores.get("S3_ACCESS_KEY"))
            .variable("AWS_SECRET_ACCESS_KEY", stores.get("S3_SECRET_KEY"))
            .variable("AWS_REGION", stores.get("S3_REGION"))
            .variable("AWS_ENDPOINT_URL", &endpoint)
            .variable("AWS_CA_BUNDLE", stores.get("CA_FILE"))
    }

    pub fn directory(path: &Path) -> Self {
        Self::new(&[path.to_str().unwrap(), "--grace", "0"])
    }

    pub fn with(mut self, arguments: &[&str]) -> Self {
        // Given twice, the later one counts for none of them, so what is replaced goes.
        for word in arguments.iter().filter(|word| word.starts_with("--")) {
            if let Some(place) = self.arguments.iter().position(|known| known == word) {
                self.arguments.drain(place..place + 2);
            }
        }
        self.arguments
            .extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn run(&self, more: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("inspect")
            .args(&self.arguments)
            .args(more)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("LANG", "C.UTF-8")
            .output()
            .unwrap();
        Output {
            code: output.status.code().unwrap(),
            text: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What `--json` prints, with this exit code.
    pub fn json(&self, code: i32) -> Value {
        let output = self.run(&["--json"]);
        assert_eq!(output.code, code, "{}{}", output.text, output.errors);
        serde_json::from_str(&output.text).unwrap()
    }

    /// What is printed for people on a terminal of that width.
    pub fn text(&self, code: i32, width: usize) -> String {
        let wide = self.clone().variable("COLUMNS", &width.to_string());
        let output = wide.run(&[]);
        assert_eq!(output.code, code, "{}{}", output.text, output.errors);
        for line in output.text.lines().filter(|line| line.trim().contains(' ')) {
            assert!(line.chars().count() <= width, "{line}");
        }
        output.text
    }
}

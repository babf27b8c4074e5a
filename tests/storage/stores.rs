//! What `tests/cluster/stores` says, and settings made of it.

use std::{collections::BTreeMap, process::Command};

use holdfast::{
    domain::secret::Secret,
    storage::s3::{S3Credentials, S3Settings, Trust},
};

pub struct Stores(BTreeMap<String, String>);

impl Stores {
    pub fn read() -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/stores");
        let output = Command::new(program)
            .output()
            .expect("tests/cluster/stores can be run");
        assert!(
            output.status.success(),
            "no test cluster: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub fn get(&self, key: &str) -> &str {
        self.0
            .get(key)
            .unwrap_or_else(|| panic!("tests/cluster/stores prints no {key}"))
    }

    pub fn authority(&self) -> Vec<u8> {
        std::fs::read(self.get("CA_FILE")).unwrap()
    }

    /// The good bucket with the good key.
    pub fn s3(&self) -> S3Settings {
        S3Settings {
            bucket: self.get("S3_BUCKET").to_owned(),
            region: self.get("S3_REGION").to_owned(),
            host: self.get("S3_HOST").to_owned(),
            port: self.get("S3_PORT").parse().unwrap(),
            path_style: true,
            trust: Trust::Authority(self.authority()),
            credentials: S3Credentials::Shared {
                key: Secret::new(self.get("S3_ACCESS_KEY")),
                secret: Secret::new(self.get("S3_SECRET_KEY")),
                token: None,
            },
        }
    }
}

/// A name of its own for one test run.
pub fn unique(prefix: &str) -> String {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!("{prefix}-{}-{:08x}", std::process::id(), nanos % 0xFFFF_FFFF)
}

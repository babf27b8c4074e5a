//! `holdfast schedule explain`.

use std::io::{Read as _, Write as _, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::Utc;
use clap::{Args, Subcommand};

use crate::api::PerconaPGCluster;
use crate::policy::{self, Explanation};

/// Schedules and retention.
#[derive(Subcommand)]
pub enum Schedule {
    Explain(Explain),
}

/// Tell what the schedules and the retention of a cluster come to: the next runs, which backups there will be, and how
/// far back one can go then. Needs no Kubernetes.
#[derive(Args)]
pub struct Explain {
    /// A manifest with a `PerconaPGCluster`; `-` for standard input, as of `kubectl get pg NAME -o yaml`.
    manifest: PathBuf,
    /// The forecast is for so many days from now.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    days: u32,
    /// Runs to list of each schedule.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    runs: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Explains, or says what cannot be understood.
#[must_use]
pub fn run(arguments: &Schedule) -> ExitCode {
    let Schedule::Explain(arguments) = arguments;
    match arguments.explain() {
        Ok(explanation) => {
            let text = if arguments.json {
                serde_json::to_string_pretty(&explanation).unwrap_or_default() + "\n"
            } else {
                explanation.text()
            };
            // Whoever closed the pipe has read enough.
            let _ = stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("holdfast schedule explain: {message}");
            ExitCode::from(2)
        }
    }
}

impl Explain {
    fn explain(&self) -> Result<Explanation, String> {
        // By way of JSON, as from the API server: to read so large a type in one more way took minutes to compile.
        let manifest: serde_json::Value =
            serde_saphyr::from_str(&self.read()?).map_err(|error| format!("no YAML: {error}"))?;
        let cluster: PerconaPGCluster = serde_json::from_str(&manifest.to_string())
            .map_err(|error| format!("no PerconaPGCluster: {error}"))?;
        policy::explain(&cluster.spec, Utc::now(), self.days, self.runs).map_err(|error| error.to_string())
    }

    fn read(&self) -> Result<String, String> {
        let named = |error: std::io::Error| format!("{}: {error}", self.manifest.display());
        if self.manifest.as_os_str() == "-" {
            let mut text = String::new();
            stdin().read_to_string(&mut text).map_err(named)?;
            return Ok(text);
        }
        std::fs::read_to_string(&self.manifest).map_err(named)
    }
}

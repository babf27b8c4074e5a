//! `holdfast inspect`: what can be restored from a repository.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    path::PathBuf,
    process::ExitCode,
};

use chrono::TimeDelta;
use clap::{Args, ValueEnum};

use crate::{
    domain::{label::BackupType, retention::ArchivePolicy},
    inspect::{self, Environment, InspectError, Paper, Report, Request, StoreOptions},
    survey::ArchiveRetention,
};

/// Columns where no terminal says how many it has.
const USUAL_WIDTH: usize = 100;

/// What a repository is.
const REPOSITORY: &str =
    "s3://bucket/path, gs://bucket/path, az://container/path or a directory; none with --config";

/// What `--help` ends with.
const MORE: &str = "\
Credentials come from the environment:
  s3  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE
  az  AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN; AZURE_STORAGE_CONNECTION_STRING
  gs  GOOGLE_APPLICATION_CREDENTIALS, CLOUDSDK_AUTH_ACCESS_TOKEN
Without them profiles and identities count that the machine has. The passphrase of an encrypted repository comes from
HOLDFAST_CIPHER_PASS, PGBACKREST_REPO1_CIPHER_PASS or --cipher-pass-file.

Exit code: 0 when there is no gap; 1 when there is a gap or damage, or nothing can be restored; 2 for wrong arguments;
3 when the store cannot be reached or refuses; 4 when it holds no repository that can be read.";

/// Tell what can be restored from a pgBackRest repository: windows, gaps, backups.
#[derive(Args)]
#[command(after_help = MORE)]
// Each of them is one switch of the command line.
#[allow(clippy::struct_excessive_bools)]
pub struct Inspect {
    #[arg(required_unless_present = "config", help = REPOSITORY)]
    repository: Option<String>,
    /// The stanza.
    #[arg(long, default_value = "db")]
    stanza: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Read everything and compare it with its checksums. Reads the whole repository.
    #[arg(long)]
    deep: bool,
    /// pgBackRest's configuration file, for a repository that is named there.
    #[arg(long, value_name = "FILE", conflicts_with = "repository")]
    config: Vec<PathBuf>,
    /// N of repoN in the configuration.
    #[arg(long, value_name = "N", requires = "config")]
    repo: Option<u32>,
    /// Host of the store, with a port if it is not 443.
    #[arg(long, value_name = "HOST[:PORT]")]
    endpoint: Option<String>,
    /// Region of the bucket.
    #[arg(long)]
    region: Option<String>,
    /// Whether the bucket or account is in the host's name or in the path.
    #[arg(long, value_enum)]
    uri_style: Option<UriStyle>,
    /// Authority that signed the store's certificate, PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Trust any certificate.
    #[arg(long)]
    no_verify_tls: bool,
    /// File whose first line is the passphrase of the repository.
    #[arg(long, value_name = "FILE")]
    cipher_pass_file: Option<PathBuf>,
    /// A gap that is younger than so many seconds may still be filled in.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    grace: u32,
    /// pgBackRest's repo-retention-archive, so that what it took away is no gap.
    #[arg(long, value_name = "BACKUPS")]
    retention_archive: Option<usize>,
    /// pgBackRest's repo-retention-archive-type: full, diff or incr.
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "full",
        requires = "retention_archive"
    )]
    retention_archive_type: BackupType,
    /// Draw with ASCII characters only.
    #[arg(long)]
    ascii: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum UriStyle {
    Host,
    Path,
}

/// Inspects, prints and says by the exit code how it stands.
#[must_use]
pub fn run(arguments: &Inspect) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("holdfast inspect: no runtime: {error}");
            return ExitCode::from(2);
        }
    };
    let found = runtime.block_on(inspect::inspect(&arguments.request(), &Environment::of_process()));
    match found {
        Ok(report) => {
            arguments.print(&report);
            inspect::exit_code(&report)
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &InspectError) -> ExitCode {
    eprintln!("holdfast inspect: {error}");
    if let Some(advice) = error.advice() {
        eprintln!("{advice}");
    }
    ExitCode::from(error.exit_code())
}

impl Inspect {
    fn request(&self) -> Request {
        Request {
            repository: self.repository.clone(),
            configuration: self.config.clone(),
            key: self.repo,
            stanza: self.stanza.clone(),
            store: StoreOptions {
                endpoint: self.endpoint.clone(),
                region: self.region.clone(),
                path_style: self.uri_style.map(|style| matches!(style, UriStyle::Path)),
                ca_file: self.ca_file.clone(),
                trust_anyone: self.no_verify_tls,
                cipher_pass_file: self.cipher_pass_file.clone(),
            },
            grace: TimeDelta::seconds(self.grace.into()),
            retention: self.retention_archive.map(|backups| ArchiveRetention {
                archive: ArchivePolicy {
                    counted: self.retention_archive_type,
                    backups: Some(backups),
                },
                ..ArchiveRetention::default()
            }),
            deep: self.deep,
        }
    }

    fn print(&self, report: &Report) {
        let text = if self.json {
            serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
        } else {
            report.text(Paper {
                width: width(),
                ascii: self.ascii || !is_unicode(),
            })
        };
        // Whoever closed the pipe has read enough.
        let _ = stdout().write_all(text.as_bytes());
    }
}

/// What the terminal has, or `COLUMNS` says.
fn width() -> usize {
    let terminal = || {
        let out = stdout();
        let size = out
            .is_terminal()
            .then(|| rustix::termios::tcgetwinsize(&out).ok())??;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    let variable = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    variable.or_else(terminal).unwrap_or(USUAL_WIDTH)
}

fn is_unicode() -> bool {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(set)
        .unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

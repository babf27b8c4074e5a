//! `holdfast agent …`: what our own containers run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::agent::{
    backup, delete_stanza, expire, install, instance, pgbouncer, postgres, repo_host, restore, runtime,
};
use crate::api::cluster::drills::DrillChecks;
use crate::domain::wal::Lsn;

/// Roles inside pods.
#[derive(Subcommand)]
pub enum Agent {
    /// Copy this executable to a directory, for the other containers of the pod.
    Install {
        /// Where to; made if missing.
        directory: PathBuf,
    },
    /// Make the volumes ready and become Patroni.
    Postgres,
    /// Beside PostgreSQL: serve pgBackRest, apply users and databases, report.
    Instance,
    /// Beside the volumes of repositories: serve pgBackRest, show the volumes to the controller.
    RepoHost,
    /// In a Job: make one backup and tell how it went.
    Backup {
        /// The stanza.
        #[arg(long)]
        stanza: String,
        /// Key of the repository.
        #[arg(long)]
        repo: u8,
        /// Directory of lock files, on the repository's volume.
        #[arg(long)]
        lock_path: Option<PathBuf>,
        /// Seconds without progress after which pgBackRest is ended.
        #[arg(long, default_value_t = backup::STALL_SECONDS)]
        stall_seconds: u64,
        /// Options for pgBackRest.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// In a Job, on a stopped instance's volumes: put a backup into their place and recover it to the target.
    Restore(RestoreArguments),
    /// In a Job, on a stopped instance's volumes: bring back what was there before a restore.
    UndoRestore {
        /// Uid of the restore.
        #[arg(long)]
        restore: String,
    },
    /// In a Job: let backups go, and the WAL that is kept for none.
    Expire {
        /// The stanza.
        #[arg(long)]
        stanza: String,
        /// Key of the repository.
        #[arg(long)]
        repo: u8,
        /// Directory of lock files, on the repository's volume.
        #[arg(long)]
        lock_path: Option<PathBuf>,
        /// WAL is kept from so many of the newest backups on; all of it when absent.
        #[arg(long)]
        archive: Option<usize>,
        /// Type of those backups.
        #[arg(long, default_value = "full")]
        archive_type: String,
        /// Labels of the backups that go.
        #[arg(last = true)]
        labels: Vec<String>,
    },
    /// In a Job: remove all of a cluster from a repository.
    DeleteStanza {
        /// The stanza.
        #[arg(long)]
        stanza: String,
        /// Key of the repository.
        #[arg(long)]
        repo: u8,
        /// Directory of lock files, on the repository's volume.
        #[arg(long)]
        lock_path: Option<PathBuf>,
        /// The database whose backups they must be.
        #[arg(long)]
        system_identifier: u64,
    },
    /// Keep PgBouncer running, reload it when its files change.
    Pgbouncer {
        /// A further file or directory whose change makes it reload.
        #[arg(long)]
        watch: Vec<PathBuf>,
    },
}

/// What a restore is told.
#[derive(Args)]
pub struct RestoreArguments {
    /// Uid of the restore.
    #[arg(long)]
    restore: String,
    /// The stanza.
    #[arg(long)]
    stanza: String,
    /// Key of the repository.
    #[arg(long)]
    repo: u8,
    /// Read the repository as it stood then.
    #[arg(long)]
    repository_time: Option<String>,
    /// Label of the backup.
    #[arg(long)]
    set: String,
    /// Kind of the target.
    #[arg(long = "type")]
    kind: String,
    /// The target.
    #[arg(long)]
    target: Option<String>,
    /// Leave out what is at the target itself.
    #[arg(long)]
    exclusive: bool,
    /// The timeline that is followed.
    #[arg(long)]
    timeline: u32,
    /// Where it stops may be on an earlier timeline of the way to that.
    #[arg(long)]
    passes_through: bool,
    /// A position that the end of the WAL must not lie before.
    #[arg(long)]
    at_least: Option<Lsn>,
    /// What becomes of the data that are there.
    #[arg(long, value_enum)]
    previous: restore::Previous,
    /// Bytes that must be free beside the previous data.
    #[arg(long, default_value_t = 0)]
    bytes: u64,
    /// The database that it must be.
    #[arg(long)]
    system_identifier: Option<u64>,
    /// What is checked of what was restored, as JSON.
    #[arg(long, value_parser = read_checks)]
    checks: Option<DrillChecks>,
    /// Options for pgBackRest.
    #[arg(last = true)]
    options: Vec<String>,
}

fn read_checks(text: &str) -> Result<DrillChecks, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl RestoreArguments {
    fn request(&self) -> restore::Request {
        restore::Request {
            restore: self.restore.clone(),
            stanza: self.stanza.clone(),
            repository: self.repo,
            repository_time: self.repository_time.clone(),
            set: self.set.clone(),
            kind: self.kind.clone(),
            target: self.target.clone(),
            exclusive: self.exclusive,
            timeline: self.timeline,
            passes_through: self.passes_through,
            at_least: self.at_least,
            previous: self.previous,
            bytes: self.bytes,
            system_identifier: self.system_identifier,
            checks: self.checks.clone(),
            options: self.options.clone(),
        }
    }
}

/// Runs one of them and returns the process's exit code.
#[must_use]
pub fn run(agent: &Agent) -> ExitCode {
    log_to_stderr();
    match agent {
        Agent::Install { directory } => match install::install(directory) {
            Ok(path) => {
                tracing::info!(path = %path.display(), "installed");
                ExitCode::SUCCESS
            }
            Err(error) => failed(error.category(), &error),
        },
        Agent::Postgres => {
            let error = postgres::run();
            failed(error.category(), &error)
        }
        Agent::Instance => match runtime::run(instance::run) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => failed(error.category(), &error),
            Err(error) => failed("runtime", &error),
        },
        Agent::RepoHost => match runtime::run(repo_host::run) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(error)) => failed(error.category(), &error),
            Err(error) => failed("runtime", &error),
        },
        Agent::Backup {
            stanza,
            repo,
            lock_path,
            stall_seconds,
            options,
        } => {
            let request = backup::Request {
                stanza: stanza.clone(),
                repository: *repo,
                lock_path: lock_path.clone(),
                stall: Duration::from_secs(*stall_seconds),
                options: options.clone(),
            };
            of_job(runtime::run(|stop| backup::run(request, stop)))
        }
        Agent::Restore(arguments) => {
            let request = arguments.request();
            of_job(runtime::run(|stop| restore::run(request, stop)))
        }
        Agent::UndoRestore { restore } => ExitCode::from(restore::undo(restore)),
        Agent::Expire {
            stanza,
            repo,
            lock_path,
            archive,
            archive_type,
            labels,
        } => {
            let request = expire::Request {
                stanza: stanza.clone(),
                repository: *repo,
                lock_path: lock_path.clone(),
                labels: labels.clone(),
                archive: *archive,
                archive_type: archive_type.clone(),
            };
            of_job(runtime::run(|stop| expire::run(request, stop)))
        }
        Agent::DeleteStanza {
            stanza,
            repo,
            lock_path,
            system_identifier,
        } => {
            let request = delete_stanza::Request {
                stanza: stanza.clone(),
                repository: *repo,
                lock_path: lock_path.clone(),
                system_identifier: *system_identifier,
            };
            of_job(runtime::run(|stop| delete_stanza::run(request, stop)))
        }
        Agent::Pgbouncer { watch } => match runtime::run(|stop| pgbouncer::run(watch.clone(), stop)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed("runtime", &error),
        },
    }
}

/// An agent of a Job says by its code how it went.
fn of_job(ended: std::io::Result<u8>) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => failed("runtime", &error),
    }
}

fn failed(category: &str, error: &dyn std::error::Error) -> ExitCode {
    tracing::error!(category, %error, "cannot go on");
    ExitCode::FAILURE
}

/// `HOLDFAST_LOG` filters as `RUST_LOG` does elsewhere; `HOLDFAST_LOG_FORMAT=json` gives one JSON object a line.
fn log_to_stderr() {
    let filter = std::env::var("HOLDFAST_LOG").unwrap_or_else(|_| "info".to_owned());
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .with_ansi(false);
    if std::env::var("HOLDFAST_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().init();
    } else {
        builder.init();
    }
}

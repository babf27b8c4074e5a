//! `holdfast agent expire`: lets go the backups that the controller names, then the WAL that is kept for none.
//!
//! Invariants: it runs under the repository's Lease, which the controller has taken; no backup goes that was not named, so one
//! that came meanwhile and depends on one of them stops it before anything is removed; a second run finds nothing left to do.
//! What is to go is not decided here.

mod victims;

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use self::victims::Plan;
use super::pgbackrest::{self, Finished};
use super::report::{BackupOutcome, exit};
use super::termination;
use crate::pgbackrest::exit_code::{self, Command as Named, Evidence};
use crate::pgbackrest::info::Info;

/// pgBackRest retries for a minute by itself when a store does not answer.
const LOOK: Duration = Duration::from_secs(90);
/// A chain of large backups is many objects; stores remove some hundred in a second.
const LIMIT: Duration = Duration::from_hours(6);
/// More than anybody has: pgBackRest's own retention takes nothing. Its highest number.
const ALL: &str = "9999999";

/// What the Job asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The stanza.
    pub stanza: String,
    /// Key of the repository.
    pub repository: u8,
    /// Where its lock files are, if not where the configuration says: on the repository's volume.
    pub lock_path: Option<PathBuf>,
    /// Labels of all backups that are to go.
    pub labels: Vec<String>,
    /// WAL is kept from so many of the newest backups on; all of it when absent.
    pub archive: Option<usize>,
    /// Type of those backups: `full`, `diff` or `incr`.
    pub archive_type: String,
}

/// Does it; the result is the process's exit code, of [`exit`].
pub async fn run(request: Request, stop: CancellationToken) -> u8 {
    let started = Utc::now();
    let (outcome, code) = tokio::select! {
        done = expire(&request) => done,
        () = stop.cancelled() => (told("stopped on request"), exit::STOPPED),
    };
    let outcome = BackupOutcome {
        started_at: Some(started),
        ended_at: Some(Utc::now()),
        ..outcome
    };
    tracing::info!(exit = outcome.exit, code, message = outcome.message, "ended");
    termination::tell(&outcome);
    code
}

async fn expire(request: &Request) -> (BackupOutcome, u8) {
    let answer = pgbackrest::run(look(request), LOOK).await;
    let info = match Info::parse(answer.output.as_bytes()) {
        Ok(info) if info.is_readable() => info,
        _ => {
            let message = "the repository cannot be read, so nothing is removed from it";
            return (of(&answer, message), exit::TRANSIENT);
        }
    };
    let roots = match victims::plan(&info, &request.labels) {
        Plan::Expire(roots) => roots,
        Plan::Refuse(others) => {
            let others: Vec<String> = others
                .iter()
                .map(|(label, needs)| format!("{label} needs {needs}"))
                .collect();
            let message = format!("nothing is removed: {}", others.join(", "));
            return (told(&message), exit::PERMANENT);
        }
    };
    // The WAL goes with the last of them.
    let sets = if roots.is_empty() {
        vec![None]
    } else {
        roots.iter().map(Some).collect()
    };
    for set in sets {
        let finished = pgbackrest::run(command(request, set.map(String::as_str)), LIMIT).await;
        let evidence = Evidence {
            repository: None,
            http_status: finished.http_status,
            error_types: &finished.error_types,
        };
        if let Some(failure) = exit_code::classify(Named::Expire, finished.exit, &evidence) {
            let message = match (set, finished.exit) {
                (Some(label), Some(code)) => format!("pgbackrest expire of {label} ended with {code}"),
                (None, Some(code)) => format!("pgbackrest expire ended with {code}"),
                (_, None) => "pgbackrest expire was killed or took too long".to_owned(),
            };
            return (of(&finished, &message), exit::of(failure.permanence));
        }
    }
    let message = format!(
        "{} backups with all that depends on them, and WAL that is kept for none",
        roots.len()
    );
    let done = BackupOutcome {
        exit: Some(0),
        ..told(&message)
    };
    (done, exit::OK)
}

fn base(request: &Request) -> Command {
    let mut command = Command::new("pgbackrest");
    command.args([
        format!("--stanza={}", request.stanza),
        format!("--repo={}", request.repository),
    ]);
    command.args(["--log-level-console=off", "--log-timestamp=n"]);
    command
}

fn look(request: &Request) -> Command {
    let mut command = base(request);
    command.args(["--output=json", "--log-level-stderr=warn", "info"]);
    command
}

/// The user's own retention must not act here: it knows nothing of what is held.
fn command(request: &Request, set: Option<&str>) -> Command {
    let mut command = base(request);
    let repository = format!("--repo{}", request.repository);
    let archive = request
        .archive
        .map_or_else(|| ALL.to_owned(), |count| count.to_string());
    command.args([
        "--log-level-stderr=info".to_owned(),
        format!("{repository}-retention-full-type=count"),
        format!("{repository}-retention-full={ALL}"),
        format!("{repository}-retention-diff={ALL}"),
        format!("{repository}-retention-archive={archive}"),
        format!("{repository}-retention-archive-type={}", request.archive_type),
    ]);
    command.args(
        request
            .lock_path
            .iter()
            .map(|path| format!("--lock-path={}", path.display())),
    );
    command.arg("expire");
    command.args(set.map(|label| format!("--set={label}")));
    command
}

fn told(message: &str) -> BackupOutcome {
    BackupOutcome {
        message: message.to_owned(),
        ..BackupOutcome::default()
    }
}

fn of(finished: &Finished, message: &str) -> BackupOutcome {
    BackupOutcome {
        exit: finished.exit,
        error_types: finished.error_types.clone(),
        http_status: finished.http_status,
        ..told(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgbackrests_own_retention_takes_nothing() {
        let request = Request {
            stanza: "db".into(),
            repository: 3,
            lock_path: Some("/pgbackrest/repo3/lock".into()),
            labels: vec!["20261121-000000F".into()],
            archive: Some(2),
            archive_type: "diff".into(),
        };
        let shown = |command: Command| {
            let arguments = command.as_std().get_args();
            arguments
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shown(command(&request, Some("20261121-000000F"))),
            [
                "--stanza=db",
                "--repo=3",
                "--log-level-console=off",
                "--log-timestamp=n",
                "--log-level-stderr=info",
                "--repo3-retention-full-type=count",
                "--repo3-retention-full=9999999",
                "--repo3-retention-diff=9999999",
                "--repo3-retention-archive=2",
                "--repo3-retention-archive-type=diff",
                "--lock-path=/pgbackrest/repo3/lock",
                "expire",
                "--set=20261121-000000F",
            ]
        );
        let all = Request {
            archive: None,
            ..request
        };
        let wal_only = shown(command(&all, None));
        assert!(wal_only.contains(&"--repo3-retention-archive=9999999".to_owned()));
        assert!(!wal_only.iter().any(|argument| argument.starts_with("--set")));
    }
}

//! `holdfast agent backup`: runs one `pgbackrest backup` in a Job's container and tells how it went.
//!
//! Invariants: a backup of this very Job that is in the repository already is not made twice; the API server being
//! away fails no backup; a request to stop reaches pgBackRest, which then frees its locks. What it says is evidence
//! for the controller, which looks into the repository before it believes in success.

mod existing;
mod lock_file;
mod options;
mod progress;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use self::options::Marks;
use super::environment::{self, EnvironmentError};
use super::report::{BackupOutcome, exit};
use super::termination;
use crate::pgbackrest::configuration::JOB_LOCK_PATH;
use crate::pgbackrest::exit_code::{self, Command, Evidence};
use crate::pgbackrest::failure::Permanence;

/// Default of [`Request::stall`] in seconds: the longest silence of pgBackRest that means well is its wait for WAL, which has a
/// limit of its own far below.
pub const STALL_SECONDS: u64 = 1800;

/// What the Job asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The stanza.
    pub stanza: String,
    /// Key of the repository.
    pub repository: u8,
    /// Where its lock files are, if not where the configuration says: on the repository's volume.
    pub lock_path: Option<PathBuf>,
    /// It is ended when so long no byte was copied and nothing was said.
    pub stall: Duration,
    /// Options of the user, validated by the controller, one argument each.
    pub options: Vec<String>,
}

/// Makes the backup; the result is the process's exit code, of [`exit`].
pub async fn run(request: Request, stop: CancellationToken) -> u8 {
    let started = Utc::now();
    let (outcome, code) = match Marks::read(environment::variable) {
        Ok(marks) => attempt(&request, &marks, &stop).await,
        Err(error) => (misconfigured(&error), exit::PERMANENT),
    };
    let outcome = BackupOutcome {
        started_at: Some(started),
        ended_at: outcome.ended_at.or_else(|| Some(Utc::now())),
        ..outcome
    };
    tracing::info!(exit = outcome.exit, code, message = outcome.message, "ended");
    termination::tell(&outcome);
    code
}

async fn attempt(request: &Request, marks: &Marks, stop: &CancellationToken) -> (BackupOutcome, u8) {
    if let Some(label) = existing::label_of_job(request, &marks.job).await {
        let message = format!("the repository already holds {label}, made by this Job");
        return (
            BackupOutcome {
                exit: Some(0),
                message,
                label: Some(label),
                ..BackupOutcome::default()
            },
            exit::OK,
        );
    }
    if stop.is_cancelled() {
        return (
            BackupOutcome {
                message: "stopped on request".into(),
                ..BackupOutcome::default()
            },
            exit::STOPPED,
        );
    }
    let lock_file = request
        .lock_path
        .clone()
        .unwrap_or_else(|| PathBuf::from(JOB_LOCK_PATH))
        .join(format!("{}-backup-{}.lock", request.stanza, request.repository));
    let publisher = progress::Publisher::begin(environment::variable).await;
    let arguments = options::arguments(request, marks);
    let ran = run::run(
        "pgbackrest".as_ref(),
        &arguments,
        &lock_file,
        request.stall,
        publisher,
        stop,
    )
    .await;
    let code = code_of(&ran, stop.is_cancelled());
    (ran, code)
}

fn misconfigured(error: &EnvironmentError) -> BackupOutcome {
    BackupOutcome {
        message: error.to_string(),
        ..BackupOutcome::default()
    }
}

/// Our exit code for what pgBackRest's says. A backup that was finished before the request to stop arrived counts.
fn code_of(outcome: &BackupOutcome, stopped: bool) -> u8 {
    let evidence = Evidence {
        repository: None,
        http_status: outcome.http_status,
        error_types: &outcome.error_types,
    };
    match exit_code::classify(Command::Backup, outcome.exit, &evidence) {
        None => exit::OK,
        Some(_) if outcome.stalled => exit::TRANSIENT,
        // An image without pgBackRest does not get one by trying again.
        Some(_) if outcome.exit.is_none() && outcome.error_types == [run::NOT_STARTED] => exit::PERMANENT,
        Some(_) if stopped => exit::STOPPED,
        Some(failure) => match failure.permanence {
            Permanence::Permanent => exit::PERMANENT,
            Permanence::Transient => exit::TRANSIENT,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: Option<i32>, error_types: &[&str]) -> BackupOutcome {
        let error_types = error_types.iter().map(|&name| name.to_owned()).collect();
        BackupOutcome {
            exit,
            error_types,
            ..BackupOutcome::default()
        }
    }

    #[test]
    fn the_code_tells_whether_another_try_makes_sense() {
        assert_eq!(code_of(&ended(Some(0), &[]), false), exit::OK);
        assert_eq!(code_of(&ended(Some(31), &[]), false), exit::PERMANENT);
        assert_eq!(code_of(&ended(Some(29), &[]), false), exit::PERMANENT);
        assert_eq!(
            code_of(&ended(Some(56), &["LockAcquireError"]), false),
            exit::TRANSIENT
        );
        assert_eq!(code_of(&ended(None, &[]), false), exit::TRANSIENT);
        assert_eq!(code_of(&ended(None, &[run::NOT_STARTED]), false), exit::PERMANENT);
    }

    #[test]
    fn a_request_to_stop_is_told_unless_the_backup_was_finished_before() {
        assert_eq!(code_of(&ended(Some(63), &[]), true), exit::STOPPED);
        assert_eq!(code_of(&ended(None, &[]), true), exit::STOPPED);
        assert_eq!(code_of(&ended(Some(0), &[]), true), exit::OK);
    }
}

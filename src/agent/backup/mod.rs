//! `holdfast agent backup`: runs one `pgbackrest backup` in a Job's container and tells how it went.
//!
//! Invariants: a backup of this very Job that is in the repository already is not made twice; the API server being
//! away fails no backup; a request to stop reaches pgBackRest, which then frees its locks; a standby that is preferred and
//! lags fails no backup either. What it says is evidence for the controller, which looks into the repository before it
//! believes in success.

mod existing;
mod lock_file;
mod memory;
mod options;
mod run;
mod servers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use self::options::Marks;
use self::run::Surroundings;
use self::servers::Servers;
use super::environment::{self, EnvironmentError};
use super::progress::Publisher;
use super::report::{BackupOutcome, exit};
use super::termination;
use crate::pgbackrest::configuration::{INCLUDE_DIRECTORY, JOB_LOCK_PATH};
use crate::pgbackrest::exit_code::{self, Command, Evidence};
use crate::pgbackrest::user_options::UserOptions;

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
    let configured = servers::configured(Path::new(INCLUDE_DIRECTORY));
    if let Some((name, reason)) = environment::refused(configured.environment.keys()) {
        return (refused(name, reason), exit::PERMANENT);
    }
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
    let around = Surroundings {
        lock_file: request
            .lock_path
            .clone()
            .unwrap_or_else(|| PathBuf::from(JOB_LOCK_PATH))
            .join(format!("{}-backup-{}.lock", request.stanza, request.repository)),
        control_groups: memory::CONTROL_GROUPS.into(),
        processes: servers::PROCESSES.into(),
        servers: Servers::of(&configured),
    };
    let run = async |arguments: &[String]| {
        let publisher = Publisher::begin(environment::variable).await;
        run::run(
            "pgbackrest".as_ref(),
            arguments,
            &around,
            request.stall,
            publisher,
            stop,
        )
        .await
    };
    let mut ran = run(&options::arguments(request, marks)).await;
    if !stop.is_cancelled() && waited_for_standby(&ran, request, &configured, &around.servers) {
        tracing::warn!(
            said = ran.message,
            "no standby can be copied from: copying from the primary"
        );
        ran = run(&options::arguments_for_primary(request, marks)).await;
    }
    let code = code_of(&ran, stop.is_cancelled());
    (ran, code)
}

/// Whether it may have ended because of the standby: before a byte was copied, as when what the primary had written was not
/// replayed in time, or when the standby follows another timeline. WAL that does not arrive looks the same at that point,
/// and then costs another minute.
fn waited_for_standby(
    ran: &BackupOutcome,
    request: &Request,
    configured: &UserOptions,
    servers: &Servers,
) -> bool {
    matches!(
        ran.exit,
        Some(exit_code::ARCHIVE_TIMEOUT | exit_code::DATABASE_MISMATCH)
    ) && ran.bytes.is_none()
        && servers.are_several()
        && options::may_do_without_standby(request, configured)
}

fn refused(variable: &str, reason: &str) -> BackupOutcome {
    BackupOutcome {
        message: format!("variable {variable} of the Job's environment may not be set: {reason}"),
        refused: true,
        ..BackupOutcome::default()
    }
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
        // Killed for memory, pgBackRest's own code says what the loss of a process led to.
        Some(_) if outcome.stalled || outcome.memory_kills > 0 => exit::TRANSIENT,
        // An image without pgBackRest does not get one by trying again.
        Some(_) if outcome.exit.is_none() && outcome.error_types == [run::NOT_STARTED] => exit::PERMANENT,
        Some(_) if stopped => exit::STOPPED,
        Some(failure) => exit::of(failure.permanence),
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
    fn one_that_lost_a_process_for_memory_is_tried_again_whatever_its_code() {
        let lost = BackupOutcome {
            memory_kills: 1,
            ..ended(Some(29), &[])
        };
        assert_eq!(code_of(&lost, false), exit::TRANSIENT);
    }

    #[test]
    fn only_what_ended_before_a_byte_was_copied_may_be_the_standbys_fault() {
        let directory = tempfile::tempdir().unwrap();
        let file = "[global]\nbackup-standby=prefer\n[db]\npg1-host=a-0.x\npg2-host=b-0.x\n";
        std::fs::write(directory.path().join("a.conf"), file).unwrap();
        let configured = servers::configured(directory.path());
        let servers = Servers::of(&configured);
        let request = Request {
            stanza: "db".into(),
            repository: 1,
            lock_path: None,
            stall: Duration::from_mins(1),
            options: vec![],
        };
        let standby = |ran: &BackupOutcome| waited_for_standby(ran, &request, &configured, &servers);
        assert!(standby(&ended(Some(82), &[])));
        assert!(standby(&ended(Some(58), &[])));
        assert!(!standby(&ended(Some(56), &[])));
        let copied = BackupOutcome {
            bytes: Some(0),
            ..ended(Some(82), &[])
        };
        assert!(!standby(&copied));
        let alone = Servers::default();
        assert!(!waited_for_standby(
            &ended(Some(82), &[]),
            &request,
            &configured,
            &alone
        ));
    }

    #[test]
    fn a_request_to_stop_is_told_unless_the_backup_was_finished_before() {
        assert_eq!(code_of(&ended(Some(63), &[]), true), exit::STOPPED);
        assert_eq!(code_of(&ended(None, &[]), true), exit::STOPPED);
        assert_eq!(code_of(&ended(Some(0), &[]), true), exit::OK);
    }
}

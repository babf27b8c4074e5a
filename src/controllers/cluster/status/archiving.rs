//! Whether WAL reaches the repositories, from what the primary's agent says of PostgreSQL's archiver and of pgBackRest.

use super::Facts;
use crate::agent::report::{ArchiveFailure, ArchiverReport};
use crate::api::Reason;
use crate::api::conditions::Status;
use crate::controllers::cluster::repositories::Verdict;
use crate::pgbackrest::exit_code::{self, Command, Evidence};

/// The condition `ArchivingHealthy`.
pub fn judge(facts: &Facts<'_>) -> (Status, Reason, String) {
    if facts.validated.is_ok_and(|cluster| cluster.backups.is_none()) {
        let message = "backups are off: WAL is discarded".to_owned();
        return (Status::False, Reason::BackupsDisabled, message);
    }
    let archiver = facts
        .reports
        .iter()
        .filter(|(_, report)| report.in_recovery == Some(false))
        .find_map(|(_, report)| report.archiver.as_ref());
    let Some(archiver) = archiver else {
        let message = "no instance reports that it takes writes".to_owned();
        return (Status::Unknown, Reason::PrimaryUnreachable, message);
    };
    if !archiver.is_failing() {
        return (
            Status::True,
            Reason::AsSpecified,
            "WAL reaches every repository".to_owned(),
        );
    }
    let (reason, why) = cause(archiver, facts.repositories);
    (Status::False, reason, format!("{why}; {}", waiting(archiver)))
}

/// What stands in the way: what our own look at a repository showed says it best, then what pgBackRest said.
fn cause(archiver: &ArchiverReport, repositories: &[Verdict]) -> (Reason, String) {
    let bad = repositories
        .iter()
        .find(|verdict| !(verdict.cleared && verdict.stanza));
    if let Some(verdict) = bad {
        return (verdict.reason, verdict.message.clone());
    }
    let Some(failure) = &archiver.failure else {
        return (
            Reason::ArchivingFailing,
            "pgBackRest has not said why yet".to_owned(),
        );
    };
    let who = if failure.repositories.is_empty() {
        "archive-push".to_owned()
    } else {
        failure.repositories.join(", ")
    };
    (reason(failure), format!("{who} refuses WAL ({})", said(failure)))
}

fn reason(failure: &ArchiveFailure) -> Reason {
    let evidence = Evidence {
        repository: None,
        http_status: failure.http_status,
        error_types: &failure.error_types,
    };
    exit_code::classify(Command::ArchivePush, Some(failure.exit), &evidence)
        .map(|failure| failure.kind.reason())
        .filter(|reason| *reason != Reason::BackupFailed)
        .unwrap_or(Reason::ArchivingFailing)
}

fn said(failure: &ArchiveFailure) -> String {
    let status = failure
        .http_status
        .map(|status| format!(", HTTP status {status}"))
        .unwrap_or_default();
    let types = failure.error_types.join(", ");
    let types = if types.is_empty() {
        String::new()
    } else {
        format!(" {types}")
    };
    format!("pgBackRest error {}{types}{status}", failure.exit)
}

/// What is at stake. The number of files is left out: it would make another status every minute.
fn waiting(archiver: &ArchiverReport) -> String {
    match (&archiver.last_archived_wal, &archiver.last_archived_at) {
        (Some(wal), Some(at)) => format!(
            "the last segment that arrived is {} of {}; later WAL waits on the primary's volume",
            // The history file of a backup carries the name of its first segment.
            wal.get(..24).unwrap_or(wal),
            at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        _ => "no segment has arrived yet; WAL waits on the primary's volume".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn failing(failure: Option<ArchiveFailure>) -> ArchiverReport {
        ArchiverReport {
            last_failed_at: DateTime::from_timestamp(1, 0),
            failure,
            ..ArchiverReport::default()
        }
    }

    fn full() -> ArchiveFailure {
        ArchiveFailure {
            exit: 104,
            http_status: Some(507),
            error_types: vec!["ServiceError".to_owned()],
            repositories: vec!["repo2".to_owned()],
        }
    }

    fn repository(cleared: bool, stanza: bool, reason: Reason) -> Verdict {
        Verdict {
            repo: "repo1".to_owned(),
            cleared,
            stanza,
            empty: false,
            reason,
            message: "repo1 says no".to_owned(),
        }
    }

    #[test]
    fn the_refusing_repository_is_named_with_its_answer() {
        let (reason, why) = cause(
            &failing(Some(full())),
            &[repository(true, true, Reason::AsSpecified)],
        );
        assert_eq!(reason, Reason::StoreFull);
        assert!(why.contains("repo2") && why.contains("507"), "{why}");
    }

    #[test]
    fn what_our_own_look_found_comes_first() {
        let bad = repository(false, false, Reason::CredentialsRefused);
        assert_eq!(
            cause(&failing(Some(full())), &[bad]).0,
            Reason::CredentialsRefused
        );
    }

    #[test]
    fn a_failure_without_a_known_cause_is_told_as_that() {
        assert_eq!(cause(&failing(None), &[]).0, Reason::ArchivingFailing);
        let odd = ArchiveFailure {
            exit: 25,
            ..ArchiveFailure::default()
        };
        assert_eq!(cause(&failing(Some(odd)), &[]).0, Reason::ArchivingFailing);
    }
}

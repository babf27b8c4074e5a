//! Whether WAL reaches the repositories, from what the primary's agent says of PostgreSQL's archiver and of pgBackRest.

use chrono::{DateTime, TimeDelta, Utc};

use super::Facts;
use crate::agent::report::{ArchiveFailure, ArchiverReport};
use crate::api::Reason;
use crate::api::conditions::Status;
use crate::controllers::cluster::repositories::Verdict;
use crate::controllers::cluster::validated::Backups;
use crate::domain::size::Bytes;
use crate::pgbackrest::exit_code::{self, Command, Evidence};

/// So many files are more than wait while a burst of writes is archived.
const MANY_FILES: i64 = 32;
/// A volume that is full within this time is told before it is.
const SOON: TimeDelta = TimeDelta::hours(6);

/// The condition `ArchivingHealthy`.
pub fn judge(facts: &Facts<'_>, now: DateTime<Utc>) -> (Status, Reason, String) {
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
        if facts.observed.cluster.is_standby() {
            let message = "a standby archives nothing".to_owned();
            return (Status::Unknown, Reason::ClusterIsStandby, message);
        }
        let message = "no instance reports that it takes writes".to_owned();
        return (Status::Unknown, Reason::PrimaryUnreachable, message);
    };
    let suspended = suspended(facts);
    if !archiver.is_failing() {
        return accumulating(archiver, now).unwrap_or_else(|| healthy(&suspended));
    }
    let asked: Vec<&Verdict> = facts
        .repositories
        .iter()
        .filter(|verdict| !suspended.contains(&verdict.repo.as_str()))
        .collect();
    let (reason, why) = cause(archiver, &asked);
    (Status::False, reason, format!("{why}; {}", waiting(archiver)))
}

/// Whether WAL waits because of a repository. Where it is not known which one refuses it, any of them may.
pub fn refuses(facts: &Facts<'_>, repo: &str) -> bool {
    let mut archivers = facts
        .reports
        .iter()
        .filter_map(|(_, report)| report.archiver.as_ref());
    archivers.any(|archiver| {
        let failure = archiver.failure.as_ref().map(|failure| &failure.repositories);
        archiver.is_failing()
            && failure.is_none_or(|repositories| {
                repositories.is_empty() || repositories.iter().any(|refusing| refusing == repo)
            })
    })
}

/// WAL arrives, but later than it is written, and the volume will not hold it for long.
fn accumulating(archiver: &ArchiverReport, now: DateTime<Utc>) -> Option<(Status, Reason, String)> {
    let full_at = archiver.volume.as_ref()?.full_at?;
    if archiver.ready_files < MANY_FILES || full_at - now > SOON {
        return None;
    }
    let message = format!(
        "WAL is written faster than it is archived; {}",
        outlook(archiver)?
    );
    Some((Status::False, Reason::WalAccumulating, message))
}

/// When WAL has no room left, where that can be told.
fn outlook(archiver: &ArchiverReport) -> Option<String> {
    let volume = archiver.volume.as_ref()?;
    let at = volume.full_at?.format("%Y-%m-%d %H:%M UTC");
    Some(format!(
        "at this rate its volume of {} is full at about {at}, and PostgreSQL then stops",
        Bytes(volume.size)
    ))
}

/// Repositories that the user keeps WAL from.
fn suspended<'a>(facts: &Facts<'a>) -> Vec<&'a str> {
    let backups = facts.validated.ok().and_then(|cluster| cluster.backups.as_ref());
    backups
        .into_iter()
        .flat_map(Backups::suspended)
        .map(|repo| repo.name.as_str())
        .collect()
}

fn healthy(suspended: &[&str]) -> (Status, Reason, String) {
    if suspended.is_empty() {
        let message = "WAL reaches every repository".to_owned();
        return (Status::True, Reason::AsSpecified, message);
    }
    let message = format!(
        "WAL reaches every repository but {}, to which archiving is suspended",
        suspended.join(", ")
    );
    (Status::True, Reason::ArchivingSuspended, message)
}

/// What stands in the way: what our own look at a repository showed says it best, then what pgBackRest said.
fn cause(archiver: &ArchiverReport, repositories: &[&Verdict]) -> (Reason, String) {
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
    let arrived = match (&archiver.last_archived_wal, &archiver.last_archived_at) {
        (Some(wal), Some(at)) => format!(
            "the last segment that arrived is {} of {}; later WAL waits on the primary's volume",
            // The history file of a backup carries the name of its first segment.
            wal.get(..24).unwrap_or(wal),
            at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        _ => "no segment has arrived yet; WAL waits on the primary's volume".to_owned(),
    };
    let outlook = outlook(archiver).map(|outlook| format!("; {outlook}"));
    arrived + &outlook.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::WalVolume;

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
            database: None,
            reason,
            message: "repo1 says no".to_owned(),
        }
    }

    #[test]
    fn the_refusing_repository_is_named_with_its_answer() {
        let (reason, why) = cause(
            &failing(Some(full())),
            &[&repository(true, true, Reason::AsSpecified)],
        );
        assert_eq!(reason, Reason::StoreFull);
        assert!(why.contains("repo2") && why.contains("507"), "{why}");
    }

    #[test]
    fn what_our_own_look_found_comes_first() {
        let bad = repository(false, false, Reason::CredentialsRefused);
        assert_eq!(
            cause(&failing(Some(full())), &[&bad]).0,
            Reason::CredentialsRefused
        );
    }

    #[test]
    fn a_volume_that_fills_up_is_told_before_it_is_full() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let filling = |files, hours| ArchiverReport {
            ready_files: files,
            volume: Some(WalVolume {
                size: 10 << 30,
                free: 1 << 30,
                tables_free: None,
                full_at: Some(now + TimeDelta::hours(hours)),
            }),
            ..ArchiverReport::default()
        };
        let (status, reason, message) = accumulating(&filling(100, 2), now).unwrap();
        assert_eq!((status, reason), (Status::False, Reason::WalAccumulating));
        assert!(
            message.contains("10.0GiB is full at about 2027-01-15 10:00 UTC"),
            "{message}"
        );
        assert_eq!(accumulating(&filling(100, 7), now), None);
        assert_eq!(accumulating(&filling(3, 2), now), None);
        assert!(waiting(&filling(100, 2)).contains("full at about"));
    }

    #[test]
    fn a_suspended_repository_is_named_while_the_others_are_well() {
        assert_eq!(healthy(&[]).1, Reason::AsSpecified);
        let (status, reason, message) = healthy(&["repo2"]);
        assert_eq!((status, reason), (Status::True, Reason::ArchivingSuspended));
        assert!(message.contains("every repository but repo2"), "{message}");
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

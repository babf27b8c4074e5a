//! How far a standby is behind, and whether it follows at all.

use chrono::{DateTime, Utc};

use super::Facts;
use crate::agent::report::StandbyReport;
use crate::api::cluster::recovery::RecoveryWindow;
use crate::api::cluster::standby::Standby;
use crate::api::cluster::status::{PerconaPGClusterStatus, StandbyStatus};
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason, time};
use crate::controllers::cluster::standby::leader;
use crate::domain::size::Bytes;
use crate::domain::wal::Lsn;

type Said = (Status, Reason, String);

/// Sets what is told of a standby, or removes it once there is none. While it is to be promoted and may not be, it goes on being one.
pub fn update(status: &mut PerconaPGClusterStatus, facts: &Facts<'_>, now: DateTime<Utc>) {
    let spec = &facts.observed.cluster.spec;
    let wanted = spec.standby.as_ref().filter(|standby| standby.enabled);
    let accepted = facts.validated.is_ok_and(|cluster| cluster.standby.is_some());
    let promoted = wanted.is_none() && super::has_primary(facts);
    let (following, lagging) = if promoted || !(accepted || status.standby.is_some()) {
        if promoted {
            status.standby = None;
        }
        (None, None)
    } else {
        let told = status.standby.take().unwrap_or_default();
        let report = leader(facts.reports);
        let known = report.map_or(told, |report| behind(report, newest(status, wanted)));
        let following = following(facts, wanted, report, &known);
        let lagging = wanted.and_then(|standby| lagging(standby, &known));
        status.standby = Some(known);
        (Some(following), lagging)
    };
    for (kind, said) in [
        (ConditionType::StandbyFollowing, following),
        (ConditionType::StandbyLagging, lagging),
    ] {
        let Some((holds, reason, message)) = said else {
            conditions::remove(&mut status.conditions, kind.as_str());
            continue;
        };
        let generation = facts.observed.cluster.metadata.generation;
        let (kind, reason) = (kind.as_str(), reason.as_str());
        conditions::set(
            &mut status.conditions,
            kind,
            holds,
            reason,
            &message,
            generation,
            now,
        );
    }
}

/// The newest window of the repository that is followed.
fn newest<'a>(status: &'a PerconaPGClusterStatus, wanted: Option<&Standby>) -> Option<&'a RecoveryWindow> {
    let name = wanted?.repo_name.as_ref()?;
    let mut repositories = status.recovery.as_ref()?.repos.iter();
    repositories.find(|entry| entry.name == *name)?.windows.first()
}

fn behind(report: &StandbyReport, newest: Option<&RecoveryWindow>) -> StandbyStatus {
    let position = |text: Option<&String>| text?.parse::<Lsn>().ok();
    let replayed = position(report.replayed.as_ref());
    // A primary that sends knows best.
    let sent = report.sent.as_ref().filter(|_| report.streaming);
    let there = position(sent.or_else(|| newest?.to_lsn.as_ref()));
    let bytes = match (there, replayed) {
        (Some(there), Some(replayed)) => Some(there.0.saturating_sub(replayed.0)),
        _ => None,
    };
    let last = if report.streaming {
        report.at
    } else {
        newest
            .and_then(|window| DateTime::parse_from_rfc3339(window.to.as_ref()?).ok())
            .map(|at| at.to_utc())
    };
    let seconds = match (bytes, last, report.replayed_until) {
        (Some(0), _, _) => Some(0),
        (Some(_), Some(last), Some(replayed)) => Some((last - replayed).num_seconds().max(0)),
        _ => None,
    };
    StandbyStatus {
        lag_last_computed_at: report.at.map(time::to_kubernetes),
        lag_bytes: bytes.and_then(|bytes| i64::try_from(bytes).ok()),
        lag_seconds: seconds,
        replayed_lsn: report.replayed.clone(),
        replayed_until: report.replayed_until.map(time::to_kubernetes),
    }
}

fn following(
    facts: &Facts<'_>,
    wanted: Option<&Standby>,
    report: Option<&StandbyReport>,
    known: &StandbyStatus,
) -> Said {
    let Some(report) = report else {
        let begun = known.replayed_lsn.is_some();
        let (holds, reason) = if begun {
            (Status::False, Reason::StandbyNotFollowing)
        } else {
            (Status::Unknown, Reason::InProgress)
        };
        return (holds, reason, "no instance leads the standby".to_owned());
    };
    let host = wanted
        .and_then(|standby| standby.host.as_deref())
        .filter(|host| !host.is_empty());
    if report.streaming {
        let from = host.unwrap_or("its primary");
        return (
            Status::True,
            Reason::FollowsHost,
            format!("WAL is streamed from {from}"),
        );
    }
    let silent = host.map(|host| {
        format!("{host} sends no WAL: see whether it is up, reachable, and has the same root certificate")
    });
    let Some(repository) = wanted.and_then(|standby| standby.repo_name.as_deref()) else {
        let why = silent.unwrap_or_else(|| "it is to be promoted".to_owned());
        return (Status::False, Reason::StandbyNotFollowing, why);
    };
    let verdict = facts
        .repositories
        .iter()
        .find(|verdict| verdict.repo == repository);
    if let Some(verdict) = verdict.filter(|verdict| !verdict.cleared) {
        return (Status::False, verdict.reason, verdict.message.clone());
    }
    let mut message = format!("WAL is read from {repository}");
    if let Some(silent) = silent {
        message = format!("{message}; {silent}");
    }
    (Status::True, Reason::FollowsRepository, message)
}

fn lagging(standby: &Standby, known: &StandbyStatus) -> Option<Said> {
    let most = standby
        .max_acceptable_lag
        .as_ref()
        .and_then(|most| Bytes::of_quantity(&most.0))?;
    let Some(bytes) = known.lag_bytes.and_then(|bytes| u64::try_from(bytes).ok()) else {
        let message = "how far it is behind is not known".to_owned();
        return Some((Status::Unknown, Reason::InProgress, message));
    };
    let message = format!("{} of WAL are not applied; {most} may be", Bytes(bytes));
    Some(if bytes > most.0 {
        (Status::True, Reason::LagDetected, message)
    } else {
        (Status::False, Reason::LagNotDetected, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(streaming: bool) -> StandbyReport {
        let at = |second: i64| DateTime::from_timestamp(1_800_000_000 + second, 0);
        StandbyReport {
            at: at(100),
            streaming,
            replayed: Some("0/5000000".to_owned()),
            replayed_until: at(40),
            sent: streaming.then(|| "0/5000100".to_owned()),
        }
    }

    fn window(lsn: &str) -> RecoveryWindow {
        RecoveryWindow {
            to: Some("2027-01-15T08:01:30Z".to_owned()),
            to_lsn: Some(lsn.to_owned()),
            ..RecoveryWindow::default()
        }
    }

    #[test]
    fn it_is_behind_what_a_primary_sends_or_else_what_the_repository_holds() {
        let seen = behind(&report(true), Some(&window("0/9000000")));
        assert_eq!((seen.lag_bytes, seen.lag_seconds), (Some(256), Some(60)));
        let seen = behind(&report(false), Some(&window("0/5000010")));
        assert_eq!((seen.lag_bytes, seen.lag_seconds), (Some(16), Some(50)));
        let seen = behind(&report(false), Some(&window("0/4000000")));
        assert_eq!((seen.lag_bytes, seen.lag_seconds), (Some(0), Some(0)));
        let seen = behind(&report(false), None);
        assert_eq!((seen.lag_bytes, seen.lag_seconds), (None, None), "not known");
    }

    #[test]
    fn it_lags_beyond_what_is_accepted_and_only_then() {
        let standby: Standby = serde_json::from_value(
            serde_json::json!({"enabled": true, "host": "h", "maxAcceptableLag": "1Ki"}),
        )
        .unwrap();
        let judged = |bytes| {
            let known = StandbyStatus {
                lag_bytes: bytes,
                ..StandbyStatus::default()
            };
            lagging(&standby, &known).unwrap().1
        };
        assert_eq!(judged(Some(1024)), Reason::LagNotDetected);
        assert_eq!(judged(Some(1025)), Reason::LagDetected);
        assert_eq!(judged(None), Reason::InProgress);
    }
}

//! `WALContinuous` and `RecoveryPointObjectiveMet`.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Found, written};
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason};
use crate::domain::windows::{Cost, Defect, Gap, Unusable};
use crate::survey::Oddity;

/// A sentence names so many gaps at most; all of them are in `status.recovery`.
const NAMED: usize = 3;

/// The conditions of this controller, with transition times kept from those before. Without an objective there is no
/// condition about it.
#[must_use]
pub fn conditions(
    found: &[Found<'_>],
    objective: Option<TimeDelta>,
    before: &[Condition],
    generation: Option<i64>,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let mut kept: Vec<Condition> = before
        .iter()
        .filter(|condition| {
            super::super::CONDITIONS
                .iter()
                .any(|own| own.as_str() == condition.type_)
        })
        .cloned()
        .collect();
    let mut set = |kind: ConditionType, (status, reason, message): (Status, Reason, String)| {
        conditions::set(
            &mut kept,
            kind.as_str(),
            status,
            reason.as_str(),
            &message,
            generation,
            now,
        );
    };
    set(ConditionType::WalContinuous, continuous(found));
    set(ConditionType::RepositoriesIntact, intact(found));
    if let Some(objective) = objective {
        set(ConditionType::RecoveryPointObjectiveMet, met(found, objective));
    } else {
        conditions::remove(&mut kept, ConditionType::RecoveryPointObjectiveMet.as_str());
    }
    kept
}

fn intact(found: &[Found<'_>]) -> (Status, Reason, String) {
    let oddities = || {
        found.iter().flat_map(|one| {
            let oddities = one.picture.map(|picture| &picture.oddities);
            oddities.into_iter().flatten().map(|oddity| (one.name, oddity))
        })
    };
    let bad: Vec<(Reason, String)> = oddities()
        .filter_map(|(name, oddity)| Some((reason(oddity)?, format!("{name}: {oddity}"))))
        .collect();
    if let Some((reason, _)) = bad.first() {
        let told: Vec<&str> = bad.iter().map(|(_, text)| text.as_str()).collect();
        return (Status::False, *reason, told.join("; "));
    }
    if let Some((one, trouble)) = found.iter().find_map(|one| Some((one, one.trouble?))) {
        let message = format!("{} cannot be read: {}", one.name, trouble.message);
        return (Status::Unknown, trouble.reason, message);
    }
    if found.iter().any(|one| one.picture.is_none()) {
        let message = "the repositories are being read".to_owned();
        return (Status::Unknown, Reason::InProgress, message);
    }
    let message = "every repository is as it was left".to_owned();
    (Status::True, Reason::AsSpecified, message)
}

/// What is worth a condition. The rest is told in `status.recovery`: it puts nothing at risk, or is a gap besides.
fn reason(oddity: &Oddity) -> Option<Reason> {
    match oddity {
        Oddity::InfoFromCopy { .. } | Oddity::HistoryUnreadable { .. } => Some(Reason::RepositoryDamaged),
        Oddity::IdentitiesDiffer { .. } => Some(Reason::RepositoryMixed),
        Oddity::RolledBack { .. } => Some(Reason::RepositoryRolledBack),
        Oddity::ClockAhead { .. } => Some(Reason::ClocksDisagree),
        Oddity::HistoryMissing { .. }
        | Oddity::Foreign { .. }
        | Oddity::WrongSize { .. }
        | Oddity::Vanished { .. }
        | Oddity::Unfinished { .. }
        | Oddity::CommitTimesUnknown { .. } => None,
    }
}

fn continuous(found: &[Found<'_>]) -> (Status, Reason, String) {
    let mut broken = Vec::new();
    let mut reason = Reason::WalGap;
    for one in found {
        let Some(picture) = one.picture else { continue };
        let gaps = &picture.recovery.gaps;
        broken.extend(gaps.iter().rev().take(NAMED).map(|gap| missing(one.name, gap)));
        if gaps.len() > NAMED {
            broken.push(format!("{}: {} more gaps", one.name, gaps.len() - NAMED));
        }
        let unusable = &picture.recovery.unusable;
        if gaps.is_empty() && !unusable.is_empty() && broken.is_empty() {
            reason = Reason::WalUnusable;
        }
        broken.extend(
            unusable
                .iter()
                .rev()
                .take(NAMED)
                .map(|bad| useless(one.name, bad)),
        );
    }
    if !broken.is_empty() {
        return (Status::False, reason, broken.join("; "));
    }
    if let Some((one, trouble)) = found.iter().find_map(|one| Some((one, one.trouble?))) {
        let age = one.picture.map_or_else(
            || "it has not been read yet".to_owned(),
            |picture| format!("last read at {}", written(picture.looked_at)),
        );
        let message = format!("{} cannot be read, {age}: {}", one.name, trouble.message);
        return (Status::Unknown, trouble.reason, message);
    }
    let names: Vec<&str> = found
        .iter()
        .filter(|one| one.picture.is_some())
        .map(|one| one.name)
        .collect();
    if names.len() < found.len() || names.is_empty() {
        let message = "the repositories are being read".to_owned();
        return (Status::Unknown, Reason::InProgress, message);
    }
    let message = format!("no WAL is missing in {}", names.join(", "));
    (Status::True, Reason::AsSpecified, message)
}

fn missing(repo: &str, gap: &Gap) -> String {
    let what = if gap.segments == 1 {
        format!("segment {} is missing", gap.first)
    } else {
        format!(
            "{} segments are missing, {} to {}",
            gap.segments, gap.first, gap.last
        )
    };
    format!(
        "{repo}: {what}, seen since {}{}",
        written(gap.since),
        costs(&gap.cost)
    )
}

fn useless(repo: &str, bad: &Unusable) -> String {
    let what = match bad.defect {
        Defect::Empty => "is empty",
        Defect::Duplicate => {
            "is there more than once with different contents, and pgBackRest refuses to choose"
        }
        Defect::Unreadable => "cannot be read: it is damaged, or encrypted with another passphrase",
    };
    format!("{repo}: segment {} {what}{}", bad.segment, costs(&bad.cost))
}

fn costs(cost: &Cost) -> String {
    let mut costs = Vec::new();
    if let Some(label) = cost.unrestorable.last() {
        let more = match cost.unrestorable.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        costs.push(format!("; backup {}{more} cannot be restored", label.as_str()));
    }
    costs.extend(match (cost.lost_from, cost.lost_to) {
        (Some(from), Some(to)) => Some(format!(
            "; no time between {} and {} can be restored",
            written(from),
            written(to)
        )),
        (Some(from), None) => Some(format!(
            "; no time after {} can be restored until the next backup has ended",
            written(from)
        )),
        _ => None,
    });
    costs.concat()
}

fn met(found: &[Found<'_>], objective: TimeDelta) -> (Status, Reason, String) {
    let best = found
        .iter()
        .filter_map(|one| Some((one.lag?, one)))
        .min_by_key(|(lag, _)| *lag);
    let Some((lag, one)) = best else {
        let restorable = found.iter().any(|one| {
            one.picture
                .is_some_and(|picture| !picture.recovery.windows.is_empty())
        });
        return if restorable {
            let message = "it is not known yet how far the database is ahead of the repositories".to_owned();
            (Status::Unknown, Reason::InProgress, message)
        } else {
            let message = "nothing can be restored from any repository yet".to_owned();
            (Status::False, Reason::NothingRestorable, message)
        };
    };
    let asked = objective.num_seconds();
    if lag <= objective {
        let message = format!("{} is within {asked} s of the database", one.name);
        return (Status::True, Reason::AsSpecified, message);
    }
    let newest = one
        .picture
        .and_then(|picture| picture.recovery.latest_restorable_time)
        .map(|time| format!(": what was committed after {} is in no repository", written(time)))
        .unwrap_or_default();
    let message = format!("no repository is within {asked} s of the database{newest}");
    (Status::False, Reason::RecoveryPointExceeded, message)
}

//! What the agent tells of a restore, as its status says it. Pure.

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Pod;

use crate::agent::restore::report::{Phase, RestoreOutcome, RestoreProgress as Seen};
use crate::api::restore::{Preflight, RestoreProgress, Restored};
use crate::api::time;
use crate::controllers::backup::fate;

/// How far it is.
pub fn progress(seen: Seen) -> RestoreProgress {
    let position = seen.position.as_deref().or(seen.segment.as_deref());
    let message = match (seen.phase, seen.copied, position) {
        (Phase::Copying, Some(copied), _) => format!("{}% of the backup copied", copied / 100),
        (Phase::Copying, None, _) => "the backup is being copied".to_owned(),
        (Phase::Recovering, _, Some(position)) => format!("WAL is replayed, up to {position}"),
        (Phase::Recovering, _, None) => "WAL is replayed".to_owned(),
        (Phase::Checking, ..) => "what was restored is checked".to_owned(),
    };
    RestoreProgress {
        message,
        copied: seen.copied.map(|copied| i64::from(copied / 100)),
        segment: seen.segment,
        position: seen.position,
    }
}

/// What was reached; nothing where the agent does not say.
pub fn restored(outcome: &RestoreOutcome, preflight: Option<&Preflight>) -> Option<Restored> {
    let reached = outcome.reached.clone()?;
    let newest = preflight.and_then(|found| found.newest_commit.as_ref());
    let newest = newest.map(time::from_kubernetes);
    let discarded = match (reached.last_commit, newest) {
        (Some(last), Some(newest)) if newest > last => Some(format!("{} to {}", shown(last), shown(newest))),
        _ => None,
    };
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(Restored {
        position: reached.lsn,
        timeline: i64::from(reached.timeline),
        last_commit: reached.last_commit.map(time::to_kubernetes),
        stopped: reached.stopped,
        discarded,
        copy_seconds: outcome.copy_seconds.map(number),
        recovery_seconds: outcome.recovery_seconds.map(number),
        bytes: outcome.bytes.map(number),
        total_seconds: None,
    })
}

/// What can be said of a Job whose last Pod said nothing.
pub fn silent(pod: Option<&Pod>) -> String {
    let fate = pod.and_then(fate);
    fate.map_or_else(
        || "its Job failed without a word".to_owned(),
        |fate| format!("{} ({})", fate.what, fate.reason.as_str()),
    )
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f UTC").to_string()
}

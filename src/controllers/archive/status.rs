//! `status.recovery` and its conditions as functions of what was found in the repositories.

mod backups;
mod conditions;
mod repository;
#[cfg(test)]
pub(super) mod tests;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

pub use backups::backups;
pub use conditions::conditions;
pub use repository::repository;

use super::surveys::Trouble;
use crate::agent::report::{ArchiverReport, LastWrite};
use crate::survey::Picture;
use crate::telemetry::archiver::Waiting;

/// `listedAt` alone is not worth a write for so long.
const STILL_FRESH: TimeDelta = TimeDelta::minutes(5);

/// What is known of one repository.
#[derive(Debug, Clone, Default)]
pub struct Found<'a> {
    /// `repo1` to `repo4`.
    pub name: &'a str,
    /// The last picture that could be had.
    pub picture: Option<&'a Picture>,
    /// Why the last look failed, if it did.
    pub trouble: Option<&'a Trouble>,
    /// How far its latest restorable time is behind the database, if that can be told.
    pub lag: Option<TimeDelta>,
    /// The user keeps WAL from it.
    pub suspended: bool,
}

/// RFC 3339 in UTC, with microseconds, as PostgreSQL keeps commit times.
#[must_use]
pub fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// What waits on the primary, for the metrics.
#[must_use]
pub fn waiting(archiver: Option<&ArchiverReport>) -> Waiting {
    let whole = |bytes: u64| i64::try_from(bytes).ok();
    let volume = archiver.and_then(|archiver| archiver.volume.as_ref());
    Waiting {
        files: archiver.map(|archiver| archiver.ready_files),
        bytes: archiver.and_then(|archiver| whole(archiver.ready_bytes)),
        volume_size: volume.and_then(|volume| whole(volume.size)),
        volume_free: volume.and_then(|volume| whole(volume.free)),
        full_at: volume.and_then(|volume| volume.full_at),
    }
}

/// How far what can be restored is behind the database, which wrote something `last`.
#[must_use]
pub fn lag(picture: &Picture, last: LastWrite<'_>, now: DateTime<Utc>) -> Option<TimeDelta> {
    let segment = last.segment?.parse().ok()?;
    let windows = &picture.recovery.windows;
    let newest = windows
        .iter()
        .map(|window| window.to.unwrap_or(window.from))
        .max()?;
    let arrived = windows.iter().any(|window| window.last_segment >= segment);
    // Where nothing is written any more its segment may stay open for ever.
    let complete = last.commit.is_some_and(|commit| commit <= newest);
    Some(if arrived || complete {
        TimeDelta::zero()
    } else {
        (now - newest).max(TimeDelta::zero())
    })
}

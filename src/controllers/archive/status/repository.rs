//! One entry of `status.recovery.repos`.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Found, STILL_FRESH, written};
use crate::api::Reason;
use crate::api::cluster::recovery::{
    BackupCounts, LIST_LIMIT, RecoveryGap, RecoveryWindow, RepositoryRecovery,
};
use crate::domain::label::{BackupType, Label};
use crate::domain::windows::{Gap, Window};
use crate::survey::Picture;

/// Lag is told in steps of this, so that a steady one is one status.
const STEP: TimeDelta = TimeDelta::seconds(30);

/// The entry of a repository. Where it could not be read, what was known before stays.
#[must_use]
pub fn repository(found: &Found<'_>, before: Option<&RepositoryRecovery>) -> RepositoryRecovery {
    let mut entry = match found.picture {
        Some(picture) => of_picture(picture),
        None => before.cloned().unwrap_or_default(),
    };
    found.name.clone_into(&mut entry.name);
    let reason = match found.trouble {
        Some(trouble) => trouble.reason,
        None if found.suspended => Reason::ArchivingSuspended,
        None => Reason::AsSpecified,
    };
    entry.state = Some(reason.as_str().to_owned());
    entry.archive_lag_seconds = found.lag.map(in_steps);
    if let Some(before) = before
        && found.trouble.is_none()
        && only_later(&entry, before)
    {
        entry.listed_at.clone_from(&before.listed_at);
    }
    entry
}

/// The same but for a `listedAt` that is a little later.
fn only_later(entry: &RepositoryRecovery, before: &RepositoryRecovery) -> bool {
    let time = |entry: &RepositoryRecovery| entry.listed_at.as_ref()?.parse::<DateTime<Utc>>().ok();
    let fresh = matches!((time(before), time(entry)), (Some(old), Some(new)) if new - old < STILL_FRESH && new >= old);
    let same = RepositoryRecovery {
        listed_at: before.listed_at.clone(),
        ..entry.clone()
    } == *before;
    fresh && same
}

fn of_picture(picture: &Picture) -> RepositoryRecovery {
    let recovery = &picture.recovery;
    let (windows, more_windows) = newest(&recovery.windows, |window| window.to.unwrap_or(window.from));
    let (gaps, more_gaps) = newest(&recovery.gaps, |gap| (gap.timeline, gap.last));
    let count = |kind: BackupType| {
        number(
            picture
                .backups
                .iter()
                .filter(|backup| backup.backup_type == kind)
                .count(),
        )
    };
    RepositoryRecovery {
        listed_at: Some(written(picture.looked_at)),
        earliest_restorable_time: recovery.earliest_restorable_time.map(written),
        latest_restorable_time: recovery.latest_restorable_time.map(written),
        windows: windows.into_iter().map(window).collect(),
        more_windows,
        gaps: gaps.into_iter().map(gap).collect(),
        more_gaps,
        backups: Some(BackupCounts {
            full: count(BackupType::Full),
            differential: count(BackupType::Differential),
            incremental: count(BackupType::Incremental),
        }),
        segments: Some(sum(picture.archives.iter().map(|archive| archive.segments))),
        archive_bytes: Some(sum(picture.archives.iter().map(|archive| archive.bytes))),
        backup_bytes: Some(sum(picture.backups.iter().map(|backup| backup.repository.delta))),
        versioned: picture.protections.values().map(|known| known.versioned).max(),
        retained_until: retained_until(picture).map(written),
        oddities: picture
            .oddities
            .iter()
            .take(LIST_LIMIT)
            .map(ToString::to_string)
            .collect(),
        ..RepositoryRecovery::default()
    }
}

/// The earliest time at which the store would let any of the backups be removed; nothing where one is not retained.
fn retained_until(picture: &Picture) -> Option<DateTime<Utc>> {
    let times = picture.backups.iter().map(|backup| {
        let known = picture.protections.get(&backup.label)?;
        known.retained_until
    });
    times.collect::<Option<Vec<_>>>()?.into_iter().min()
}

fn newest<T, K: Ord>(all: &[T], key: impl Fn(&T) -> K) -> (Vec<&T>, Option<i64>) {
    let mut sorted: Vec<&T> = all.iter().collect();
    sorted.sort_by_key(|item| std::cmp::Reverse(key(item)));
    let more = sorted.len().saturating_sub(LIST_LIMIT);
    sorted.truncate(LIST_LIMIT);
    (sorted, (more > 0).then(|| number(more)))
}

fn window(window: &Window) -> RecoveryWindow {
    RecoveryWindow {
        from: written(window.from),
        to: window.to.map(written),
        to_lsn: window.to_lsn.map(|lsn| lsn.to_string()),
        timeline: i64::from(window.timeline),
        backup: window.backup.as_str().to_owned(),
    }
}

fn gap(gap: &Gap) -> RecoveryGap {
    RecoveryGap {
        timeline: i64::from(gap.timeline),
        first: gap.first.to_string(),
        last: gap.last.to_string(),
        segments: i64::try_from(gap.segments).unwrap_or(i64::MAX),
        since: written(gap.since),
        unrestorable: labels(&gap.cost.unrestorable),
        shortened: labels(&gap.cost.shortened),
        lost_from: gap.cost.lost_from.map(written),
        lost_to: gap.cost.lost_to.map(written),
    }
}

/// The newest ones: what is lost of the oldest is seldom asked for.
fn labels(labels: &[Label]) -> Vec<String> {
    let mut newest: Vec<String> = labels.iter().map(|label| label.as_str().to_owned()).collect();
    newest.sort_by(|one, other| other.cmp(one));
    newest.truncate(LIST_LIMIT);
    newest
}

fn in_steps(lag: TimeDelta) -> i64 {
    let steps = lag
        .num_seconds()
        .div_euclid(STEP.num_seconds())
        .saturating_add(i64::from(lag.num_seconds().rem_euclid(STEP.num_seconds()) > 0));
    steps.saturating_mul(STEP.num_seconds())
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn sum(parts: impl Iterator<Item = u64>) -> i64 {
    i64::try_from(parts.sum::<u64>()).unwrap_or(i64::MAX)
}

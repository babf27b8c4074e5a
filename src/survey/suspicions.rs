//! Signs that a repository is not what it was, or that clocks disagree: by comparing what it says with what it said, and
//! with the time.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::picture::Oddity;
use crate::{
    domain::{label::Label, windows::Recovery},
    pgbackrest::repository::BackupInfo,
};

/// Clocks that differ by less are as good as clocks get.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// The newest backup that a repository ever showed, of one database. pgBackRest never expires the newest one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Newest {
    system_id: u64,
    label: Label,
    stopped: DateTime<Utc>,
}

/// Remembers the newest backup, and notices when it is gone and nothing newer is there. A clock that runs ahead makes no
/// backup the newest for long: what is later than `now` counts as of now.
pub(super) fn rolled_back(
    known: &mut Option<Newest>,
    info: &BackupInfo,
    now: DateTime<Utc>,
) -> Option<Oddity> {
    let system_id = info.database.system_id;
    let present = info.backups.iter().max_by_key(|backup| backup.stopped);
    let missing = known
        .as_ref()
        .filter(|known| known.system_id == system_id)
        .filter(|known| !info.backups.iter().any(|backup| backup.label == known.label))
        .filter(|known| present.is_none_or(|present| present.stopped <= known.stopped));
    if let Some(missing) = missing {
        return Some(Oddity::RolledBack {
            backup: missing.label.clone(),
        });
    }
    *known = present.map(|present| Newest {
        system_id,
        label: present.label.clone(),
        stopped: present.stopped.min(now),
    });
    None
}

/// Something in the repository is later than now.
pub(super) fn clocks(info: &BackupInfo, recovery: &Recovery, now: DateTime<Utc>) -> Option<Oddity> {
    let backup = info
        .backups
        .iter()
        .max_by_key(|backup| backup.stopped)
        .map(|backup| (format!("backup {} ended", backup.label.as_str()), backup.stopped));
    let commit = recovery
        .latest_restorable_time
        .map(|time| ("the last commit was made".to_owned(), time));
    backup
        .into_iter()
        .chain(commit)
        .max_by_key(|(_, time)| *time)
        .filter(|(_, time)| *time - now > SKEW)
        .map(|(what, time)| Oddity::ClockAhead { what, time })
}

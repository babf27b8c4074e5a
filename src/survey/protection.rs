//! What a store keeps of a backup whatever becomes of its names: a time before which nothing of it can be removed, a hold, versions.
//!
//! Asked of each backup's manifest, which pgBackRest writes last. What cannot be asked for is asked for again in the next look, and
//! stands in the way of nothing else.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::{
    domain::label::Label,
    pgbackrest::repository::{BackupEntry, Repository},
    storage::{Head, StorageErrorKind},
};

/// A time may be put off by hand, and a hold be taken away.
const AGAIN: TimeDelta = TimeDelta::hours(6);
/// So many are asked for in one look; the next one goes on.
const AT_ONCE: usize = 16;

/// What protects one backup in its store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    /// Before this the store refuses to remove any of its files.
    pub retained_until: Option<DateTime<Utc>>,
    /// Somebody has put a hold on it, which has no end.
    pub held: bool,
    /// The store keeps what is removed or overwritten as an older version.
    pub versioned: bool,
}

impl Protection {
    /// A store that retains for a number of days counts from the time at which each file was written: the first one when the backup
    /// began.
    fn of(head: &Head, backup: &BackupEntry) -> Self {
        let written = head.object.modified.unwrap_or(backup.stopped);
        let took = (written - backup.started).max(TimeDelta::zero());
        Self {
            retained_until: head.retain_until.map(|until| until - took),
            held: head.legal_hold.unwrap_or(false),
            versioned: head.version.is_some(),
        }
    }
}

/// What is known of all backups of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Protections(BTreeMap<Label, (Protection, DateTime<Utc>)>);

impl Protections {
    /// Asks for what is not known or was not asked for in a long time.
    pub(super) async fn look(
        &mut self,
        repository: &Repository,
        backups: &[BackupEntry],
        now: DateTime<Utc>,
    ) -> BTreeMap<Label, Protection> {
        self.0
            .retain(|label, _| backups.iter().any(|backup| backup.label == *label));
        let known = |backup: &&BackupEntry| {
            let at = self.0.get(&backup.label).map(|(_, at)| *at);
            at.is_none_or(|at| at > now || now - at >= AGAIN)
        };
        let due: Vec<&BackupEntry> = backups.iter().rev().filter(known).take(AT_ONCE).collect();
        let heads = join_all(due.iter().map(|backup| repository.manifest_head(&backup.label))).await;
        for (backup, head) in due.into_iter().zip(heads) {
            let found = match head {
                Ok(head) => Protection::of(&head, backup),
                // It would be asked for again and again.
                Err(error)
                    if matches!(
                        error.kind,
                        StorageErrorKind::NotFound | StorageErrorKind::PermissionMissing
                    ) =>
                {
                    Protection::default()
                }
                Err(_) => continue,
            };
            self.0.insert(backup.label.clone(), (found, now));
        }
        let told = self.0.iter();
        told.map(|(label, (protection, _))| (label.clone(), protection.clone()))
            .collect()
    }
}

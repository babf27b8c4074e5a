//! From which backup on WAL is kept without a hole.
//!
//! The meaning is that of `removeExpiredArchive` in pgBackRest's `command/expire/expire.c` and of its defaults in
//! `config/load.c`. pgBackRest counts backups from the newest one on; pinned ones do not count here, so the number that it is
//! given is the number of all that are as new as the last one that counts.

use chrono::{DateTime, TimeDelta, Utc};

use super::policy::{FullRetention, Held, Policy};
use crate::domain::label::{BackupType, Label};

/// `repoN-retention-archive` and `repoN-retention-archive-type`, as the user sets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivePolicy {
    /// Which backups count: a type counts with those that it can be based on.
    pub counted: BackupType,
    /// WAL is kept from so many of them on; pgBackRest's defaults when absent.
    pub backups: Option<usize>,
}

impl Default for ArchivePolicy {
    fn default() -> Self {
        Self {
            counted: BackupType::Full,
            backups: None,
        }
    }
}

/// What pgBackRest is told to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalKept {
    /// WAL is kept without a hole from this backup on.
    pub from: Label,
    /// `repo-retention-archive`: so many of the newest backups, that one among them.
    pub backups: usize,
    /// `repo-retention-archive-type`.
    pub counted: BackupType,
}

impl ArchivePolicy {
    /// What is kept of the WAL, among the backups that stay. `None`: all of it, since there are fewer backups than are to be
    /// kept, or nothing is said about it.
    #[must_use]
    pub fn kept(&self, policy: &Policy, backups: &[Held], now: DateTime<Utc>) -> Option<WalKept> {
        let counts = |backup: &&Held| match self.counted {
            BackupType::Full => backup.kind == BackupType::Full,
            BackupType::Differential => backup.kind != BackupType::Incremental,
            BackupType::Incremental => true,
        };
        let mut counted: Vec<&Held> = backups.iter().filter(counts).collect();
        counted.sort_by(|one, other| other.label.cmp(&one.label));
        let free: Vec<&&Held> = counted.iter().filter(|backup| !backup.pinned).collect();
        let last = match (self.backups, self.counted, policy.full) {
            (Some(backups), ..) => free.get(backups.checked_sub(1)?),
            (None, BackupType::Full, Some(FullRetention::Count(count))) => free.get(count.checked_sub(1)?),
            (None, BackupType::Full, Some(FullRetention::Days(days))) => {
                let since = now - TimeDelta::days(i64::from(days));
                free.last().filter(|oldest| oldest.stopped < since)
            }
            (None, BackupType::Differential, _) => free.get(policy.differential?.checked_sub(1)?),
            (None, ..) => None,
        }?;
        Some(WalKept {
            from: last.label.clone(),
            backups: counted.iter().filter(|backup| backup.label >= last.label).count(),
            counted: self.counted,
        })
    }
}

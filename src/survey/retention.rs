//! Up to where archive retention takes WAL away on purpose.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::label::Label;
use crate::domain::retention::{ArchivePolicy, Held, Policy};
use crate::domain::wal::Segment;
use crate::pgbackrest::repository::BackupEntry;

/// What the user keeps of a repository. Without any of it pgBackRest keeps all WAL, and every hole is a loss.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveRetention {
    /// What is kept of the backups.
    pub policy: Policy,
    /// What is kept of the WAL.
    pub archive: ArchivePolicy,
    /// Backups that are held, and do not count.
    pub pinned: BTreeSet<Label>,
}

impl ArchiveRetention {
    /// The first segment that is kept without a hole, among backups of one db-id. `None`: there are too few backups for
    /// anything to be taken away.
    #[must_use]
    pub fn kept_from<'a>(
        &self,
        backups: impl IntoIterator<Item = &'a BackupEntry>,
        now: DateTime<Utc>,
    ) -> Option<Segment> {
        let backups: Vec<&BackupEntry> = backups.into_iter().collect();
        let held: Vec<Held> = backups
            .iter()
            .map(|backup| backup.held(self.pinned.contains(&backup.label)))
            .collect();
        let kept = self.archive.kept(&self.policy, &held, now)?;
        let from = backups.into_iter().find(|backup| backup.label == kept.from)?;
        from.archive_start
    }
}

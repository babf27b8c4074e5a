//! Up to where archive retention takes WAL away on purpose.

use crate::{
    domain::{label::BackupType, wal::Segment},
    pgbackrest::repository::BackupEntry,
};

/// `repoN-retention-archive` and `repoN-retention-archive-type`. Without it pgBackRest keeps all WAL from the oldest
/// backup on, and every hole is a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveRetention {
    /// Which backups count: a type counts with those that it can be based on.
    pub counted: BackupType,
    /// WAL is kept from so many of them on.
    pub backups: usize,
}

impl ArchiveRetention {
    /// The first segment that is kept without a hole, among backups of one db-id. `None`: there are not more backups
    /// than count, so nothing is taken away.
    #[must_use]
    pub fn kept_from<'a>(&self, backups: impl IntoIterator<Item = &'a BackupEntry>) -> Option<Segment> {
        let counts = |backup: &&BackupEntry| match self.counted {
            BackupType::Full => backup.backup_type == BackupType::Full,
            BackupType::Differential => backup.backup_type != BackupType::Incremental,
            BackupType::Incremental => true,
        };
        let mut counted: Vec<_> = backups.into_iter().filter(counts).collect();
        counted.sort_by(|one, other| other.label.cmp(&one.label));
        let oldest = self.backups.checked_sub(1)?;
        let more = counted.len() > self.backups;
        counted.get(oldest).filter(|_| more)?.archive_start
    }
}

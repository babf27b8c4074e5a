//! One line of `[backup:current]` in `backup.info`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        label::{BackupType, Label},
        retention::Held,
        wal::{Lsn, Segment},
        windows::{Backup, BackupWal},
    },
    pgbackrest::info_file::InfoFileError,
};

/// A backup in the repository's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupEntry {
    /// The label.
    pub label: Label,
    /// The type that it is, which need not be the one that was asked for.
    pub backup_type: BackupType,
    /// The backup that it is directly based on.
    pub prior: Option<Label>,
    /// All backups that a restore of it needs besides itself.
    pub references: Vec<Label>,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub stopped: DateTime<Utc>,
    /// First WAL segment needed; absent for one that was taken offline.
    pub archive_start: Option<Segment>,
    /// Last WAL segment needed.
    pub archive_stop: Option<Segment>,
    /// Where it began.
    pub lsn_start: Option<Lsn>,
    /// Where it is consistent.
    pub lsn_stop: Option<Lsn>,
    /// Size of the database, in bytes.
    pub size: u64,
    /// Bytes of the database that this backup copied.
    pub size_delta: u64,
    /// Sizes in the repository.
    pub repository: RepositorySizes,
    /// Pages with a wrong checksum were found.
    pub page_errors: bool,
    /// Its files were copied from a standby.
    #[serde(default)]
    pub from_standby: bool,
    /// Marks.
    pub annotation: BTreeMap<String, String>,
    /// Which PostgreSQL cluster of the stanza's history it is of.
    pub database_id: u32,
}

/// Sizes in the repository, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySizes {
    /// With all that it refers to.
    pub size: u64,
    /// Written by this backup.
    pub delta: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    backup_type: String,
    backup_prior: Option<String>,
    #[serde(default)]
    backup_reference: Vec<String>,
    backup_timestamp_start: i64,
    backup_timestamp_stop: i64,
    backup_archive_start: Option<String>,
    backup_archive_stop: Option<String>,
    backup_lsn_start: Option<String>,
    backup_lsn_stop: Option<String>,
    backup_info_size: u64,
    backup_info_size_delta: u64,
    #[serde(default)]
    backup_info_repo_size: u64,
    #[serde(default)]
    backup_info_repo_size_delta: u64,
    #[serde(default)]
    backup_error: Option<bool>,
    #[serde(default)]
    option_backup_standby: bool,
    #[serde(default)]
    backup_annotation: BTreeMap<String, String>,
    db_id: u32,
}

impl BackupEntry {
    /// As far as retention looks at it.
    #[must_use]
    pub fn held(&self, pinned: bool) -> Held {
        Held {
            label: self.label.clone(),
            kind: self.backup_type,
            stopped: self.stopped,
            references: self.references.clone(),
            pinned,
        }
    }

    pub(super) fn read(label: &str, value: &str) -> Result<Self, InfoFileError> {
        Self::parse(label, value).ok_or_else(|| InfoFileError::Value {
            section: "backup:current".to_owned(),
            key: label.to_owned(),
        })
    }

    fn parse(label: &str, value: &str) -> Option<Self> {
        let line: Line = serde_json::from_str(value).ok()?;
        Some(Self {
            label: label.parse().ok()?,
            backup_type: line.backup_type.parse().ok()?,
            prior: line.backup_prior.map(|prior| prior.parse()).transpose().ok()?,
            references: line
                .backup_reference
                .iter()
                .map(|label| label.parse().ok())
                .collect::<Option<_>>()?,
            started: DateTime::from_timestamp(line.backup_timestamp_start, 0)?,
            stopped: DateTime::from_timestamp(line.backup_timestamp_stop, 0)?,
            archive_start: line
                .backup_archive_start
                .map(|name| name.parse())
                .transpose()
                .ok()?,
            archive_stop: line
                .backup_archive_stop
                .map(|name| name.parse())
                .transpose()
                .ok()?,
            lsn_start: line.backup_lsn_start.map(|lsn| lsn.parse()).transpose().ok()?,
            lsn_stop: line.backup_lsn_stop.map(|lsn| lsn.parse()).transpose().ok()?,
            size: line.backup_info_size,
            size_delta: line.backup_info_size_delta,
            repository: RepositorySizes {
                size: line.backup_info_repo_size,
                delta: line.backup_info_repo_size_delta,
            },
            page_errors: line.backup_error.unwrap_or(false),
            from_standby: line.option_backup_standby,
            annotation: line.backup_annotation,
            database_id: line.db_id,
        })
    }
}

/// What windows are computed from.
impl From<&BackupEntry> for Backup {
    fn from(entry: &BackupEntry) -> Self {
        let range = entry.archive_start.zip(entry.archive_stop);
        Self {
            label: entry.label.clone(),
            prior: entry.prior.clone(),
            references: entry.references.clone(),
            stopped: entry.stopped,
            wal: range.map(|(first, last)| BackupWal {
                first,
                last,
                stop: entry.lsn_stop,
            }),
            page_errors: entry.page_errors,
        }
    }
}

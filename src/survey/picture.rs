//! What a look at a repository gives.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{archive::SegmentRange, label::Label, restore::Branch, wal::SegmentSize, windows::Recovery},
    pgbackrest::repository::{BackupEntry, DatabaseIdentity},
};

use super::protection::Protection;

/// A repository, as one look found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// When it was looked at.
    pub looked_at: DateTime<Utc>,
    /// The PostgreSQL cluster that the stanza is for now.
    pub database: DatabaseIdentity,
    /// All backups, by label.
    pub backups: Vec<BackupEntry>,
    /// What can be restored.
    pub recovery: Recovery,
    /// The archives, by db-id.
    pub archives: Vec<ArchivePicture>,
    /// When timelines began to take writes, by db-id.
    #[serde(default)]
    pub branches: BTreeMap<u32, Vec<Branch>>,
    /// What protects each backup in its store, as far as the store tells.
    #[serde(default)]
    pub protections: BTreeMap<Label, Protection>,
    /// What is not as it should be, apart from gaps.
    pub oddities: Vec<Oddity>,
    /// What the look cost.
    pub requests: Requests,
}

impl Picture {
    /// There is a gap that had time to heal, or nothing at all can be restored.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.recovery.gaps.is_empty() || self.recovery.windows.is_empty()
    }

    /// Size of everything in the repository that is known by listing or catalogue, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let backups = self.backups.iter().map(|backup| backup.repository.delta);
        backups
            .chain(self.archives.iter().map(|archive| archive.bytes))
            .sum()
    }
}

/// One archive of a repository, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchivePicture {
    /// The directory, `18-1`.
    pub id: String,
    /// The db-id.
    pub database_id: u32,
    /// Size of its segments, in bytes.
    pub segment_size: SegmentSize,
    /// Whole segments.
    pub segments: u64,
    /// Files, with history files and unfinished segments.
    pub files: u64,
    /// As stored.
    pub bytes: u64,
    /// Its timelines.
    pub timelines: Vec<u32>,
}

/// Something that is not as it should be. None of these alone makes a repository useless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Oddity {
    /// An info file could not be used, and its copy was.
    #[error("{file} cannot be used, and its copy was read instead: {what}")]
    InfoFromCopy {
        /// Which one.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The two info files are of different databases.
    #[error("archive.info is of system {archive}, and backup.info of system {backup}")]
    IdentitiesDiffer {
        /// System identifier in `archive.info`.
        archive: u64,
        /// System identifier in `backup.info`.
        backup: u64,
    },
    /// A timeline other than the first has no history file: only its own backups lead to it.
    #[error("timeline {timeline} of {archive} has no history file, so only its own backups lead to it")]
    HistoryMissing {
        /// The archive.
        archive: String,
        /// The timeline.
        timeline: u32,
    },
    /// A history file cannot be read.
    #[error("the history of timeline {timeline} of {archive} cannot be used: {what}")]
    HistoryUnreadable {
        /// The archive.
        archive: String,
        /// The timeline.
        timeline: u32,
        /// Why.
        what: String,
    },
    /// Files that are not pgBackRest's.
    #[error("{files} files in {place} are not pgBackRest's")]
    Foreign {
        /// Where.
        place: String,
        /// How many.
        files: u64,
    },
    /// Segments that cannot be, with the segment size that the backups tell.
    #[error("{segments} segments of {archive} cannot exist with its segment size")]
    WrongSize {
        /// The archive.
        archive: String,
        /// How many.
        segments: u64,
    },
    /// Segments that were there at the last look, not at the lower end: removed by hand, or the repository is an older
    /// copy of what it was.
    #[error("segments {} to {} of {archive} were there before, and are gone", range.first, range.last)]
    Vanished {
        /// The archive.
        archive: String,
        /// Which.
        range: SegmentRange,
    },
    /// The newest backup is gone, and none newer has come.
    #[error(
        "{} was its newest backup and is gone, and no newer one is there: it is an older copy of what it was, or the \
         backup was removed by hand",
        backup.as_str()
    )]
    RolledBack {
        /// The backup that was there.
        backup: Label,
    },
    /// Something happened later than now.
    #[error(
        "{what} at {time}, which has not come yet: the clocks of the operator and of the database disagree"
    )]
    ClockAhead {
        /// What.
        what: String,
        /// When, by the clock that wrote it.
        time: DateTime<Utc>,
    },
    /// More segments have to be read than one look reads: windows may end later than is said here.
    #[error("more segments of {archive} have to be read to know until when it can be restored")]
    Unfinished {
        /// The archive.
        archive: String,
    },
    /// Commit times of this PostgreSQL version cannot be read, so windows have no end.
    #[error(
        "commit times of PostgreSQL {version} cannot be read, so it is not known until when it can be restored"
    )]
    CommitTimesUnknown {
        /// The version.
        version: String,
    },
}

impl Oddity {
    /// What the repository lists may not be all that it should.
    #[must_use]
    pub const fn puts_content_in_doubt(&self) -> bool {
        matches!(
            self,
            Self::InfoFromCopy { .. } | Self::IdentitiesDiffer { .. } | Self::RolledBack { .. }
        )
    }
}

/// What a look cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Requests that list.
    pub listings: u64,
    /// Segments that were read.
    pub segments: u64,
}

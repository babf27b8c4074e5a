//! What windows are computed from.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    archive::{Archive, History},
    label::Label,
    wal::{Lsn, Segment},
};

/// A backup, as `backup.info` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The label.
    pub label: Label,
    /// The backup that it is directly based on.
    pub prior: Option<Label>,
    /// All backups whose files it needs. Where the list is empty, the chain of `prior` counts.
    pub references: Vec<Label>,
    /// When it ended, by the clock of the database.
    pub stopped: DateTime<Utc>,
    /// The WAL that makes it consistent; `None` for one that was taken offline.
    pub wal: Option<BackupWal>,
    /// Pages with a wrong checksum were found while it was made.
    pub page_errors: bool,
}

/// The WAL from the start to the stop of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupWal {
    /// The first segment it needs.
    pub first: Segment,
    /// The last segment it needs. Its timeline is the backup's.
    pub last: Segment,
    /// Where it is consistent. Unknown: the end of the last segment.
    pub stop: Option<Lsn>,
}

/// The commits of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitTimes {
    /// Time of the first commit.
    pub first: DateTime<Utc>,
    /// Time of the last commit, in the order of the WAL.
    pub last: DateTime<Utc>,
    /// Where the last commit's record begins.
    pub last_lsn: Lsn,
}

/// What reading a segment gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SegmentCommits {
    /// Nothing was committed in it.
    None,
    /// Something was.
    Some(CommitTimes),
    /// It is listed, but its content cannot be had: damaged, or of another cipher. A recovery ends before it.
    Unreadable,
}

/// One db-id of a repository.
#[derive(Debug, Clone, Copy)]
pub struct Database<'a> {
    /// The db-id.
    pub id: u32,
    /// Its archive.
    pub archive: &'a Archive,
    /// The history files that could be read, by timeline.
    pub histories: &'a BTreeMap<u32, History>,
    /// Its backups, and no other db-id's.
    pub backups: &'a [Backup],
}

/// What is not in the repository.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The time.
    pub now: DateTime<Utc>,
    /// How long a gap may be visible before it counts as one: an archiver may catch up out of order.
    pub grace: TimeDelta,
    /// The segment below which archive retention takes WAL away on purpose, all but what older backups need to be
    /// consistent. Gaps that end below it, in the order of names as pgBackRest expires them, are no loss.
    pub kept_from: Option<Segment>,
}

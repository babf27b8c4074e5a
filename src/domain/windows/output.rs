//! What can be restored. Names and forms in JSON are public: times are RFC 3339 in UTC.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    label::Label,
    wal::{Lsn, Segment},
};

/// A span of time that can be restored to, on one chain of timelines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The end of the backup that it begins with.
    pub from: DateTime<Utc>,
    /// The last commit that can be reached; absent while nothing has been committed after the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// The timeline to name as the target.
    pub timeline: u32,
    /// The backup that it begins with.
    pub backup: Label,
    /// The timelines it runs along, from the backup's own.
    pub timelines: Vec<u32>,
    /// Where the record of the last commit begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_lsn: Option<Lsn>,
    /// The last segment that follows without a gap.
    pub last_segment: Segment,
    /// Which PostgreSQL cluster of the stanza's history it is of.
    pub database_id: u32,
}

/// What a gap or an unusable segment costs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Backups that cannot be made consistent without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrestorable: Vec<Label>,
    /// Backups from which a recovery ends here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortened: Vec<Label>,
    /// The last time that can be restored before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_from: Option<DateTime<Utc>>,
    /// The next time that can be restored: the end of the next backup; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_to: Option<DateTime<Utc>>,
    /// The first commit in the segment that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_commit: Option<DateTime<Utc>>,
}

impl Cost {
    /// No backup has ended behind it yet: nothing later can be restored, and what is committed now neither.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.lost_from.is_some() && self.lost_to.is_none()
    }
}

/// A maximal run of missing segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The timeline.
    pub timeline: u32,
    /// The first missing segment.
    pub first: Segment,
    /// The last missing segment.
    pub last: Segment,
    /// How many are missing.
    pub segments: u64,
    /// Since when it is visible.
    pub since: DateTime<Utc>,
    /// What it costs.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Why a segment that is listed is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Defect {
    /// The file has no content. The segment is missing.
    Empty,
    /// There are several files of it, and pgBackRest refuses to choose.
    Duplicate,
    /// Its content cannot be had.
    Unreadable,
}

/// A segment that is listed and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unusable {
    /// The segment.
    pub segment: Segment,
    /// What is wrong with it.
    pub defect: Defect,
    /// What it costs.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Whether a backup can be restored at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Restorable {
    /// It can.
    Yes,
    /// It needs the files of a backup that is gone.
    MissingBackup(Label),
    /// It needs a segment that is missing or of no use. The first.
    MissingWal(Segment),
    /// It needs a segment above the highest that is archived: not there yet, or never.
    AwaitingWal(Segment),
}

/// How far a recovery from one backup can go on one chain of timelines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// The timeline to name as the target.
    pub timeline: u32,
    /// The timelines it runs along, from the backup's own.
    pub timelines: Vec<u32>,
    /// The last segment that follows without a gap.
    pub last_segment: Segment,
    /// The last commit after the backup that can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Where the record of that commit begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_lsn: Option<Lsn>,
}

/// What can be restored from one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRecovery {
    /// The backup.
    pub label: Label,
    /// Which PostgreSQL cluster of the stanza's history it is of.
    pub database_id: u32,
    /// Whether it can be restored at all.
    pub restorable: Restorable,
    /// The latest commit that can be reached from it, on any chain; absent while nothing has been committed after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<DateTime<Utc>>,
    /// Each chain of timelines on which a recovery can go on from it.
    pub reaches: Vec<Reach>,
    /// It holds pages with a wrong checksum.
    pub page_errors: bool,
    /// What was committed after it has times well before its end: clocks disagree, and such times cannot be a target.
    pub clocks_disagree: bool,
}

/// What can be restored from a db-id, or from a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The start of the first window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_restorable_time: Option<DateTime<Utc>>,
    /// The latest end of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<DateTime<Utc>>,
    /// By their start.
    pub windows: Vec<Window>,
    /// Gaps that had time to heal and did not, by timeline and position.
    pub gaps: Vec<Gap>,
    /// Gaps that may still heal. Windows end at them all the same.
    pub gaps_in_grace: Vec<Gap>,
    /// Gaps that an expiry has left.
    pub gaps_of_expiry: Vec<Gap>,
    /// Segments that are listed and cannot be used.
    pub unusable: Vec<Unusable>,
    /// All backups, in the order they were given.
    pub backups: Vec<BackupRecovery>,
}

impl Recovery {
    /// Puts the db-ids of a repository together. Nothing of one is merged with another's.
    #[must_use]
    pub fn of_repository(databases: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for database in databases {
            all.windows.extend(database.windows);
            all.gaps.extend(database.gaps);
            all.gaps_in_grace.extend(database.gaps_in_grace);
            all.gaps_of_expiry.extend(database.gaps_of_expiry);
            all.unusable.extend(database.unusable);
            all.backups.extend(database.backups);
        }
        all.bounded()
    }

    pub(super) fn bounded(mut self) -> Self {
        self.windows
            .sort_by_key(|window| (window.from, window.to, window.timeline));
        self.earliest_restorable_time = self.windows.iter().map(|window| window.from).min();
        self.latest_restorable_time = self.windows.iter().filter_map(|window| window.to).max();
        self
    }
}

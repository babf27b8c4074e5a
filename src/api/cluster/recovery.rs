//! What can be restored from each repository, as it was last read from the repository itself.
//!
//! The names are those of `holdfast inspect --json`. Times are RFC 3339 in UTC with microseconds, as PostgreSQL keeps
//! them; lists are cut to the newest entries, and say how many more there are.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drills::DrillStatus;
use crate::api::rules;

/// Entries of a list that a status holds at most.
pub const LIST_LIMIT: usize = 20;

/// What can be restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryStatus {
    /// One entry for each repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub repos: Vec<RepositoryRecovery>,
    /// One entry for each rehearsal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub drills: Vec<DrillStatus>,
}

/// What can be restored from one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryRecovery {
    /// `repo1` to `repo4`.
    pub name: String,
    /// `AsSpecified` when all of this is as of `listedAt`; else the reason why nothing newer is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When the repository was last read. Moves every few minutes while nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<String>,
    /// The start of the first window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_restorable_time: Option<String>,
    /// The end of the last window: the last commit that can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<String>,
    /// Spans of time that can be restored to, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RecoveryWindow>,
    /// Older windows that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_windows: Option<i64>,
    /// WAL that is missing, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<RecoveryGap>,
    /// Older gaps that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_gaps: Option<i64>,
    /// Backups by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupCounts>,
    /// WAL segments in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<i64>,
    /// Bytes of WAL in the archive, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_bytes: Option<i64>,
    /// Bytes of backups, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_bytes: Option<i64>,
    /// Whether the store keeps what is removed or overwritten as an older version; absent where no backup tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioned: Option<bool>,
    /// Before this the store refuses to remove any backup that is there now: the earliest of their times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<String>,
    /// What is not as it should be, apart from gaps, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oddities: Vec<String>,
    /// How far the latest restorable time is behind the database, in seconds, rounded up to minutes beyond the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_lag_seconds: Option<i64>,
}

/// A span of time that can be restored to, on one chain of timelines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryWindow {
    /// The end of the backup that it begins with.
    pub from: String,
    /// The last commit that can be reached; absent while nothing has been committed after the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Where that commit is: `--type=lsn --target=…` of a restore stops right behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_lsn: Option<String>,
    /// The timeline to name as the target.
    pub timeline: i64,
    /// The backup that it begins with.
    pub backup: String,
}

/// A run of WAL segments that are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryGap {
    /// The timeline.
    pub timeline: i64,
    /// The first missing segment.
    pub first: String,
    /// The last missing segment.
    pub last: String,
    /// How many are missing.
    pub segments: i64,
    /// Since when it is visible.
    pub since: String,
    /// Backups that cannot be restored for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrestorable: Vec<String>,
    /// Backups from which a recovery ends here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortened: Vec<String>,
    /// The last time that can be restored before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_from: Option<String>,
    /// The next time that can be restored after it; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_to: Option<String>,
}

/// Backups by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupCounts {
    /// Full.
    pub full: i64,
    /// Differential.
    pub differential: i64,
    /// Incremental.
    pub incremental: i64,
}

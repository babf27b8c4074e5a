//! `PerconaPGRestore`: one restore of a cluster in place, or the question what it would come to.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backup::JobState;
use super::cluster::drills::CheckResult;
use super::pods::ContainerOptions;
use super::repository::NAME_PATTERN;
use super::{rules, time};

/// What becomes of the data that were there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PreviousData {
    /// They stay on the claim until the restored database has proven itself: there is a way back.
    #[default]
    Keep,
    /// They are overwritten: there is no way back but another restore. Needs no room.
    Discard,
}

/// Which cluster is restored, from where, and to what.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "pgv2.percona.com",
    version = "v2",
    kind = "PerconaPGRestore",
    plural = "perconapgrestores",
    shortname = "pg-restore",
    namespaced,
    doc = "One restore of a PostgreSQL cluster in place.",
    status = "PerconaPGRestoreStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.pgCluster","description":"Cluster name"}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".status.state","description":"State of the restore"}"#,
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress.message","description":"How far it is"}"#,
    printcolumn = r#"{"name":"Target","type":"string","jsonPath":".status.preflight.target","description":"Where it stops, as it was understood"}"#,
    printcolumn = r#"{"name":"Backup","type":"string","jsonPath":".status.preflight.backup","description":"The backup that it begins from"}"#,
    printcolumn = r#"{"name":"Repo","type":"string","jsonPath":".status.preflight.repository","description":"Where that is"}"#,
    printcolumn = r#"{"name":"Completed","type":"date","jsonPath":".status.completed","description":"When it ended"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::one_target())]
#[x_kube(validation = rules::restore_is_fixed())]
pub struct PerconaPGRestoreSpec {
    /// Name of the cluster in the same namespace.
    #[x_kube(validation = rules::rule("self == oldSelf", "pgCluster is an immutable field"))]
    pub pg_cluster: String,
    /// Repository to restore from, `repo1` to `repo4`. Without it the one that serves the target best is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME_PATTERN))]
    #[x_kube(validation = rules::rule("self == oldSelf", "repoName is an immutable field"))]
    pub repo_name: Option<String>,
    /// The repository is read as it stood at this time, where its bucket keeps versions (S3): what was deleted or overwritten in it
    /// since is there again, for this restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_time: Option<Time>,
    /// A backup taken by volume snapshot to restore; with `repoName`, WAL is then replayed from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::rule("self == oldSelf", "volumeSnapshotBackupName is an immutable field"))]
    pub volume_snapshot_backup_name: Option<String>,
    /// Further options of `pgbackrest restore`, written as for a shell, for example `--type=time` and
    /// `--target="2022-11-30 15:12:11+03"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(validation = rules::restore_options())]
    #[x_kube(validation = rules::restore_type())]
    #[x_kube(validation = rules::restore_target())]
    #[x_kube(validation = rules::restore_exclusive())]
    pub options: Vec<String>,
    /// Environment of the container that runs pgBackRest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_options: Option<ContainerOptions>,
    /// Where the restore stops, instead of `--type` and `--target` among the options. Without either it goes on to the end of the WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RestoreTarget>,
    /// Looks whether the restore can be done and what it would come to, and does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// What becomes of the data that were there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_data: Option<PreviousData>,
    /// Seconds from the creation of this object within which the database is restored; else what was there before is brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub deadline_seconds: Option<i64>,
    /// A rehearsal of the cluster's `spec.backups.drills`: restored into a throw-away place, checked, and thrown away. The cluster is
    /// not touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub drill: Option<String>,
    /// Brings a new cluster the data that its `spec.dataSource` names. The operator makes such a restore by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<bool>,
    /// Ends a restore of the same cluster that is under way, instead of waiting for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede: Option<bool>,
}

/// Where a restore stops: at one of a time, a position, a transaction, a named restore point, the end of the backup or that of the
/// timeline before the last restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "[has(self.time), has(self.lsn), has(self.xid), has(self.name), has(self.immediate) && self.immediate, has(self.previous) && self.previous].filter(one, one).size() <= 1",
    "a target is one of time, lsn, xid, name, immediate and previous"))]
#[x_kube(validation = rules::rule(
    "!has(self.previous) || !self.previous || !has(self.timeline)",
    "previous names a timeline already"))]
#[x_kube(validation = rules::rule(
    "!has(self.exclusive) || !self.exclusive || has(self.time) || has(self.lsn) || has(self.xid)",
    "exclusive has a meaning with time, lsn or xid only"))]
pub struct RestoreTarget {
    /// A time, for example `2026-11-22 15:12:11+01`, `2026-11-22T14:12:11Z` or `2026-11-22 15:12:11 Europe/Berlin`. Without a zone it is
    /// UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub time: Option<String>,
    /// A position in the WAL, for example `0/65000160`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$"))]
    pub lsn: Option<String>,
    /// A transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{1,20}$"))]
    pub xid: Option<String>,
    /// A restore point, made with `pg_create_restore_point`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
    /// As soon as the backup is consistent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immediate: Option<bool>,
    /// Undoes the last restore: the end of the timeline that was left for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<bool>,
    /// Leaves out what is at the target itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<bool>,
    /// A timeline's number, `latest` or `current`. Without it a time means the timeline that took writes then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(latest|current|(0x)?[0-9A-Fa-f]{1,8})$"))]
    pub timeline: Option<String>,
}

/// What was found before anything was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// When the repositories were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// Where the restore stops, as it was understood; a time in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The repository that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The backup that it begins from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// When that backup ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_completed: Option<Time>,
    /// pgBackRest's `--type`, as it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_type: Option<String>,
    /// pgBackRest's `--target`, as it is carried out: the time of the very last commit becomes its position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_target: Option<String>,
    /// Position of the last commit that is known of on that timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_position: Option<String>,
    /// Why these were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The timeline that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<i64>,
    /// Where it stops may be on an earlier timeline of the way: it is found first, and then the new timeline begins there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes_through: Option<bool>,
    /// Whether it is known that the target can be reached. Of a transaction and of a restore point it is not, before all WAL is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certain: Option<bool>,
    /// First WAL segment that is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_segment: Option<String>,
    /// Last WAL segment that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_segment: Option<String>,
    /// Bytes of the database as the backup has it: so much room is needed at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_bytes: Option<i64>,
    /// Bytes that are free on the volumes of the primary's tables, as they were seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<i64>,
    /// Bytes that are read from the repository for that, without WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_bytes: Option<i64>,
    /// WAL segments that are read: of a target that is a time as many as there will be if WAL was written evenly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_segments: Option<i64>,
    /// Bytes of them, before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_bytes: Option<i64>,
    /// Seconds that it will take, by what earlier restores of the cluster took, or else its backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_seconds: Option<i64>,
    /// The latest time that could be reached on that timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<Time>,
    /// The newest commit that is known of in any repository: what was committed between the target and this would be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_commit: Option<Time>,
    /// What each repository has to say to the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub repositories: Vec<RepositoryAnswer>,
}

/// Whether a repository serves the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryAnswer {
    /// `repo1` to `repo4`.
    pub name: String,
    /// It does.
    pub serves: bool,
    /// From which backup, or why not.
    pub says: String,
}

/// How far a restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreProgress {
    /// For people: what is being done, and how far it is.
    pub message: String,
    /// Percent of the backup that are copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<i64>,
    /// The last WAL segment that was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// How far WAL is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// What was reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Where the recovery stopped in the WAL.
    pub position: String,
    /// The timeline that begins there; the instance that is started on it begins another one.
    pub timeline: i64,
    /// The last commit that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<Time>,
    /// Where it stopped, in PostgreSQL's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Commits from then to then are not there any more; they stay in the repository, on the timeline that was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded: Option<String>,
    /// Seconds that copying the backup took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_seconds: Option<i64>,
    /// Seconds that the replay of WAL took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<i64>,
    /// Bytes of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Seconds from the creation of this object until the database took connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_seconds: Option<i64>,
}

impl PerconaPGRestore {
    /// It brings a new cluster its first data.
    #[must_use]
    pub fn is_bootstrap(&self) -> bool {
        self.spec.bootstrap == Some(true)
    }

    /// It is a rehearsal: the cluster is not touched.
    #[must_use]
    pub fn is_drill(&self) -> bool {
        self.spec.drill.is_some()
    }

    /// When it was created, by the API server's clock.
    #[must_use]
    pub fn created_at(&self) -> Option<DateTime<Utc>> {
        self.metadata
            .creation_timestamp
            .as_ref()
            .map(time::from_kubernetes)
    }

    /// It was created longer than `limit` before `now`.
    #[must_use]
    pub fn is_older_than(&self, limit: TimeDelta, now: DateTime<Utc>) -> bool {
        self.created_at().is_some_and(|created| now > created + limit)
    }
}

/// What became of the restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerconaPGRestoreStatus {
    /// State of the restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// What was found before anything was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
    /// Why it failed, what that means for the data, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How far it is, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RestoreProgress>,
    /// What was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// What was checked of a rehearsal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// Name of the Job that ran pgBackRest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// When it ended, successfully or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Time>,
    /// Conditions, each with a reason of the documented list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_type()))]
    pub conditions: Vec<Condition>,
}

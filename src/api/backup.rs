//! `PerconaPGBackup`: one backup of one cluster into one repository.
//!
//! The specification says what was asked for and does not change afterwards; whatever became of it is in the
//! status, which is written only after the repository confirms it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::open_enum::open_enum;
use super::pods::ContainerOptions;
use super::repository::{NAME_PATTERN, Repository};
use super::rules;

/// What is to be backed up, where to, and how.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "pgv2.percona.com",
    version = "v2",
    kind = "PerconaPGBackup",
    plural = "perconapgbackups",
    shortname = "pg-backup",
    namespaced,
    doc = "One backup of one PostgreSQL cluster into one repository.",
    status = "PerconaPGBackupStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.pgCluster","description":"Cluster name"}"#,
    printcolumn = r#"{"name":"Repo","type":"string","jsonPath":".spec.repoName","description":"Repository name"}"#,
    printcolumn = r#"{"name":"Destination","type":"string","jsonPath":".status.destination","description":"Where the backup is"}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".status.state","description":"State of the backup"}"#,
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress.summary","description":"How far it is"}"#,
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".status.backupType","description":"full, diff or incr"}"#,
    printcolumn = r#"{"name":"Origin","type":"string","jsonPath":".status.origin","description":"Manual, Schedule, Initial or Imported"}"#,
    printcolumn = r#"{"name":"Completed","type":"date","jsonPath":".status.completed","description":"When it ended"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp","description":"When it was created"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule("self.method == \"volumeSnapshot\" || has(self.repoName)",
    "repoName is required when method is 'pgbackrest'"))]
#[x_kube(validation = rules::backup_is_fixed())]
pub struct PerconaPGBackupSpec {
    /// Name of the cluster in the same namespace.
    pub pg_cluster: String,
    /// Repository that receives the backup, `repo1` to `repo4`. Required unless `method` is `volumeSnapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub repo_name: Option<String>,
    /// How the backup is taken.
    #[serde(default)]
    pub method: BackupMethod,
    /// Further options of `pgbackrest backup`, written as for a shell, for example `--type=full`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(validation = rules::backup_options())]
    pub options: Vec<String>,
    /// Environment of the container that runs pgBackRest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_options: Option<ContainerOptions>,
    /// Seconds from its creation after which a backup that has not begun fails, whatever it waits for. Without it a backup waits for
    /// its turn as long as others take, and ten minutes for what has to be put right, such as its cluster or its repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub starting_deadline_seconds: Option<i64>,
    /// What becomes of the backup in the repository when this object is deleted. May be changed at any time.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Holds the backup, and all that it needs, against retention and deletion. May be changed at any time.
    #[serde(default)]
    pub pinned: bool,
}

/// How a backup is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackupMethod {
    /// By pgBackRest, into a repository.
    #[default]
    #[serde(rename = "pgbackrest")]
    PgBackRest,
    /// By snapshots of the volumes.
    #[serde(rename = "volumeSnapshot")]
    VolumeSnapshot,
}

/// What becomes of the backup in the repository when its object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays, and an object for it is made again.
    #[default]
    Retain,
    /// It is removed, unless others need it or it is pinned; the object stays until it is gone.
    Delete,
}

open_enum! {
    /// Who asked for a backup.
    pub enum BackupOrigin {
        /// Somebody, by creating the object.
        #[default]
        Manual = "Manual",
        /// A schedule of the cluster.
        Schedule = "Schedule",
        /// The cluster itself: the first one of a repository.
        Initial = "Initial",
        /// Nobody here: it was found in the repository.
        Imported = "Imported",
    }
}

open_enum! {
    /// State of a backup or of a restore.
    pub enum JobState {
        /// Not begun, or waiting.
        #[default]
        New = "",
        /// Accepted; its Job is being made.
        Starting = "Starting",
        /// pgBackRest is at work.
        Running = "Running",
        /// Ended without success.
        Failed = "Failed",
        /// Ended, and confirmed by the repository.
        Succeeded = "Succeeded",
    }
}

impl JobState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Failed | Self::Succeeded)
    }
}

/// What became of the backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerconaPGBackupStatus {
    /// State of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<BackupOrigin>,
    /// Why it failed, what that means for the data, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Name of the Job that ran pgBackRest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// When pgBackRest began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended, successfully or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Time>,
    /// How far it is, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<BackupProgress>,
    /// Where the backup is, for example `s3://bucket/path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// `full`, `diff` or `incr` as pgBackRest has it, or `snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_type: Option<String>,
    /// `filesystem`, `s3`, `gcs` or `azure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<String>,
    /// The repository as it was configured when the backup began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<Repository>,
    /// Image that ran pgBackRest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// pgBackRest's label of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_name: Option<String>,
    /// Bytes of the database that this backup had to copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// The instance whose files were copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<CopiedFrom>,
    /// Version of the resource definition with which the backup was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cr_version: Option<String>,
    /// Latest time to which this backup can be recovered, as `2006-01-02 15:04:05.000000-0700`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<String>,
    /// Before this the store refuses to remove any file of this backup (object lock, a retention policy). The backups that it builds
    /// upon have times of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Time>,
    /// Somebody has put a hold on it in the store, which has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_in_store: Option<bool>,
    /// Volume snapshots, when `method` is `volumeSnapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
    /// Conditions, each with a reason of the documented list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_type()))]
    pub conditions: Vec<Condition>,
}

open_enum! {
    /// What an instance was when its files were copied.
    pub enum SourceRole {
        /// It took writes.
        #[default]
        Primary = "primary",
        /// It followed the primary.
        Standby = "standby",
    }
}

/// The instance whose files were copied. Control data and WAL are the primary's in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopiedFrom {
    /// `primary` or `standby`, as the repository's catalogue has it.
    pub role: SourceRole,
    /// Its name, where the Pod that took the backup could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// How far a running backup is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupProgress {
    /// Bytes of the database that have been copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_done: Option<i64>,
    /// Bytes of the database to copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<i64>,
    /// Share that is done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<i32>,
    /// Bytes copied a second, lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<i64>,
    /// Seconds that the rest takes at that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<i64>,
    /// All of it in one line, for example `43% 1.2GiB/2.8GiB 85MiB/s ETA 20s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The volume snapshots that make up a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// Snapshot of the data volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_volume_snapshot_ref: Option<String>,
    /// Snapshot of the WAL volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_volume_snapshot_ref: Option<String>,
    /// Snapshots of tablespace volumes, by tablespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tablespace_volume_snapshot_refs: BTreeMap<String, String>,
}

//! What the cluster is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recovery::RecoveryStatus;
use super::retention::RepositoryRetention;
use crate::api::open_enum::open_enum;
use crate::api::rules;
use crate::api::schedules::ScheduleStatus;

open_enum! {
    /// State of a cluster.
    pub enum ClusterState {
        /// Something is not ready yet.
        #[default]
        Initializing = "initializing",
        /// Every pod is stopped, as asked for.
        Paused = "paused",
        /// Pods are being stopped, as asked for.
        Stopping = "stopping",
        /// All is there and ready.
        Ready = "ready",
    }
}

/// What the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerconaPGClusterStatus {
    /// State of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClusterState>,
    /// Host to connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Generation of the specification that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresStatus>,
    /// `PgBouncer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbouncer: Option<PgBouncerStatus>,
    /// Patroni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patroni: Option<PatroniStatus>,
    /// Former place of `patroni.version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patroni_version: Option<String>,
    /// Extensions that were loaded from a bucket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub installed_custom_extensions: Vec<String>,
    /// pgBackRest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbackrest: Option<PgBackRestStatus>,
    /// What can be restored, as read from the repositories themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryStatus>,
    /// What became of the times at which backups are taken by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_repo_and_type()))]
    pub schedules: Vec<ScheduleStatus>,
    /// The restore that the cluster is stopped for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreUnderWay>,
    /// What is let go in each repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub retention: Vec<RepositoryRetention>,
    /// How far a standby is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<StandbyStatus>,
    /// Replicas by logical replication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub logical_replicas: Vec<LogicalReplicaStatus>,
    /// Conditions, each with a reason of the documented list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_type()))]
    pub conditions: Vec<Condition>,
}

/// A restore in place: while it is there no instance runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreUnderWay {
    /// Name of the `PerconaPGRestore`.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The instance that is restored, once all are stopped. It starts first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// PostgreSQL's instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresStatus {
    /// Number of instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i32>,
    /// Number of instances that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<i32>,
    /// The same, by set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceSetStatus>,
    /// Major version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Digest of the image.
    #[serde(default, rename = "imageID", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// `percona` or `community`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
}

/// One set of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSetStatus {
    /// Name of the set.
    pub name: String,
    /// Number of instances.
    pub size: i32,
    /// Number of instances that are ready.
    pub ready: i32,
}

/// `PgBouncer`'s pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBouncerStatus {
    /// Number of pods.
    pub size: i32,
    /// Number of pods that are ready.
    pub ready: i32,
}

/// Patroni.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatroniStatus {
    /// Version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What Patroni knows of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PatroniClusterStatus>,
}

/// What Patroni knows of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatroniClusterStatus {
    /// PostgreSQL's system identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// Last request for a change of leader that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<String>,
    /// Timeline at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover_timeline: Option<i64>,
}

/// pgBackRest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBackRestStatus {
    /// The repositories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub repos: Vec<RepositoryStatus>,
    /// The pod that serves repositories on volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_host: Option<RepoHostStatus>,
    /// The backup that was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual_backup: Option<JobStatus>,
    /// Backups by schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduled_backups: Vec<ScheduledBackupStatus>,
    /// The restore that was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<JobStatus>,
}

/// One repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryStatus {
    /// Name of the repository.
    pub name: String,
    /// Whether the claim is bound, for a repository on a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<bool>,
    /// Name of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Size that the volume shall have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_repo_volume: Option<String>,
    /// Whether the stanza exists in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stanza_created: Option<bool>,
    /// It refuses WAL: segments wait for it on the primary's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_wal: Option<bool>,
    /// Whether it holds a first full backup, from which replicas can be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_create_backup_complete: Option<bool>,
    /// Digest of the settings with which the stanza was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_options_hash: Option<String>,
}

/// The pod that serves repositories on volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepoHostStatus {
    /// API version of its controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of its controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}

/// A Job that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// Which request.
    pub id: String,
    /// Whether it ended.
    pub finished: bool,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Pods at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<i32>,
    /// Pods that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<i32>,
    /// Pods that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<i32>,
}

/// A Job that a schedule started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledBackupStatus {
    /// Name of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_job_name: Option<String>,
    /// Repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Type of backup.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Pods at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<i32>,
    /// Pods that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<i32>,
    /// Pods that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<i32>,
}

/// How far a standby is behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandbyStatus {
    /// When this was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_last_computed_at: Option<Time>,
    /// Bytes of WAL between what is known to be there and what is applied; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<i64>,
    /// Seconds between the last commit that is known to be there and the last that is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// Up to where WAL is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_lsn: Option<String>,
    /// Time of the last commit that is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_until: Option<Time>,
}

/// One replica by logical replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogicalReplicaStatus {
    /// Name of the replica.
    pub name: String,
    /// `bootstrapping`, `ready`, `broken` or `suspended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Databases that it replicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// When its first copy was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeded_at: Option<Time>,
    /// When it stopped being usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidated_at: Option<Time>,
}

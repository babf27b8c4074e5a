//! `PerconaPGRestore`: one restore of a cluster in place.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::backup::JobState;
use super::pods::ContainerOptions;
use super::repository::NAME_PATTERN;
use super::rules;

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
    printcolumn = r#"{"name":"Completed","type":"date","jsonPath":".status.completed","description":"When it ended"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "((has(self.repoName) && self.repoName != \"\") || (has(self.volumeSnapshotBackupName) && self.volumeSnapshotBackupName != \"\"))",
    "either repoName or volumeSnapshotBackupName must be set"))]
#[x_kube(validation = rules::restore_is_fixed())]
pub struct PerconaPGRestoreSpec {
    /// Name of the cluster in the same namespace.
    #[x_kube(validation = rules::rule("self == oldSelf", "pgCluster is an immutable field"))]
    pub pg_cluster: String,
    /// Repository to restore from, `repo1` to `repo4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME_PATTERN))]
    #[x_kube(validation = rules::rule("self == oldSelf", "repoName is an immutable field"))]
    pub repo_name: Option<String>,
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
}

/// What became of the restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerconaPGRestoreStatus {
    /// State of the restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
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

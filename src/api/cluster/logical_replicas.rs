//! Replicas by logical replication.

use k8s_openapi::api::core::v1::{Affinity, PersistentVolumeClaimSpec, ResourceRequirements, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::services::Expose;
use crate::api::pods::Metadata;

/// A writable copy of some databases, kept up to date by logical replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogicalReplica {
    /// Name of the replica.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*[a-z0-9]$"), length(max = 20))]
    pub name: String,
    /// Labels and annotations of its objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Databases to replicate; all but templates and `postgres` when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub databases: Vec<String>,
    /// How it gets its first copy.
    #[serde(default)]
    pub bootstrap_method: BootstrapMethod,
    /// Claim of the data directory.
    pub data_volume_claim_spec: PersistentVolumeClaimSpec,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Scheduling preferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Priority class of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Service of the replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose: Option<Expose>,
}

/// How a logical replica gets its first copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BootstrapMethod {
    /// Restored from a repository.
    #[default]
    #[serde(rename = "pgbackrest")]
    PgBackRest,
    /// Copied from the primary.
    #[serde(rename = "pg_basebackup")]
    PgBaseBackup,
}

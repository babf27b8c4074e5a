//! Where the data of a new cluster come from.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvFromSource, EnvVar, ResourceRequirements, Toleration, VolumeProjection,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::repository::{NAME_PATTERN, Repository};
use crate::api::rules;

/// Where the data of a new cluster come from. At most one may be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "[has(self.postgresCluster), has(self.pgbackrest), has(self.volumes)].filter(set, set).size() <= 1",
    "a cluster has one source at most: one of postgresCluster, pgbackrest and volumes"))]
pub struct DataSource {
    /// A repository of another cluster, or of this one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_cluster: Option<ClusterSource>,
    /// A repository that no cluster here knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbackrest: Option<RepositorySource>,
    /// Existing volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<VolumesSource>,
}

/// A repository of another cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSource {
    /// Name of the cluster; this one's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// Namespace of the cluster; this one's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_namespace: Option<String>,
    /// Which of its repositories.
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub repo_name: String,
    /// Further options of `pgbackrest restore`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(validation = rules::restore_options())]
    #[x_kube(validation = rules::restore_type())]
    #[x_kube(validation = rules::restore_target())]
    #[x_kube(validation = rules::restore_exclusive())]
    pub options: Vec<String>,
    /// Requests and limits of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Scheduling preferences of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Priority class of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Sources of environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
}

/// A repository that no cluster here knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySource {
    /// Name of the stanza in it.
    pub stanza: String,
    /// Where it is.
    pub repo: Repository,
    /// Options of the section `[global]`, by pgBackRest's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub global: BTreeMap<String, String>,
    /// Files with credentials and further configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<VolumeProjection>,
    /// Further options of `pgbackrest restore`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(validation = rules::restore_options())]
    #[x_kube(validation = rules::restore_type())]
    #[x_kube(validation = rules::restore_target())]
    #[x_kube(validation = rules::restore_exclusive())]
    pub options: Vec<String>,
    /// Requests and limits of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Scheduling preferences of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Priority class of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// Existing volumes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumesSource {
    /// The data directory's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_data_volume: Option<VolumeSourceClaim>,
    /// The WAL directory's.
    #[serde(default, rename = "pgWALVolume", skip_serializing_if = "Option::is_none")]
    pub pg_wal_volume: Option<VolumeSourceClaim>,
    /// The repository's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_back_rest_volume: Option<VolumeSourceClaim>,
}

/// An existing claim, and the directory in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSourceClaim {
    /// Name of the claim.
    pub pvc_name: String,
    /// Directory to move into place; where it is by default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Taints that the Job which moves it tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Annotations of that Job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels of that Job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

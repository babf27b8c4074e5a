//! Sets of PostgreSQL instances.

use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, PersistentVolumeClaimSpec, PodSecurityContext,
    ResourceRequirements, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::pods::{ContainerResources, ExtraVolume, InitContainer, Metadata, SidecarClaim};
use crate::api::{defaults, rules};

/// A set of PostgreSQL instances that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSet {
    /// Name of the set; its position in two digits when empty.
    #[serde(default)]
    #[schemars(regex(pattern = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"), length(max = 63))]
    pub name: String,
    /// Labels and annotations of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Number of instances.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// Instances that a voluntary disruption must leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// Requests and limits of the `database` container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Claim of the data directory.
    pub data_volume_claim_spec: PersistentVolumeClaimSpec,
    /// Claim of the WAL directory, when it has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_volume_claim_spec: Option<PersistentVolumeClaimSpec>,
    /// Claims of tablespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub tablespace_volumes: Vec<TablespaceVolume>,
    /// Scheduling preferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Spreading over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Security context of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,
    /// The container that copies the agent into the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_container: Option<InitContainer>,
    /// Further init containers, run after the operator's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// Resources of containers that the operator adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<InstanceContainers>,
    /// Further containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Container>,
    /// Volumes for the sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecar_volumes: Vec<Volume>,
    /// Claims for the sidecars.
    #[serde(default, rename = "sidecarPVCs", skip_serializing_if = "Vec::is_empty")]
    pub sidecar_pvcs: Vec<SidecarClaim>,
    /// Volumes for the `database` container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub extra_volumes: Vec<ExtraVolume>,
    /// Further mounts of the `database` container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Environment variables of all containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Sources of environment variables of all containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
}

impl Default for InstanceSet {
    fn default() -> Self {
        Self {
            name: String::new(),
            metadata: None,
            replicas: defaults::one(),
            min_available: None,
            resources: None,
            data_volume_claim_spec: PersistentVolumeClaimSpec::default(),
            wal_volume_claim_spec: None,
            tablespace_volumes: Vec::new(),
            affinity: None,
            tolerations: Vec::new(),
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
            security_context: None,
            init_container: None,
            init_containers: Vec::new(),
            containers: None,
            sidecars: Vec::new(),
            sidecar_volumes: Vec::new(),
            sidecar_pvcs: Vec::new(),
            extra_volumes: Vec::new(),
            volume_mounts: Vec::new(),
            env: Vec::new(),
            env_from: Vec::new(),
        }
    }
}

/// A tablespace with a claim of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TablespaceVolume {
    /// Name of the tablespace's volume; it is mounted at `/tablespaces/<name>`.
    #[schemars(regex(pattern = "^[a-z][a-z0-9]*$"), length(min = 1))]
    pub name: String,
    /// What to claim.
    pub data_volume_claim_spec: PersistentVolumeClaimSpec,
}

/// Containers that the operator adds to instance pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceContainers {
    /// The container that copies the replication certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_cert_copy: Option<ContainerResources>,
}

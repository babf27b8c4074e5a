//! The pod that serves a repository on a volume.

use k8s_openapi::api::core::v1::{
    Affinity, ConfigMapProjection, Container, PodSecurityContext, ResourceRequirements, SecretProjection,
    Toleration, TopologySpreadConstraint, Volume,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::pods::SidecarClaim;

/// The pod that serves a repository on a volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepoHost {
    /// Scheduling preferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Priority class of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Spreading over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Security context of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,
    /// Further containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Container>,
    /// Volumes for the sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecar_volumes: Vec<Volume>,
    /// Claims for the sidecars.
    #[serde(default, rename = "sidecarPVCs", skip_serializing_if = "Vec::is_empty")]
    pub sidecar_pvcs: Vec<SidecarClaim>,
    /// Accepted and ignored: pgBackRest speaks TLS, not SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_config_map: Option<ConfigMapProjection>,
    /// Accepted and ignored: pgBackRest speaks TLS, not SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_secret: Option<SecretProjection>,
}

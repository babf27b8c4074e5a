//! The connection pooler.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext,
    ResourceRequirements, SecretProjection, Toleration, TopologySpreadConstraint, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::services::Expose;
use crate::api::defaults;
use crate::api::pods::{ContainerResources, Metadata, SidecarClaim};

/// The connection pooler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// `PgBouncer`.
    pub pg_bouncer: PgBouncer,
}

/// `PgBouncer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBouncer {
    /// Number of pods; with 0 there is no pooler.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// TCP port.
    #[serde(default = "defaults::postgres_port")]
    #[schemars(range(min = 1024))]
    pub port: i32,
    /// Image with `PgBouncer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Labels and annotations of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Pods that a voluntary disruption must leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// Requests and limits of the `pgbouncer` container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Settings of `PgBouncer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PgBouncerConfig>,
    /// Certificate that clients see: `tls.crt`, `tls.key` and `ca.crt`.
    #[serde(default, rename = "customTLSSecret", skip_serializing_if = "Option::is_none")]
    pub custom_tls_secret: Option<SecretProjection>,
    /// Secrets whose `ca.crt` clients' certificates may be signed with.
    #[serde(
        default,
        rename = "additionalTrustedCAs",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub additional_trusted_cas: Vec<LocalObjectReference>,
    /// Let superusers connect through the pooler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_superusers: Option<bool>,
    /// Service of the pooler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose: Option<Expose>,
    /// Secret with a user list that replaces the lookup in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_secret: Option<LocalObjectReference>,
    /// Hold client connections back without closing them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
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
    /// Resources of containers that the operator adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<PgBouncerContainers>,
    /// Further containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Container>,
    /// Volumes for the sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecar_volumes: Vec<Volume>,
    /// Claims for the sidecars.
    #[serde(default, rename = "sidecarPVCs", skip_serializing_if = "Vec::is_empty")]
    pub sidecar_pvcs: Vec<SidecarClaim>,
    /// Environment variables of all containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Sources of environment variables of all containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
}

impl Default for PgBouncer {
    fn default() -> Self {
        Self {
            replicas: defaults::one(),
            port: defaults::postgres_port(),
            image: None,
            metadata: None,
            min_available: None,
            resources: None,
            config: None,
            custom_tls_secret: None,
            additional_trusted_cas: Vec::new(),
            expose_superusers: None,
            expose: None,
            users_secret: None,
            paused: None,
            affinity: None,
            tolerations: Vec::new(),
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
            security_context: None,
            containers: None,
            sidecars: Vec::new(),
            sidecar_volumes: Vec::new(),
            sidecar_pvcs: Vec::new(),
            env: Vec::new(),
            env_from: Vec::new(),
        }
    }
}

/// Settings of `PgBouncer`, by section of its configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBouncerConfig {
    /// Section `[pgbouncer]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub global: BTreeMap<String, String>,
    /// Section `[databases]`; replaces the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub databases: BTreeMap<String, String>,
    /// Section `[users]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, String>,
    /// Files that appear beside the configuration file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<VolumeProjection>,
}

/// Containers that the operator adds to the pooler's pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBouncerContainers {
    /// The container that reloads the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbouncer_config: Option<ContainerResources>,
}

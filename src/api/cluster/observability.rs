//! Monitoring and log shipping by sidecars.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, LocalObjectReference, Probe, ResourceRequirements, SecurityContext, Volume,
    VolumeMount,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::defaults;

/// Percona Monitoring and Management.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pmm {
    /// Whether instances are monitored.
    pub enabled: bool,
    /// Image of the client.
    pub image: String,
    /// When it is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "Never", "IfNotPresent"]))]
    pub image_pull_policy: Option<String>,
    /// Host of the server.
    pub server_host: String,
    /// Secret with the key `PMM_SERVER_TOKEN`.
    pub secret: String,
    /// Where query statistics are read from.
    #[serde(default = "defaults::pg_stat_statements")]
    #[schemars(extend("enum" = ["pgstatmonitor", "pgstatstatements"]))]
    pub query_source: String,
    /// Name under which the cluster appears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_cluster_name: Option<String>,
    /// Further arguments of `pmm-admin add postgresql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_params: Option<String>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<SecurityContext>,
    /// Runtime class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
}

/// Log shipping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogCollector {
    /// Whether logs are shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Image of the collector.
    pub image: String,
    /// When it is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "Never", "IfNotPresent"]))]
    pub image_pull_policy: Option<String>,
    /// Configuration that is added to the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Sources of environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_security_context: Option<SecurityContext>,
    /// Liveness probe of the collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Readiness probe of the collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Further volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Further mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Log rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_rotate: Option<LogRotate>,
}

/// Log rotation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogRotate {
    /// Configuration that replaces the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// `ConfigMap` with further configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<LocalObjectReference>,
    /// When it runs, as a cron expression.
    #[serde(default = "defaults::every_midnight")]
    pub schedule: String,
    /// Liveness probe of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Readiness probe of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
}

impl Default for LogRotate {
    fn default() -> Self {
        Self {
            configuration: None,
            extra_config: None,
            schedule: defaults::every_midnight(),
            liveness_probe: None,
            readiness_probe: None,
        }
    }
}

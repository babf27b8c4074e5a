//! Settings of Patroni.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{defaults, rules};

/// Settings of Patroni.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Patroni {
    /// Patroni's dynamic configuration; what the operator must decide wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::any_object")]
    pub dynamic_configuration: Option<serde_json::Map<String, serde_json::Value>>,
    /// Seconds for which the leader's lease holds (`ttl`).
    #[serde(default = "defaults::leader_lease_seconds")]
    #[schemars(range(min = 3))]
    pub leader_lease_duration_seconds: i32,
    /// TCP port of the REST API.
    #[serde(default = "defaults::patroni_port")]
    #[schemars(range(min = 1024))]
    pub port: i32,
    /// Seconds between two cycles (`loop_wait`).
    #[serde(default = "defaults::sync_period_seconds")]
    #[schemars(range(min = 1))]
    pub sync_period_seconds: i32,
    /// A change of leader on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,
    /// How a new replica gets its data, in the order of trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_replica_methods: Vec<CreateReplicaMethod>,
    /// Let a former leader whose timeline diverged throw its data away and start over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_data_directory_on_diverged_timelines: Option<bool>,
}

impl Default for Patroni {
    fn default() -> Self {
        Self {
            dynamic_configuration: None,
            leader_lease_duration_seconds: defaults::leader_lease_seconds(),
            port: defaults::patroni_port(),
            sync_period_seconds: defaults::sync_period_seconds(),
            switchover: None,
            create_replica_methods: Vec::new(),
            remove_data_directory_on_diverged_timelines: None,
        }
    }
}

/// How a new replica gets its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CreateReplicaMethod {
    /// Copied from the leader.
    BaseBackup,
    /// Restored from a repository.
    PgBackRest,
}

/// A change of leader on request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Switchover {
    /// Whether requests are followed.
    #[serde(default = "defaults::no")]
    pub enabled: bool,
    /// Instance that shall lead; any healthy one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_instance: Option<String>,
    /// Orderly, or also when the leader does not answer.
    #[serde(rename = "type", default)]
    pub type_: SwitchoverType,
}

/// Kind of a change of leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SwitchoverType {
    /// The leader hands over; nothing is lost.
    #[default]
    Switchover,
    /// Another instance takes over without the leader's consent.
    Failover,
}

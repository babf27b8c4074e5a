//! Backups by volume snapshot.

use k8s_openapi::api::core::v1::Toleration;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{defaults, rules};

/// Backups by volume snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSnapshots {
    /// How consistency is reached.
    #[serde(default = "defaults::offline")]
    #[schemars(extend("enum" = ["offline"]))]
    pub mode: String,
    /// Class of the snapshots.
    pub class_name: String,
    /// When they are taken, as a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 200))]
    #[x_kube(validation = rules::cron())]
    pub schedule: Option<String>,
    /// Settings of the mode `offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_config: Option<OfflineConfig>,
    /// Settings of the Jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<SnapshotJobs>,
}

impl Default for VolumeSnapshots {
    fn default() -> Self {
        Self {
            mode: defaults::offline(),
            class_name: String::new(),
            schedule: None,
            offline_config: None,
            jobs: None,
        }
    }
}

/// Settings of snapshots of a stopped replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfflineConfig {
    /// The checkpoint before the replica is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
}

/// The checkpoint before the replica is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Whether there is one.
    #[serde(default = "defaults::yes")]
    pub enabled: bool,
    /// Seconds that it may take.
    #[serde(default = "defaults::checkpoint_seconds")]
    #[schemars(range(min = 30))]
    pub timeout_seconds: i32,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            enabled: defaults::yes(),
            timeout_seconds: defaults::checkpoint_seconds(),
        }
    }
}

/// Settings of snapshot Jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotJobs {
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

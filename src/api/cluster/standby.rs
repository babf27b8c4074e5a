//! A cluster that follows another one.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::{defaults, repository::NAME_PATTERN, rules};

/// A cluster that follows another one instead of taking writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule("!self.enabled || has(self.host) || has(self.repoName)",
    "a standby follows something: set host, repoName, or both"))]
pub struct Standby {
    /// Whether the cluster follows.
    #[serde(default = "defaults::no")]
    pub enabled: bool,
    /// Repository from which WAL is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub repo_name: Option<String>,
    /// Host from which it streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port of that host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub port: Option<i32>,
    /// Bytes by which it may be behind before a condition says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_acceptable_lag: Option<Quantity>,
}

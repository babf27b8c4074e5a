//! What retention does to each repository.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryRetention {
    /// `repo1` to `repo4`.
    pub name: String,
    /// What the user's options come to, in words.
    pub policy: String,
    /// WAL is kept without a hole from this backup on; absent while all of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_from: Option<String>,
    /// When something was last let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_expired: Option<Time>,
    /// Labels of the backups that went then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expired: Vec<String>,
    /// Backups that are there only since they are pinned, or needed by ones that are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<i64>,
    /// What those take in the repository, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_bytes: Option<i64>,
}

//! PostgreSQL extensions: those of the image, and those loaded from a bucket.

use k8s_openapi::api::core::v1::SecretProjection;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::defaults;
use crate::api::pods::SecretKey;

/// PostgreSQL extensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!(has(self.pg_stat_monitor) && has(self.pg_stat_monitor.enabled) && self.pg_stat_monitor.enabled && has(self.pg_stat_statements) && has(self.pg_stat_statements.enabled) && self.pg_stat_statements.enabled)"
).message("pg_stat_monitor and pg_stat_statements measure the same thing: enable one of them"))]
#[x_kube(validation = Rule::new(
    "!has(oldSelf.pg_tde) || !has(oldSelf.pg_tde.vault) || !has(oldSelf.pg_tde.enabled) || !oldSelf.pg_tde.enabled || has(self.pg_tde.vault)"
).message("to disable pg_tde first set enabled=false without removing vault and wait for pod restarts"))]
pub struct Extensions {
    /// Image that loads custom extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When it is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Bucket that holds custom extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<ExtensionStorage>,
    /// Extensions loaded from the bucket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<CustomExtension>,
    /// Former way to switch extensions on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<BuiltinExtensions>,
    /// Query statistics by `pg_stat_monitor`.
    #[serde(default, rename = "pg_stat_monitor", skip_serializing_if = "Option::is_none")]
    pub pg_stat_monitor: Option<ExtensionSwitch>,
    /// Query statistics by `pg_stat_statements`.
    #[serde(
        default,
        rename = "pg_stat_statements",
        skip_serializing_if = "Option::is_none"
    )]
    pub pg_stat_statements: Option<ExtensionSwitch>,
    /// Audit log. On when absent.
    #[serde(default, rename = "pg_audit", skip_serializing_if = "Option::is_none")]
    pub pg_audit: Option<ExtensionSwitch>,
    /// Vector search.
    #[serde(default, rename = "pgvector", skip_serializing_if = "Option::is_none")]
    pub pgvector: Option<ExtensionSwitch>,
    /// Rewriting tables online.
    #[serde(default, rename = "pg_repack", skip_serializing_if = "Option::is_none")]
    pub pg_repack: Option<ExtensionSwitch>,
    /// Periodic statements.
    #[serde(default, rename = "pg_cron", skip_serializing_if = "Option::is_none")]
    pub pg_cron: Option<ExtensionSwitch>,
    /// Controlled escalation of privileges.
    #[serde(default, rename = "set_user", skip_serializing_if = "Option::is_none")]
    pub set_user: Option<ExtensionSwitch>,
    /// Transparent data encryption.
    #[serde(default, rename = "pg_tde", skip_serializing_if = "Option::is_none")]
    pub pg_tde: Option<PgTde>,
}

/// Whether an extension is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionSwitch {
    /// On or off; the extension's own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Former way to switch extensions on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuiltinExtensions {
    /// Query statistics by `pg_stat_monitor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_stat_monitor: Option<bool>,
    /// Query statistics by `pg_stat_statements`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_stat_statements: Option<bool>,
    /// Audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_audit: Option<bool>,
    /// Vector search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgvector: Option<bool>,
    /// Rewriting tables online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_repack: Option<bool>,
}

/// Bucket that holds custom extensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionStorage {
    /// Kind of store.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["s3", "gcs", "azure"]))]
    pub type_: Option<String>,
    /// Bucket or container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Bucket in the path instead of the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,
    /// No TLS.
    #[serde(default, rename = "disableSSL", skip_serializing_if = "Option::is_none")]
    pub disable_ssl: Option<bool>,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretProjection>,
}

/// An extension loaded from the bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomExtension {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Checksum of the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// Transparent data encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.enabled) || (has(self.enabled) && self.enabled == false) || has(self.vault)")
    .message("vault is required for enabling pg_tde"))]
#[x_kube(validation = Rule::new("!has(self.walEncryption) || !self.walEncryption || (has(self.enabled) && self.enabled)")
    .message("pg_tde must be enabled to enable WAL encryption"))]
pub struct PgTde {
    /// On or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Encrypt WAL too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_encryption: Option<bool>,
    /// Where keys are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<Vault>,
}

/// A Vault server that keeps keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    /// URL of the server.
    pub host: String,
    /// Mount point of the key-value store.
    #[serde(default = "defaults::vault_mount")]
    pub mount_path: String,
    /// Token.
    pub token_secret: SecretKey,
    /// Certificate authority of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretKey>,
}

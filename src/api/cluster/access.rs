//! PostgreSQL's configuration files and host-based authentication.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::VolumeProjection;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// Files and parameters for PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Files that appear in `/etc/postgres`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<VolumeProjection>,
    /// Parameters for every instance. Those that the operator must decide are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50, "x-kubernetes-map-type" = "granular"))]
    #[x_kube(validation = rules::rule("!has(self.config_file) && !has(self.data_directory)",
        "cannot change PGDATA path: config_file, data_directory"))]
    #[x_kube(validation = rules::rule("!has(self.external_pid_file)", "cannot change external_pid_file"))]
    #[x_kube(validation = rules::rule("!has(self.hba_file) && !has(self.ident_file)",
        "cannot change authentication path: hba_file, ident_file"))]
    #[x_kube(validation = rules::rule("!has(self.listen_addresses)",
        "network connectivity is always enabled: listen_addresses"))]
    #[x_kube(validation = rules::rule("!has(self.port)", "change port using .spec.port instead"))]
    #[x_kube(validation = rules::rule(
        "!has(self.ssl) && !self.exists(k, k.startsWith(\"ssl_\") && !(k == 'ssl_groups' || k == 'ssl_ecdh_curve'))",
        "TLS is always enabled"))]
    #[x_kube(validation = rules::rule("!self.exists(k, k.startsWith(\"unix_socket_\"))",
        "domain socket paths cannot be changed"))]
    #[x_kube(validation = rules::rule("!has(self.wal_level) || self.wal_level in [\"logical\"]",
        "wal_level must be \"replica\" or higher"))]
    #[x_kube(validation = rules::rule("!has(self.wal_log_hints)", "wal_log_hints are always enabled"))]
    #[x_kube(validation = rules::rule(
        "!has(self.archive_mode) && !has(self.archive_command) && !has(self.restore_command)",
        "archiving is configured by the operator: archive_mode, archive_command, restore_command"))]
    #[x_kube(validation = rules::rule(
        "!has(self.recovery_target) && !self.exists(k, k.startsWith(\"recovery_target_\"))",
        "recovery targets belong in a PerconaPGRestore: recovery_target, recovery_target_*"))]
    #[x_kube(validation = rules::rule("!has(self.hot_standby)", "hot_standby is always enabled"))]
    #[x_kube(validation = rules::rule("!has(self.synchronous_standby_names)",
        "synchronous_standby_names is decided by Patroni: use synchronous_mode in .spec.patroni.dynamicConfiguration"))]
    #[x_kube(validation = rules::rule("!has(self.primary_conninfo) && !has(self.primary_slot_name)",
        "replication connections are decided by Patroni: primary_conninfo, primary_slot_name"))]
    #[x_kube(validation = rules::rule("!has(self.recovery_min_apply_delay)",
        "delayed replication is not supported at this time"))]
    #[x_kube(validation = rules::rule("!has(self.cluster_name)",
        "cluster_name is derived from the PostgresCluster name"))]
    #[x_kube(validation = rules::rule("!has(self.logging_collector)", "disabling logging_collector is unsafe"))]
    #[x_kube(validation = rules::rule("!has(self.log_file_mode)", "log_file_mode cannot be changed"))]
    pub parameters: BTreeMap<String, IntOrString>,
}

/// Who may connect, and how they prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Rules in the order in which PostgreSQL tries them, after the operator's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub rules: Vec<AuthenticationRule>,
}

/// One line of `pg_hba.conf`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationRule {
    /// Transport: `local`, `host`, `hostssl`, `hostnossl` and the like.
    pub connection: String,
    /// Authentication method, for example `scram-sha-256` or `ldap`.
    pub method: String,
    /// Databases it is for; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Users it is for; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Options of the method.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, IntOrString>,
    /// The whole line as PostgreSQL reads it; wins over the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hba: Option<String>,
}

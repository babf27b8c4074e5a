//! Which fields of a cluster are set and not acted on yet.
//!
//! Every field of upstream is accepted, so that manifests apply unchanged; what this version does not act on is
//! named to the user (condition `UnsupportedFields`) instead of being ignored silently. Not counted as set: a
//! value equal to the schema's default, anything empty, and a block that is switched off (`enabled: false`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::PerconaPGCluster;

/// What is acted on, as paths below `spec`; `[]` stands for every item of a list. A path includes all below it.
///
/// Whoever makes a controller act on a field adds it here in the same commit.
pub const SUPPORTED: &[&str] = &[
    "crVersion",
    "metadata",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "postgresVersion",
    "port",
    "clusterServiceDNSSuffix",
    "initContainer",
    "dataSource.postgresCluster",
    "dataSource.pgbackrest",
    "dataSource.volumes.pgDataVolume.pvcName",
    "dataSource.volumes.pgDataVolume.directory",
    "dataSource.volumes.pgWALVolume.pvcName",
    "dataSource.volumes.pgWALVolume.directory",
    "tlsOnly",
    "pause",
    "autoCreateUserSchema",
    "standby",
    "expose",
    "exposeReplicas",
    "authentication",
    "users",
    "patroni.dynamicConfiguration",
    "patroni.leaderLeaseDurationSeconds",
    "patroni.port",
    "patroni.syncPeriodSeconds",
    "instances[].name",
    "instances[].metadata",
    "instances[].replicas",
    "instances[].minAvailable",
    "instances[].resources",
    "instances[].dataVolumeClaimSpec",
    "instances[].walVolumeClaimSpec",
    "instances[].tablespaceVolumes",
    "instances[].affinity",
    "instances[].tolerations",
    "instances[].topologySpreadConstraints",
    "instances[].priorityClassName",
    "instances[].securityContext",
    "instances[].initContainers",
    "instances[].sidecars",
    "instances[].sidecarVolumes",
    "instances[].extraVolumes",
    "instances[].volumeMounts",
    "instances[].env",
    "instances[].envFrom",
    "proxy.pgBouncer.replicas",
    "proxy.pgBouncer.port",
    "proxy.pgBouncer.image",
    "proxy.pgBouncer.metadata",
    "proxy.pgBouncer.minAvailable",
    "proxy.pgBouncer.resources",
    "proxy.pgBouncer.config.global",
    "proxy.pgBouncer.config.databases",
    "proxy.pgBouncer.config.users",
    "proxy.pgBouncer.exposeSuperusers",
    "proxy.pgBouncer.expose",
    "proxy.pgBouncer.affinity",
    "proxy.pgBouncer.tolerations",
    "proxy.pgBouncer.topologySpreadConstraints",
    "proxy.pgBouncer.priorityClassName",
    "proxy.pgBouncer.securityContext",
    "proxy.pgBouncer.sidecars",
    "proxy.pgBouncer.sidecarVolumes",
    "proxy.pgBouncer.env",
    "proxy.pgBouncer.envFrom",
    "backups.enabled",
    "backups.trackLatestRestorableTime",
    "backups.objectives.recoveryPoint",
    "backups.blackouts",
    "backups.drills",
    "backups.sharedWith",
    "backups.pgbackrest.metadata",
    "backups.pgbackrest.image",
    "backups.pgbackrest.global",
    "backups.pgbackrest.configuration",
    "backups.pgbackrest.env",
    "backups.pgbackrest.envFrom",
    "backups.pgbackrest.containers.pgbackrest",
    "backups.pgbackrest.sidecars.pgbackrest",
    "backups.pgbackrest.jobs",
    "backups.pgbackrest.repos[].name",
    "backups.pgbackrest.repos[].s3",
    "backups.pgbackrest.repos[].gcs",
    "backups.pgbackrest.repos[].azure",
    "backups.pgbackrest.repos[].volume",
    "backups.pgbackrest.repos[].schedules",
    "backups.pgbackrest.repos[].suspendArchiving",
    "backups.pgbackrest.repoHost.affinity",
    "backups.pgbackrest.repoHost.priorityClassName",
    "backups.pgbackrest.repoHost.resources",
    "backups.pgbackrest.repoHost.tolerations",
    "backups.pgbackrest.repoHost.topologySpreadConstraints",
    "backups.pgbackrest.repoHost.securityContext",
    "backups.pgbackrest.repoHost.sidecars",
    "backups.pgbackrest.repoHost.sidecarVolumes",
    "extensions.builtin",
    "extensions.pg_stat_monitor",
    "extensions.pg_stat_statements",
    "extensions.pg_audit",
    "extensions.pgvector",
    "extensions.pg_repack",
    "extensions.pg_cron",
    "extensions.set_user",
];

/// Defaults that the schema writes into blocks which are not supported: path and value as JSON.
const DEFAULTS: &[(&str, &str)] = &[
    ("logcollector.logRotate.schedule", r#""0 0 * * *""#),
    ("patroni.switchover.type", r#""Switchover""#),
    ("pmm.querySource", r#""pgstatstatements""#),
    ("tls.certManagementPolicy", r#""auto""#),
];

/// Blocks that do nothing unless they say `enabled: true`.
const OFF_WHEN_SILENT: &[&str] = &["logcollector", "extensions.pg_tde"];

/// Paths below `spec` that are set and not acted on, each once, in order. Empty when all is acted on.
///
/// A path is as short as it can be: `dataSource` when nothing of it is supported, `instances[].sidecarPVCs`
/// where the rest of an instance set is.
#[must_use]
pub fn unsupported(cluster: &PerconaPGCluster) -> Vec<String> {
    let mut found = BTreeSet::new();
    // The specification consists of strings, numbers, lists and maps with string keys: it always serialises.
    if let Ok(spec) = serde_json::to_value(&cluster.spec) {
        walk(&spec, "", &mut found);
    }
    found.into_iter().map(|path| format!("spec.{path}")).collect()
}

fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if SUPPORTED.contains(&path) {
        return;
    }
    let leads_on = path.is_empty() || SUPPORTED.iter().any(|supported| is_above(path, supported));
    match value {
        Value::Object(_) if !path.is_empty() && path != "backups" && is_off(value, path) => {}
        Value::Object(fields) if leads_on => {
            for (name, inner) in fields {
                let inner_path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                walk(inner, &inner_path, found);
            }
        }
        Value::Array(items) if leads_on => {
            let item_path = format!("{path}[]");
            for item in items {
                walk(item, &item_path, found);
            }
        }
        other => {
            if is_set(other, path) {
                found.insert(path.to_owned());
            }
        }
    }
}

/// Whether the supported path lies below this one.
fn is_above(path: &str, supported: &str) -> bool {
    supported
        .strip_prefix(path)
        .is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn is_off(block: &Value, path: &str) -> bool {
    match block.get("enabled") {
        Some(enabled) => enabled == false,
        None => OFF_WHEN_SILENT.contains(&path),
    }
}

/// Whether a value says anything that would not be so without it.
fn is_set(value: &Value, path: &str) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty() && !is_default(value, path),
        Value::Object(_) if is_off(value, path) => false,
        Value::Object(fields) => fields
            .iter()
            .any(|(name, inner)| is_set(inner, &format!("{path}.{name}"))),
        Value::Array(items) => !items.is_empty(),
        other => !is_default(other, path),
    }
}

fn is_default(value: &Value, path: &str) -> bool {
    DEFAULTS.iter().any(|(known, default)| {
        *known == path && serde_json::from_str::<Value>(default).is_ok_and(|default| default == *value)
    })
}

#[cfg(test)]
mod tests;

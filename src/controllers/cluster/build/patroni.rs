//! Patroni's configuration: the local file that every instance shares, and the dynamic document that the agent keeps in
//! Patroni's store. Anyone in the namespace can read the dynamic document, so it holds no secret.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use super::BuildError;
use super::metadata::owned;
use crate::controllers::cluster::names::{
    LABEL_CLUSTER, LABEL_PATRONI, LABEL_ROLE, PGBOUNCER_USER, REPLICATION_USER, paths,
};
use crate::controllers::cluster::validated::{Backups, Standby, ValidatedCluster};
use crate::pgbackrest::configuration::ARCHIVING_DIRECTORY;

/// The only archive command there is. Nothing may follow it: its exit code is what PostgreSQL believes.
pub const ARCHIVE_COMMAND: &str = r#"pgbackrest --stanza=db archive-push "%p""#;
const RESTORE_COMMAND: &str = r#"pgbackrest --stanza=db archive-get %f "%p""#;
/// Name of our way to make a standby's first instance.
const REPOSITORY_METHOD: &str = "pgbackrest";
/// Backups are off by the user's wish: archiving stays on, so that turning them on needs no restart.
const DISCARD_WAL: &str = "true";

/// The dynamic document: the user's, with what must be so over it and what should be so under it.
pub fn dynamic_configuration(cluster: &ValidatedCluster) -> Value {
    let mut document = cluster.patroni.dynamic.as_object().cloned().unwrap_or_default();
    document.insert("ttl".to_owned(), json!(cluster.patroni.ttl));
    document.insert("loop_wait".to_owned(), json!(cluster.patroni.loop_wait));
    let mut postgresql = document.remove("postgresql").and_then(object).unwrap_or_default();
    postgresql.entry("use_pg_rewind").or_insert(json!(true));
    postgresql.entry("use_slots").or_insert(json!(false));
    let user = postgresql
        .remove("parameters")
        .and_then(object)
        .unwrap_or_default();
    postgresql.insert("parameters".to_owned(), Value::Object(parameters(cluster, user)));
    let user_hba = postgresql.remove("pg_hba");
    postgresql.insert("pg_hba".to_owned(), json!(host_rules(cluster, user_hba.as_ref())));
    document.insert("postgresql".to_owned(), Value::Object(postgresql));
    if let Some(standby) = &cluster.standby {
        document.insert("standby_cluster".to_owned(), followed(standby));
    }
    Value::Object(document)
}

/// What the leader of a standby follows. The other instances follow the leader.
fn followed(standby: &Standby) -> Value {
    let mut section = Map::new();
    let mut methods = Vec::new();
    if let Some(key) = standby.repository {
        let command = format!(r#"pgbackrest --stanza=db --repo={key} archive-get %f "%p""#);
        section.insert("restore_command".to_owned(), json!(command));
        methods.push(REPOSITORY_METHOD);
    }
    if let Some((host, port)) = &standby.host {
        section.insert("host".to_owned(), json!(host));
        section.insert("port".to_owned(), json!(port));
        methods.push("basebackup");
    }
    section.insert("create_replica_methods".to_owned(), json!(methods));
    Value::Object(section)
}

/// How a standby gets its first data from a repository. What an earlier try has brought is used.
fn from_repository(key: u8, data: &str, wal: &str) -> Value {
    let restore =
        format!("pgbackrest --stanza=db --repo={key} --delta --type=standby --link-map=pg_wal={wal} restore");
    json!({
        "command": format!("sh -c 'install -d -m 0700 {data} && exec {restore}'"),
        "keep_data": true,
        "no_leader": true,
        "no_params": true,
    })
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

fn parameters(cluster: &ValidatedCluster, user: Map<String, Value>) -> Map<String, Value> {
    let mut all = object(json!({
        "archive_timeout": "60s",
        "huge_pages": "off",
        "jit": "off",
        "password_encryption": "scram-sha-256",
        "wal_level": "logical",
    }))
    .unwrap_or_default();
    if cluster.patroni.track_commit_timestamp {
        all.insert("track_commit_timestamp".to_owned(), json!("true"));
    }
    if cluster.backups.is_some() {
        all.insert("restore_command".to_owned(), json!(RESTORE_COMMAND));
    }
    let user_preload = user
        .get("shared_preload_libraries")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    all.extend(user);
    let archive_command = cluster
        .backups
        .as_ref()
        .map_or_else(|| DISCARD_WAL.to_owned(), archive_command);
    let mandatory = json!({
        "archive_mode": "on",
        "archive_command": archive_command,
        "ssl": "on",
        "ssl_cert_file": format!("{}/tls.crt", paths::TLS),
        "ssl_key_file": format!("{}/tls.key", paths::TLS),
        "ssl_ca_file": format!("{}/ca.crt", paths::TLS),
        "unix_socket_directories": paths::SOCKETS,
    });
    all.extend(object(mandatory).unwrap_or_default());
    let mut preload: Vec<&str> = user_preload
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    for name in &cluster.extensions.preload {
        if !preload.contains(&name.as_str()) {
            preload.push(name);
        }
    }
    if !preload.is_empty() {
        all.insert("shared_preload_libraries".to_owned(), json!(preload.join(",")));
    }
    all
}

/// Who may connect: ours first, then the user's rules, then TLS with a password when the user wrote none; the last line
/// refuses whatever came without TLS and was not allowed by name.
fn host_rules(cluster: &ValidatedCluster, user: Option<&Value>) -> Vec<String> {
    let mut rules = vec![
        "local all \"postgres\" peer".to_owned(),
        format!("hostssl replication \"{REPLICATION_USER}\" all cert"),
        format!("hostssl \"postgres\" \"{REPLICATION_USER}\" all cert"),
        format!("host all \"{REPLICATION_USER}\" all reject"),
        format!("host replication \"{REPLICATION_USER}\" all reject"),
    ];
    if cluster.pooler.is_some() {
        rules.push(format!("hostssl all \"{PGBOUNCER_USER}\" all scram-sha-256"));
    }
    rules.push(format!("host all \"{PGBOUNCER_USER}\" all reject"));
    let ours = rules.len();
    rules.extend(cluster.hba.iter().cloned());
    if let Some(Value::Array(lines)) = user {
        rules.extend(lines.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    if rules.len() == ours {
        rules.push("hostssl all all all scram-sha-256".to_owned());
    }
    rules.push("hostnossl all all all reject".to_owned());
    rules
}

/// `ConfigMap` with the local file. What differs between instances comes from their environment.
pub fn config_map(cluster: &ValidatedCluster, dynamic: &Value) -> Result<ConfigMap, BuildError> {
    let mut data = BTreeMap::new();
    for set in &cluster.sets {
        let own_wal = set.wal_claim.is_some();
        let text =
            serde_saphyr::to_string(&local_configuration(cluster, dynamic, own_wal)).map_err(|error| {
                BuildError::Render {
                    what: "patroni.yaml",
                    message: error.to_string(),
                }
            })?;
        let text = format!("# Written by Holdfast. Changes made here are lost.\n{text}");
        data.insert(local_key(own_wal).to_owned(), text);
    }
    Ok(ConfigMap {
        metadata: owned(cluster, cluster.names.config(), "pg"),
        data: Some(data),
        ..ConfigMap::default()
    })
}

/// Key of the local file in the `ConfigMap`, by whether WAL has a claim of its own: initdb and basebackup need its path.
pub fn local_key(own_wal: bool) -> &'static str {
    if own_wal {
        "patroni-wal.yaml"
    } else {
        "patroni.yaml"
    }
}

fn bootstrap(cluster: &ValidatedCluster, dynamic: &Value, wal: &str) -> Value {
    if cluster.patroni.has_source {
        // Whatever was forgotten or lost: an empty database is not what was asked for.
        return json!({ "dcs": dynamic, "method": "never", "never": { "command": "false", "no_params": true } });
    }
    json!({ "dcs": dynamic, "initdb": ["data-checksums", { "encoding": "UTF8" }, { "waldir": wal }] })
}

fn local_configuration(cluster: &ValidatedCluster, dynamic: &Value, own_wal: bool) -> Value {
    let names = &cluster.names;
    let version = cluster.postgres_version;
    let tls = |file: &str| format!("{}/{file}", paths::TLS);
    let replication = json!({
        "username": REPLICATION_USER,
        "sslmode": "verify-ca",
        "sslcert": tls("replication/tls.crt"),
        "sslkey": tls("replication/tls.key"),
        "sslrootcert": tls("replication/ca.crt"),
    });
    let wal = paths::wal_directory(version, own_wal);
    let mut document = json!({
        "scope": names.ha(),
        "kubernetes": {
            "namespace": names.namespace,
            "use_endpoints": true,
            "labels": { LABEL_CLUSTER: names.cluster },
            "scope_label": LABEL_PATRONI,
            "role_label": LABEL_ROLE,
            "leader_label_value": "primary",
            "follower_label_value": "replica",
            "standby_leader_label_value": "primary",
            "ports": [{ "name": "postgres", "port": cluster.port, "protocol": "TCP" }],
        },
        "bootstrap": bootstrap(cluster, dynamic, &wal),
        "postgresql": {
            "listen": format!("*:{}", cluster.port),
            "data_dir": paths::data_directory(version),
            "pgpass": "/tmp/.pgpass",
            "use_unix_socket": true,
            "parameters": { "unix_socket_directories": paths::SOCKETS },
            "authentication": {
                "superuser": { "username": "postgres" },
                "replication": replication,
                "rewind": replication,
            },
            "create_replica_methods": ["basebackup"],
            "basebackup": [{ "waldir": wal }, { "checkpoint": "fast" }],
        },
        "restapi": {
            "listen": format!("*:{}", cluster.patroni.port),
            "certfile": tls("tls.crt"),
            "keyfile": tls("tls.key"),
            "cafile": tls("ca.crt"),
            "verify_client": "optional",
        },
        "ctl": { "cacert": tls("ca.crt"), "certfile": tls("tls.crt"), "keyfile": tls("tls.key") },
        "watchdog": { "mode": "off" },
    });
    let followed = cluster.standby.as_ref().and_then(|standby| standby.repository);
    let postgresql = document.get_mut("postgresql").and_then(Value::as_object_mut);
    if let (Some(key), Some(postgresql)) = (followed, postgresql) {
        let method = from_repository(key, &paths::data_directory(version), &wal);
        postgresql.insert(REPOSITORY_METHOD.to_owned(), method);
    }
    document
}

/// Sends WAL to every repository but those that the user keeps it from. A repository exists for pgBackRest as soon as one of its
/// options is set, also by a variable.
fn archive_command(backups: &Backups) -> String {
    let suspended: Vec<String> = backups.suspended().map(|repo| repo.key.to_string()).collect();
    if suspended.is_empty() {
        return ARCHIVE_COMMAND.to_owned();
    }
    let keys = suspended.join("|");
    // Without that directory, which the agents keep, pgBackRest fails and PostgreSQL keeps the segment.
    format!(
        r#"unset $(env | grep -oE "^PGBACKREST_REPO({keys})_[A-Z0-9_]+"); pgbackrest --config-path={ARCHIVING_DIRECTORY} --stanza=db archive-push "%p""#
    )
}

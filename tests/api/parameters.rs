//! `spec.config.parameters`: those that the operator decides are refused.

use serde_json::json;

use crate::objects::{cluster, with};
use crate::server::Server;

#[tokio::test]
async fn parameters_that_the_operator_decides_are_refused() {
    let server = Server::for_test("cluster-parameters").await;
    for (parameter, message) in [
        (
            "data_directory",
            "cannot change PGDATA path: config_file, data_directory",
        ),
        (
            "config_file",
            "cannot change PGDATA path: config_file, data_directory",
        ),
        ("external_pid_file", "cannot change external_pid_file"),
        (
            "hba_file",
            "cannot change authentication path: hba_file, ident_file",
        ),
        (
            "listen_addresses",
            "network connectivity is always enabled: listen_addresses",
        ),
        ("port", "change port using .spec.port instead"),
        ("ssl_ca_file", "TLS is always enabled"),
        ("unix_socket_group", "domain socket paths cannot be changed"),
        ("wal_level", "wal_level must be \"replica\" or higher"),
        ("wal_log_hints", "wal_log_hints are always enabled"),
        (
            "archive_command",
            "archiving is configured by the operator: archive_mode, archive_command, restore_command",
        ),
        (
            "recovery_target_time",
            "recovery targets belong in a PerconaPGRestore: recovery_target, recovery_target_*",
        ),
        ("hot_standby", "hot_standby is always enabled"),
        (
            "synchronous_standby_names",
            "synchronous_standby_names is decided by Patroni: use synchronous_mode",
        ),
        (
            "primary_conninfo",
            "replication connections are decided by Patroni: primary_conninfo, primary_slot_name",
        ),
        (
            "recovery_min_apply_delay",
            "delayed replication is not supported at this time",
        ),
        (
            "cluster_name",
            "cluster_name is derived from the PostgresCluster name",
        ),
        ("logging_collector", "disabling logging_collector is unsafe"),
        ("log_file_mode", "log_file_mode cannot be changed"),
    ] {
        let patch = json!({ "spec": { "config": { "parameters": { parameter: "x" } } } });
        let refusal = server.offer(&with(cluster(), &patch)).await.expect_err(parameter);
        assert!(
            refusal.says("spec.config.parameters", message),
            "{parameter}: {refusal:?}"
        );
    }
    let fine = json!({ "spec": { "config": { "parameters": { "work_mem": "4MB", "max_wal_senders": 12, "ssl_ecdh_curve": "x", "wal_level": "logical" } } } });
    server.offer(&with(cluster(), &fine)).await.unwrap();
    server.done().await;
}

//! `PerconaPGCluster`: what is refused, and with which words.

use holdfast::api::PerconaPGCluster;
use serde_json::{Value, json};

use crate::objects::{claim, cluster, instance, s3, with};
use crate::server::Server;

#[expect(clippy::needless_pass_by_value, reason = "called with json! literals")]
fn spec(spec: Value) -> Value {
    json!({ "spec": spec })
}

#[expect(clippy::needless_pass_by_value, reason = "called with json! literals")]
fn repos(repos: Value) -> Value {
    spec(json!({ "backups": { "pgbackrest": { "repos": repos } } }))
}

#[tokio::test]
async fn repositories_that_cannot_be_are_refused_with_the_reason() {
    let server = Server::for_test("cluster-repos").await;
    let none = "At least one repository must be configured when backups are enabled";
    let one = "a repository has exactly one store: one of volume, s3, gcs and azure";
    let at = "spec.backups.pgbackrest.repos";
    let two_stores = with(s3("repo1"), &json!({ "gcs": { "bucket": "g" } }));
    let suspended =
        "archiving cannot be suspended to every repository: WAL would be nowhere but on the primary's volume";
    let without_wal = |name| with(s3(name), &json!({ "suspendArchiving": true }));
    let cases: Vec<(Value, String, &str)> = vec![
        (repos(json!([])), "spec.backups".into(), none),
        (
            repos(json!([without_wal("repo1"), without_wal("repo2")])),
            "spec.backups".into(),
            suspended,
        ),
        (
            spec(json!({ "backups": { "pgbackrest": null } })),
            "spec.backups".into(),
            none,
        ),
        (repos(json!([{ "name": "repo1" }])), format!("{at}[0]"), one),
        (repos(json!([two_stores])), format!("{at}[0]"), one),
        (
            repos(json!([s3("repo1"), s3("repo1")])),
            format!("{at}[1]"),
            "Duplicate value",
        ),
        (
            repos(json!([s3("repo9")])),
            format!("{at}[0].name"),
            "should match '^repo[1-4]$'",
        ),
        (
            repos(json!([{ "name": "repo1", "s3": { "bucket": "b", "region": "eu" } }])),
            format!("{at}[0].s3.endpoint"),
            "Required value",
        ),
    ];
    for (patch, field, message) in cases {
        let refusal = server
            .offer(&with(cluster(), &patch))
            .await
            .expect_err(&patch.to_string());
        assert!(refusal.says(&field, message), "{patch}: {refusal:?}");
    }
    server.done().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn specifications_that_contradict_themselves_are_refused_with_the_reason() {
    let server = Server::for_test("cluster-rules").await;
    let from_cluster = json!({ "repoName": "repo1", "clusterName": "d" });
    let from_repository = json!({ "stanza": "db", "repo": s3("repo1") });
    let replica = json!({ "name": "copy", "dataVolumeClaimSpec": claim() });
    let cases: Vec<(Value, &str, &str)> = vec![
        (
            spec(json!({ "postgresVersion": 11 })),
            "spec.postgresVersion",
            "should be greater than or equal to 12",
        ),
        (
            spec(json!({ "postgresVersion": null })),
            "spec.postgresVersion",
            "Required value",
        ),
        (
            spec(json!({ "crVersion": "three" })),
            "spec.crVersion",
            "CRVersion must be a valid semantic version",
        ),
        (
            spec(json!({ "port": 80 })),
            "spec.port",
            "should be greater than or equal to 1024",
        ),
        (
            spec(json!({ "instances": [] })),
            "spec.instances",
            "should have at least 1 items",
        ),
        (
            spec(json!({ "instances": [instance("a"), instance("a")] })),
            "spec.instances[1]",
            "Duplicate value",
        ),
        (
            spec(json!({ "dataSource": { "postgresCluster": from_cluster, "pgbackrest": from_repository } })),
            "spec.dataSource",
            "a cluster has one source at most: one of postgresCluster, pgbackrest and volumes",
        ),
        (
            spec(
                json!({ "dataSource": { "postgresCluster": with(from_cluster.clone(), &json!({ "options": ["--target=x"] })) } }),
            ),
            "spec.dataSource.postgresCluster.options",
            "--target and --type=time, lsn, xid or name come together",
        ),
        (
            spec(
                json!({ "dataSource": { "pgbackrest": with(from_repository.clone(), &json!({ "options": ["--repo=1"] })) } }),
            ),
            "spec.dataSource.pgbackrest.options",
            "--repo, --stanza, --pg…, --target-action and --link-map are set by the operator",
        ),
        (
            spec(json!({ "standby": { "enabled": true } })),
            "spec.standby",
            "a standby follows something: set host, repoName, or both",
        ),
        (
            spec(json!({ "expose": { "nodePort": 30000 } })),
            "spec.expose",
            "nodePort needs type NodePort or LoadBalancer",
        ),
        (
            spec(
                json!({ "postgresVersion": 14, "users": [{ "name": "u", "grantPublicSchemaAccess": true }] }),
            ),
            "spec",
            "PostgresVersion must be >= 15 if grantPublicSchemaAccess exists and is true",
        ),
        (
            spec(json!({ "users": [{ "name": "u", "options": "SUPERUSER; DROP TABLE t" }] })),
            "spec.users[0].options",
            "should match '^[^;]*$'",
        ),
        (
            spec(json!({ "users": [{ "name": "u", "databases": ["d", "d"] }] })),
            "spec.users[0].databases[1]",
            "Duplicate value",
        ),
        (
            spec(json!({ "postgresVersion": 16, "logicalReplicas": [replica] })),
            "spec",
            "spec.logicalReplicas requires spec.postgresVersion >= 17",
        ),
        (
            spec(json!({ "backups": { "enabled": false }, "logicalReplicas": [replica] })),
            "spec",
            "spec.logicalReplicas[].bootstrapMethod must be 'pg_basebackup' when spec.backups.enabled is false",
        ),
        (
            spec(json!({ "logicalReplicas": [with(replica.clone(), &json!({ "name": "one" }))] })),
            "spec.logicalReplicas[0].name",
            "",
        ),
        (
            spec(
                json!({ "postgresVersion": 15, "extensions": { "pg_tde": { "enabled": true, "vault": vault() } } }),
            ),
            "spec",
            "pg_tde is only supported for PG16 and above",
        ),
        (
            spec(json!({ "extensions": { "pg_tde": { "enabled": true } } })),
            "spec.extensions.pg_tde",
            "vault is required for enabling pg_tde",
        ),
        (
            spec(json!({ "extensions": { "pg_tde": { "walEncryption": true } } })),
            "spec.extensions.pg_tde",
            "pg_tde must be enabled to enable WAL encryption",
        ),
        (
            spec(
                json!({ "extensions": { "pg_stat_monitor": { "enabled": true }, "pg_stat_statements": { "enabled": true } } }),
            ),
            "spec.extensions",
            "pg_stat_monitor and pg_stat_statements measure the same thing: enable one of them",
        ),
    ];
    for (patch, field, message) in cases {
        let (field, message) = if message.is_empty() {
            (
                "spec",
                "spec.logicalReplicas[].name must differ from every name of spec.instances",
            )
        } else {
            (field, message)
        };
        let refusal = server
            .offer(&with(cluster(), &patch))
            .await
            .expect_err(&patch.to_string());
        assert!(refusal.says(field, message), "{patch}: {refusal:?}");
    }
    server.done().await;
}

fn vault() -> Value {
    json!({ "host": "https://v", "tokenSecret": { "name": "s", "key": "k" } })
}

#[tokio::test]
async fn names_that_would_break_what_is_named_after_them_are_refused() {
    let server = Server::for_test("cluster-names").await;
    let named = |name: &str, set: &str| {
        with(
            cluster(),
            &json!({ "metadata": { "name": name }, "spec": { "instances": [instance(set)] } }),
        )
    };
    let form = "a cluster's name has lower-case letters, digits and '-', starts with a letter";
    let length = "the cluster's name and the name of an instance set may have 46 characters together";
    for (name, set, message) in [
        ("1c", "one", form),
        ("a.b", "one", form),
        (&*"c".repeat(44), "one", length),
        (&*"c".repeat(45), "", length),
    ] {
        let refusal = server.offer(&named(name, set)).await.expect_err(name);
        assert!(
            refusal.causes.iter().any(|(_, said)| said.contains(message)),
            "{name}: {refusal:?}"
        );
    }
    server.offer(&named(&"c".repeat(43), "one")).await.unwrap();
    server.offer(&named(&"c".repeat(44), "")).await.unwrap();
    server.done().await;
}

#[tokio::test]
async fn encryption_is_switched_off_before_its_keys_are_removed() {
    let server = Server::for_test("cluster-tde").await;
    let encrypted = with(
        cluster(),
        &spec(json!({ "extensions": { "pg_tde": { "enabled": true, "vault": vault() } } })),
    );
    server.create(&encrypted).await.unwrap();
    let change = spec(json!({ "extensions": { "pg_tde": { "enabled": false, "vault": null } } }));
    let refusal = server.offer_change(&encrypted, &change).await.unwrap_err();
    let message =
        "to disable pg_tde first set enabled=false without removing vault and wait for pod restarts";
    assert!(refusal.says("spec.extensions", message), "{refusal:?}");
    server
        .offer_change(
            &encrypted,
            &spec(json!({ "extensions": { "pg_tde": { "enabled": false } } })),
        )
        .await
        .unwrap();
    server.done().await;
}

#[tokio::test]
async fn defaults_are_filled_in_and_absent_stays_apart_from_empty() {
    let server = Server::for_test("cluster-defaults").await;
    let patch = spec(json!({
        "patroni": { "switchover": {} }, "proxy": { "pgBouncer": {} }, "expose": {}, "users": [],
        "dataSource": null, "standby": {}, "imagePullSecrets": [{}],
        "instances": [{ "dataVolumeClaimSpec": claim() }],
    }));
    let stored = server.offer(&with(cluster(), &patch)).await.unwrap();
    let read: PerconaPGCluster = serde_json::from_value(stored).unwrap();
    let spec = read.spec;
    assert_eq!(spec.port, 5432);
    let patroni = spec.patroni.unwrap();
    assert_eq!(
        (
            patroni.port,
            patroni.leader_lease_duration_seconds,
            patroni.sync_period_seconds
        ),
        (8008, 30, 10)
    );
    assert!(!patroni.switchover.unwrap().enabled);
    let pgbouncer = spec.proxy.unwrap().pg_bouncer;
    assert_eq!((pgbouncer.replicas, pgbouncer.port), (1, 5432));
    assert_eq!(spec.expose.unwrap().type_, "ClusterIP");
    assert_eq!(
        (spec.instances[0].name.as_str(), spec.instances[0].replicas),
        ("", 1)
    );
    assert_eq!((spec.users, spec.tls), (Some(Vec::new()), None));

    let absent: PerconaPGCluster = serde_json::from_value(server.offer(&cluster()).await.unwrap()).unwrap();
    assert_eq!(
        (absent.spec.users, absent.spec.proxy, absent.spec.backups.enabled),
        (None, None, None)
    );
    server.done().await;
}

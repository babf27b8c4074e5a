//! What applications meet: a connection through the pooler, and a primary that is replaced when it dies.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::harness::{Cluster, Request, Scenario, image, minutes};

#[tokio::test]
async fn when_the_primary_dies_a_replica_takes_over_applications_go_on_and_backups_too() {
    Scenario::alone("failover", async |scenario| {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.instances = 2;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(6)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        assert_eq!(
            query(
                scenario,
                "before",
                "create table t as select 1 as one; select one from t"
            )
            .await,
            "1"
        );

        cluster.fail_over(scenario).await;
        assert_eq!(
            query(
                scenario,
                "after",
                "insert into t values (2); select count(*) from t"
            )
            .await,
            "2"
        );

        Request::new(&cluster, "after-failover", &[])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("after-failover", minutes(5)).await;
        scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;
    })
    .await;
}

/// What an application does: reads its Secret, connects over verified TLS through the pooler, asks.
async fn query(scenario: &Scenario, name: &str, sql: &str) -> String {
    let from = |key: &str| json!({ "secretKeyRef": { "name": "app-pguser-app", "key": key } });
    let pod: Pod = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "e2e": "witness" } },
        "spec": {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": false,
            "securityContext": { "runAsNonRoot": true, "runAsUser": 26, "fsGroup": 26, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "psql", "image": image(),
                "command": ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-c", sql],
                "env": [
                    { "name": "PGHOST", "valueFrom": from("pgbouncer-host") },
                    { "name": "PGPORT", "valueFrom": from("pgbouncer-port") },
                    { "name": "PGUSER", "valueFrom": from("user") },
                    { "name": "PGPASSWORD", "valueFrom": from("password") },
                    { "name": "PGDATABASE", "valueFrom": from("dbname") },
                    { "name": "PGSSLMODE", "value": "verify-full" },
                    { "name": "PGSSLROOTCERT", "value": "/ca/ca.crt" },
                    { "name": "PGCONNECT_TIMEOUT", "value": "10" },
                ],
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                "volumeMounts": [{ "name": "ca", "mountPath": "/ca" }],
            }],
            "volumes": [{ "name": "ca", "secret": { "secretName": "app-cluster-cert", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } }],
        },
    }))
    .unwrap();
    scenario.apply(&pod).await;
    scenario
        .until(name, "done", minutes(2), |pod: &Pod| {
            pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Succeeded")
        })
        .await;
    let answer = scenario
        .api::<Pod>()
        .logs(name, &kube::api::LogParams::default())
        .await
        .unwrap();
    answer.trim().to_owned()
}

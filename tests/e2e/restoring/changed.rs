//! What has changed since the backup, or changes while it is restored, is not in the way of a restore.

use holdfast::api::PerconaPGRestore;
use holdfast::api::backup::JobState;
use kube::ResourceExt;
use serde_json::json;

use super::ledger::Ledger;
use crate::harness::{Request, Scenario, condition, kubectl_exec, minutes, restore_status};

#[tokio::test]
async fn a_cluster_that_has_changed_since_its_backup_is_restored_as_it_is_now() {
    Scenario::alone_within(minutes(20), "changed", async |scenario| {
        let mut ledger = Ledger::begun(scenario).await;
        // Settings that a standby must not have less of than the primary had.
        let settings = json!({ "max_connections": 140, "max_worker_processes": 24, "max_wal_senders": 20,
            "max_prepared_transactions": 30, "max_locks_per_transaction": 128 });
        set(&ledger, &settings).await;
        sets(&ledger, "140").await;
        Request::new(&ledger.cluster, "large", &["--type=full"])
            .create(scenario)
            .await;
        scenario.succeeded("large", minutes(4)).await;
        let first = ledger.commit(1).await;
        ledger.commit(2).await;
        let less = json!({ "max_connections": 60, "max_worker_processes": 8, "max_wal_senders": 10,
            "max_prepared_transactions": 0, "max_locks_per_transaction": 64 });
        set(&ledger, &less).await;
        sets(&ledger, "60").await;
        ledger
            .restored("to-larger-days", json!({ "target": { "time": first } }))
            .await;
        assert_eq!(ledger.rows().await, [1]);
        sets(&ledger, "60").await;

        // Who reads the repository is not let in any more: known before anything is stopped.
        let right = ledger.cluster.key_secret.clone();
        ledger.cluster.key_secret = "wrong".to_owned();
        ledger.cluster.create(scenario).await;
        scenario.restore("locked-out", json!({})).await;
        let refused = scenario.restore_ended("locked-out", minutes(3)).await;
        assert_eq!(refused.state, Some(JobState::Failed), "{refused:?}");
        scenario.tell(&refused.error.unwrap());
        let stopped = condition(&refused.conditions, "InstancesStopped");
        assert!(stopped.is_none_or(|said| said.0 != "True"), "{stopped:?}");
        assert_eq!(ledger.rows().await, [1]);
        ledger.cluster.key_secret = right;
        ledger.cluster.create(scenario).await;
        ledger.ready().await;

        // The network goes while WAL is replayed; and the cluster becomes smaller meanwhile.
        scenario.restore("cut-in-replay", json!({})).await;
        let replays = |restore: &PerconaPGRestore| {
            let progress = restore_status(restore).progress;
            progress.is_some_and(|progress| progress.position.is_some() || progress.segment.is_some())
        };
        scenario
            .until("cut-in-replay", "replaying", minutes(4), replays)
            .await;
        scenario.cut(&ledger.pod("cut-in-replay").await).await;
        ledger.cluster.instances = 1;
        ledger.cluster.create(scenario).await;
        ledger.ended("cut-in-replay", JobState::Succeeded).await;
        ledger.ready().await;
        assert_eq!(ledger.rows().await, [1]);
    })
    .await;
}

/// Parameters of PostgreSQL, as the user writes them.
async fn set(ledger: &Ledger<'_>, parameters: &serde_json::Value) {
    let patroni = json!({ "dynamicConfiguration": { "postgresql": { "parameters": parameters } } });
    let change = json!({ "spec": { "patroni": patroni } });
    ledger.cluster.change(ledger.scenario, &change).await;
}

/// Waits until it has so many connections.
async fn sets(ledger: &Ledger<'_>, connections: &str) {
    let waiting = async {
        loop {
            let said = ledger.scenario.sql(&ledger.cluster, "show max_connections").await;
            if said == connections {
                return;
            }
            // Such a parameter needs a restart, which is the user's to choose the time of.
            let command = [
                "patronictl",
                "-c",
                "/etc/patroni/patroni.yaml",
                "restart",
                "--force",
                "app-ha",
            ];
            let primary = ledger.cluster.primary(ledger.scenario).await.name_any();
            let _ = kubectl_exec(&ledger.scenario.namespace, &primary, "database", &command, "").await;
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
    };
    tokio::time::timeout(minutes(3), waiting)
        .await
        .unwrap_or_else(|_| panic!("max_connections is not {connections}"));
    ledger.ready().await;
}

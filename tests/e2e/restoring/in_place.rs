//! Restores in place: what was committed before the target is there and nothing else, all instances follow, and whatever goes wrong
//! leaves the cluster as it was.

use holdfast::api::backup::JobState;
use holdfast::api::cluster::status::ClusterState;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

use super::ledger::Ledger;
use crate::harness::{Request, Scenario, condition, minutes, restore_status, status};

#[tokio::test]
async fn a_cluster_is_restored_in_place_again_and_again_and_a_failed_restore_leaves_it_as_it_was() {
    Scenario::alone_within(minutes(20), "restores", async |scenario| {
        let ledger = Ledger::begun(scenario).await;
        let cluster = &ledger.cluster;
        let first = ledger.commit(1).await;
        let second = ledger.commit(2).await;
        scenario
            .sql(cluster, "select pg_create_restore_point('behind two')")
            .await;
        ledger.commit(3).await;

        let restored = ledger
            .restored("to-the-first", json!({ "target": { "time": first } }))
            .await;
        assert_eq!(ledger.rows().await, [1]);
        let reached = restored.restored.unwrap();
        assert!(
            reached.discarded.is_some() && reached.total_seconds.is_some(),
            "{reached:?}"
        );
        ledger.nothing_is_left_over().await;

        // What is backed up and written on the new timeline can be left again for what was before the first restore.
        Request::new(cluster, "between", &["--type=incr"])
            .create(scenario)
            .await;
        scenario.succeeded("between", minutes(4)).await;
        let fourth = ledger.commit(4).await;
        ledger.commit(5).await;
        ledger
            .restored(
                "to-the-second",
                json!({ "options": ["--type=time", format!("--target=\"{second}\"")] }),
            )
            .await;
        assert_eq!(ledger.rows().await, [1, 2]);
        ledger
            .restored("to-the-fourth", json!({ "target": { "time": fourth } }))
            .await;
        assert_eq!(ledger.rows().await, [1, 4]);

        // Nobody knows before all is replayed that there is no such point.
        let missed = json!({ "target": { "name": "never made" } });
        let failed = ledger.ends("nowhere", missed, JobState::Failed).await;
        let said = condition(&failed.conditions, "Complete").unwrap();
        assert_eq!((said.0, said.1), ("False", "TargetNotReached"));
        scenario.tell(&failed.error.unwrap());
        ledger.ready().await;
        assert_eq!(ledger.rows().await, [1, 4]);

        // One that is deleted at any moment leaves the cluster on its data.
        for (name, reached) in [("stopped", "InstancesStopped"), ("half-way", "PreflightPassed")] {
            scenario.restore(name, json!({})).await;
            scenario
                .until(name, reached, minutes(2), |restore: &PerconaPGRestore| {
                    condition(&restore_status(restore).conditions, reached)
                        .is_some_and(|said| said.0 == "True")
                })
                .await;
            let api = scenario.api::<PerconaPGRestore>();
            api.delete(name, &DeleteParams::default()).await.unwrap();
            scenario.gone::<PerconaPGRestore>(name, minutes(4)).await;
            ledger.ready().await;
            assert_eq!(ledger.rows().await, [1, 4]);
        }

        // Two at once: one after the other.
        scenario
            .restore("one", json!({ "target": { "time": fourth } }))
            .await;
        scenario.restore("two", json!({})).await;
        ledger.ended("one", JobState::Succeeded).await;
        ledger.ended("two", JobState::Succeeded).await;
        assert_eq!(ledger.rows().await, [1, 4]);
        ledger.nothing_is_left_over().await;
    })
    .await;
}

#[tokio::test]
async fn what_befalls_a_restore_is_survived_or_leaves_the_cluster_as_it_was() {
    Scenario::alone_within(minutes(20), "mishaps", async |scenario| {
        let ledger = Ledger::begun(scenario).await;
        let cluster = &ledger.cluster;
        scenario.fill(cluster).await;
        let first = ledger.commit(1).await;
        ledger.commit(2).await;

        // A backup that runs is waited for, and one that comes meanwhile waits.
        let full = Request::new(cluster, "full", &["--type=full"]);
        full.create(scenario).await;
        scenario.running("full", minutes(1)).await;
        scenario.restore("behind-a-backup", json!({})).await;
        ledger
            .says("behind-a-backup", "InstancesStopped", ("False", "RepositoryBusy"))
            .await;
        let full = scenario.succeeded("full", minutes(4)).await;
        ledger.copies("behind-a-backup").await;
        Request::new(cluster, "meanwhile", &["--type=incr"])
            .create(scenario)
            .await;
        let waits = |backup: &PerconaPGBackup| {
            condition(&status(backup).conditions, "BackupLeaseAcquired")
                .is_some_and(|said| said.1 == "RestoreUnderWay")
        };
        scenario
            .until("meanwhile", "waiting for the restore", minutes(1), waits)
            .await;
        // Its Pod is taken away, and the network of the next one's.
        let pods = scenario.api::<Pod>();
        let pod = ledger.pod("behind-a-backup").await;
        pods.delete(&pod, &DeleteParams::default()).await.unwrap();
        scenario.tell("its Pod is deleted");
        ledger.ended("behind-a-backup", JobState::Succeeded).await;
        ledger.ready().await;
        scenario.succeeded("meanwhile", minutes(4)).await;
        assert_eq!(ledger.rows().await, [1, 2]);

        scenario.restore("cut-off", json!({})).await;
        ledger.copies("cut-off").await;
        scenario.cut(&ledger.pod("cut-off").await).await;
        ledger.ended("cut-off", JobState::Succeeded).await;
        assert_eq!(ledger.rows().await, [1, 2]);

        // A newer one takes the place of one that is at work; then it is undone.
        scenario.restore("older", json!({})).await;
        ledger.copies("older").await;
        scenario
            .restore("newer", json!({ "supersede": true, "target": { "time": first } }))
            .await;
        let older = ledger.ended("older", JobState::Failed).await;
        assert_eq!(condition(&older.conditions, "Complete").unwrap().1, "Superseded");
        ledger.ended("newer", JobState::Succeeded).await;
        ledger.ready().await;
        assert_eq!(ledger.rows().await, [1]);
        ledger
            .restored("undone", json!({ "target": { "previous": true } }))
            .await;
        assert_eq!(ledger.rows().await, [1, 2]);

        // A backup that has lost a file is found out, and nothing is lost by it.
        let label = status(&full).backup_name.unwrap();
        let lost = cluster.take_away(scenario, &format!("backup/db/{label}/bundle"), "");
        let damaged = json!({ "options": [format!("--set={label}")] });
        let failed = ledger.ends("damaged", damaged, JobState::Failed).await;
        scenario.tell(&failed.error.unwrap());
        ledger.ready().await;
        assert_eq!(ledger.rows().await, [1, 2]);
        lost.put_back();

        // A paused cluster is restored and stays paused; there is no way back by the user's wish.
        cluster.pause(scenario, true).await;
        let paused = |cluster: &PerconaPGCluster| {
            cluster
                .status
                .as_ref()
                .is_some_and(|status| status.state == Some(ClusterState::Paused))
        };
        scenario.until("app", "paused", minutes(3), paused).await;
        let spec = json!({ "previousData": "Discard", "target": { "time": first } });
        ledger.ends("while-paused", spec, JobState::Succeeded).await;
        scenario.until("app", "still paused", minutes(1), paused).await;
        cluster.pause(scenario, false).await;
        ledger.ready().await;
        assert_eq!(ledger.rows().await, [1]);
    })
    .await;
}

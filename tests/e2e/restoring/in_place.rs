//! Restores in place: what was committed before the target is there and nothing else, all instances follow, and whatever goes wrong
//! leaves the cluster as it was.

use std::time::Duration;

use holdfast::api::backup::JobState;
use holdfast::api::cluster::status::ClusterState;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::harness::{
    Cluster, Request, Scenario, condition, kubectl_exec, minutes, restore_status, seconds, status,
};

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

/// What was committed, and what is there.
struct Ledger<'a> {
    scenario: &'a Scenario,
    cluster: Cluster,
}

impl<'a> Ledger<'a> {
    /// Of a new cluster of two instances that has its first backup.
    async fn begun(scenario: &'a Scenario) -> Self {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.instances = 2;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        scenario.sql(&cluster, "create table written (n int)").await;
        Self { scenario, cluster }
    }

    /// Commits a row in a segment of its own, waits until that is archived, and gives the moment behind it.
    async fn commit(&self, row: i32) -> String {
        let insert = format!("insert into written values ({row})");
        let segment = self.cluster.segment_with(self.scenario, &insert).await;
        let now = self.scenario.sql(&self.cluster, "select clock_timestamp()").await;
        // Something has to follow for a time behind it to be reached.
        let after = "create table if not exists after (); drop table after";
        let next = self.cluster.segment_with(self.scenario, after).await;
        self.cluster.archived(self.scenario, &segment).await;
        self.cluster.archived(self.scenario, &next).await;
        now
    }

    async fn rows(&self) -> Vec<i32> {
        let said = self
            .scenario
            .sql(&self.cluster, "select n from written order by n")
            .await;
        said.lines().map(|line| line.parse().unwrap()).collect()
    }

    async fn ends(&self, name: &str, spec: Value, state: JobState) -> PerconaPGRestoreStatus {
        self.scenario.restore(name, spec).await;
        self.ended(name, state).await
    }

    async fn ended(&self, name: &str, state: JobState) -> PerconaPGRestoreStatus {
        let status = self.scenario.restore_ended(name, minutes(8)).await;
        assert_eq!(status.state, Some(state), "{name}: {:?}", status.error);
        self.scenario.tell(&format!("{name}: {:?}", status.restored));
        status
    }

    /// Waits until its Job copies the backup.
    async fn copies(&self, name: &str) {
        let copies = |restore: &PerconaPGRestore| {
            restore_status(restore)
                .progress
                .is_some_and(|progress| progress.copied.is_some())
        };
        self.scenario.until(name, "copying", minutes(4), copies).await;
    }

    async fn says(&self, name: &str, kind: &str, wanted: (&str, &str)) {
        let what = format!("{kind}={} for {}", wanted.0, wanted.1);
        let holds = |restore: &PerconaPGRestore| {
            condition(&restore_status(restore).conditions, kind)
                .is_some_and(|said| (said.0, said.1) == wanted)
        };
        self.scenario.until(name, &what, minutes(1), holds).await;
    }

    /// The Pod of its Job.
    async fn pod(&self, name: &str) -> String {
        let restore: PerconaPGRestore = self.scenario.api().get(name).await.unwrap();
        let job = restore_status(&restore).job_name.unwrap();
        self.scenario.pod_of(&job, None, minutes(1)).await.name_any()
    }

    /// All of it runs again, and WAL of its timeline is archived: the next restore need not wait for any.
    async fn ready(&self) {
        self.cluster.ready(self.scenario, minutes(3)).await;
        let touch = "create table if not exists after (); drop table after";
        let segment = self.cluster.segment_with(self.scenario, touch).await;
        self.cluster.archived(self.scenario, &segment).await;
    }

    /// Restores, and all instances are there again.
    async fn restored(&self, name: &str, spec: Value) -> PerconaPGRestoreStatus {
        let status = self.ends(name, spec, JobState::Succeeded).await;
        self.ready().await;
        let replicas = "select count(*) from pg_stat_replication where state = 'streaming'";
        assert_eq!(self.scenario.sql(&self.cluster, replicas).await, "1");
        status
    }

    /// The cluster is marked no more, and the volume holds the database and nothing of before.
    async fn nothing_is_left_over(&self) {
        let unmarked = |cluster: &PerconaPGCluster| {
            cluster
                .status
                .as_ref()
                .is_some_and(|status| status.restore.is_none())
        };
        self.scenario
            .until(&self.cluster.name, "not marked", seconds(30), unmarked)
            .await;
        let pod = self.cluster.primary(self.scenario).await.name_any();
        let listed = async || {
            let command = ["ls", "/pgdata"];
            kubectl_exec(&self.scenario.namespace, &pod, "database", &command, "")
                .await
                .unwrap()
        };
        let waiting = async {
            while listed().await.contains("previous") {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(minutes(2), waiting).await.unwrap();
        assert!(!listed().await.contains("failed") && !listed().await.contains("holdfast-restore"));
    }
}

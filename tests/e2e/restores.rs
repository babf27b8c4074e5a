//! Restores in place: what was committed before the target is there and nothing else, all instances follow, and whatever goes wrong
//! leaves the cluster as it was.

use std::time::Duration;

use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::harness::{Cluster, Request, Scenario, condition, kubectl_exec, minutes, seconds};

#[tokio::test]
async fn a_cluster_is_restored_in_place_again_and_again_and_a_failed_restore_leaves_it_as_it_was() {
    Scenario::alone_within(minutes(20), "restores", async |scenario| {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.instances = 2;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        let ledger = Ledger {
            scenario,
            cluster: &cluster,
        };
        scenario.sql(&cluster, "create table written (n int)").await;
        let first = ledger.commit(1).await;
        let second = ledger.commit(2).await;
        scenario
            .sql(&cluster, "select pg_create_restore_point('behind two')")
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
        Request::new(&cluster, "between", &["--type=incr"])
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
        cluster.ready(scenario, minutes(3)).await;
        assert_eq!(ledger.rows().await, [1, 4]);

        // One that is deleted at any moment leaves the cluster on its data.
        for (name, reached) in [("stopped", "InstancesStopped"), ("half-way", "PreflightPassed")] {
            ledger.ask(name, json!({})).await;
            scenario
                .until(name, reached, minutes(2), |restore: &PerconaPGRestore| {
                    let conditions = restore.status.as_ref().map(|status| status.conditions.clone());
                    condition(&conditions.unwrap_or_default(), reached).is_some_and(|said| said.0 == "True")
                })
                .await;
            let api = scenario.api::<PerconaPGRestore>();
            api.delete(name, &DeleteParams::default()).await.unwrap();
            scenario.gone::<PerconaPGRestore>(name, minutes(4)).await;
            cluster.ready(scenario, minutes(3)).await;
            assert_eq!(ledger.rows().await, [1, 4]);
        }

        // Two at once: one after the other.
        ledger.ask("one", json!({ "target": { "time": fourth } })).await;
        ledger.ask("two", json!({})).await;
        ledger.ended("one", JobState::Succeeded).await;
        ledger.ended("two", JobState::Succeeded).await;
        assert_eq!(ledger.rows().await, [1, 4]);
        ledger.nothing_is_left_over().await;
    })
    .await;
}

/// What was committed, and what is there.
struct Ledger<'a> {
    scenario: &'a Scenario,
    cluster: &'a Cluster,
}

impl Ledger<'_> {
    /// Commits a row in a segment of its own, waits until that is archived, and gives the moment behind it.
    async fn commit(&self, row: i32) -> String {
        let insert = format!("insert into written values ({row})");
        let segment = self.cluster.segment_with(self.scenario, &insert).await;
        let now = self.scenario.sql(self.cluster, "select clock_timestamp()").await;
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
            .sql(self.cluster, "select n from written order by n")
            .await;
        said.lines().map(|line| line.parse().unwrap()).collect()
    }

    async fn ask(&self, name: &str, mut spec: Value) {
        spec["pgCluster"] = json!(self.cluster.name);
        let restore: PerconaPGRestore = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGRestore", "metadata": { "name": name }, "spec": spec,
        }))
        .unwrap();
        self.scenario.apply(&restore).await;
    }

    async fn ends(&self, name: &str, spec: Value, state: JobState) -> PerconaPGRestoreStatus {
        self.ask(name, spec).await;
        self.ended(name, state).await
    }

    async fn ended(&self, name: &str, state: JobState) -> PerconaPGRestoreStatus {
        let ended = |restore: &PerconaPGRestore| {
            let state = restore.status.as_ref().and_then(|status| status.state.as_ref());
            state.is_some_and(JobState::is_terminal)
        };
        let restore = self.scenario.until(name, "ended", minutes(8), ended).await;
        let status = restore.status.unwrap();
        assert_eq!(status.state, Some(state), "{name}: {:?}", status.error);
        self.scenario.tell(&format!("{name}: {:?}", status.restored));
        status
    }

    /// Restores, and all instances are there again.
    async fn restored(&self, name: &str, spec: Value) -> PerconaPGRestoreStatus {
        let status = self.ends(name, spec, JobState::Succeeded).await;
        self.cluster.ready(self.scenario, minutes(3)).await;
        let replicas = "select count(*) from pg_stat_replication where state = 'streaming'";
        assert_eq!(self.scenario.sql(self.cluster, replicas).await, "1");
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

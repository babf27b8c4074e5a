//! A cluster whose every row is known, and restores of it.

use std::time::Duration;

use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus};
use kube::ResourceExt;
use serde_json::Value;

use crate::harness::{Cluster, Scenario, condition, kubectl_exec, minutes, restore_status, seconds};

/// What was committed, and what is there.
pub struct Ledger<'a> {
    pub scenario: &'a Scenario,
    pub cluster: Cluster,
}

impl<'a> Ledger<'a> {
    /// Of a new cluster of two instances that has its first backup.
    pub async fn begun(scenario: &'a Scenario) -> Self {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.instances = 2;
        cluster.more_volumes = true;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        let table = "create table written (n int) tablespace fast";
        // Made in the WAL behind the backup, too.
        for statement in [cluster.tablespace(), table] {
            scenario.sql(&cluster, statement).await;
        }
        Self { scenario, cluster }
    }

    /// Commits a row in a segment of its own, waits until that is archived, and gives the moment behind it.
    pub async fn commit(&self, row: i32) -> String {
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

    pub async fn rows(&self) -> Vec<i32> {
        let said = self
            .scenario
            .sql(&self.cluster, "select n from written order by n")
            .await;
        said.lines().map(|line| line.parse().unwrap()).collect()
    }

    pub async fn ends(&self, name: &str, spec: Value, state: JobState) -> PerconaPGRestoreStatus {
        self.scenario.restore(name, spec).await;
        self.ended(name, state).await
    }

    pub async fn ended(&self, name: &str, state: JobState) -> PerconaPGRestoreStatus {
        let status = self.scenario.restore_ended(name, minutes(8)).await;
        assert_eq!(status.state, Some(state), "{name}: {:?}", status.error);
        self.scenario.tell(&format!("{name}: {:?}", status.restored));
        status
    }

    /// Waits until its Job copies the backup.
    pub async fn copies(&self, name: &str) {
        let copies = |restore: &PerconaPGRestore| {
            restore_status(restore)
                .progress
                .is_some_and(|progress| progress.copied.is_some())
        };
        self.scenario.until(name, "copying", minutes(4), copies).await;
    }

    pub async fn says(&self, name: &str, kind: &str, wanted: (&str, &str)) {
        let what = format!("{kind}={} for {}", wanted.0, wanted.1);
        let holds = |restore: &PerconaPGRestore| {
            condition(&restore_status(restore).conditions, kind)
                .is_some_and(|said| (said.0, said.1) == wanted)
        };
        self.scenario.until(name, &what, minutes(1), holds).await;
    }

    /// The Pod of its Job.
    pub async fn pod(&self, name: &str) -> String {
        let restore: PerconaPGRestore = self.scenario.api().get(name).await.unwrap();
        let job = restore_status(&restore).job_name.unwrap();
        self.scenario.pod_of(&job, None, minutes(1)).await.name_any()
    }

    /// All of it runs again, and WAL of its timeline is archived: the next restore need not wait for any.
    pub async fn ready(&self) {
        self.cluster.ready(self.scenario, minutes(3)).await;
        let touch = "create table if not exists after (); drop table after";
        self.cluster.archived_with(self.scenario, touch).await;
    }

    /// Restores, and all instances are there again.
    pub async fn restored(&self, name: &str, spec: Value) -> PerconaPGRestoreStatus {
        let status = self.ends(name, spec, JobState::Succeeded).await;
        self.ready().await;
        let replicas = "select count(*) from pg_stat_replication where state = 'streaming'";
        assert_eq!(self.scenario.sql(&self.cluster, replicas).await, "1");
        status
    }

    /// The cluster is marked no more, and the volume holds the database and nothing of before.
    pub async fn nothing_is_left_over(&self) {
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

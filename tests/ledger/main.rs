//! `make test-ledger`: writers at full speed through PgBouncer, a ledger of what was acknowledged to them and when, and ten restores
//! to moments chosen at random. After each, what was acknowledged before the moment is there, and nothing else but at most
//! the one commit of each writer that was under way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs
)]

#[allow(dead_code, unused_imports)]
#[path = "../e2e/harness/mod.rs"]
mod harness;
mod model;
mod writers;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use harness::{Four, Request, Scenario, minutes};
use model::{Ledger, Moment};
use writers::{Mark, Writers};

/// On S3 and encrypted, on Azure, on GCS.
const REPOSITORIES: [&str; 3] = ["repo1", "repo3", "repo4"];

#[tokio::test]
async fn ten_restores_to_moments_at_random_hold_exactly_what_was_acknowledged_before_them() {
    Scenario::alone_within(minutes(40), "ledger", async |scenario| {
        let mut four = Four::new(scenario);
        four.instances = 2;
        four.apply(&REPOSITORIES).await;
        let pooled = Patch::Merge(json!({ "spec": { "proxy": { "pgBouncer": { "replicas": 1 } } } }));
        let api = scenario.api::<PerconaPGCluster>();
        api.patch("app", &PatchParams::default(), &pooled).await.unwrap();
        four.cluster.ready(scenario, minutes(5)).await;
        for repository in REPOSITORIES {
            scenario
                .succeeded(&format!("app-{repository}-initial"), minutes(6))
                .await;
        }
        let table =
            "\\c app\ncreate table ledger (run int, client int, n bigint); grant all on ledger to app;";
        scenario.sql(&four.cluster, table).await;
        let test = Test {
            scenario,
            four: &four,
        };
        let mut ledger = Ledger::default();
        for round in 0..10 {
            let mark = test.write(&mut ledger, round).await;
            let (spec, moment) = test.target(&ledger, round, &mark).await;
            test.restore(&mut ledger, round, spec, moment).await;
        }
    })
    .await;
}

struct Test<'a> {
    scenario: &'a Scenario,
    four: &'a Four<'a>,
}

impl Test<'_> {
    /// Has the writers write for a while.
    async fn write(&self, ledger: &mut Ledger, round: usize) -> Mark {
        let (mark, acknowledged) = Writers {
            scenario: self.scenario,
            cluster: &self.four.cluster,
        }
        .run(round)
        .await;
        self.scenario.tell(&format!(
            "run {round}: {} commits acknowledged",
            acknowledged.len()
        ));
        ledger.wrote(acknowledged);
        mark
    }

    /// What is asked for, and between which moments of the clock it lies.
    async fn target(&self, ledger: &Ledger, round: usize, mark: &Mark) -> (Value, Moment) {
        let repository = REPOSITORIES[round % 3];
        let at_mark = Moment {
            from: mark.before,
            to: mark.after,
        };
        match round {
            3 => (
                json!({ "repoName": repository, "target": { "lsn": mark.lsn } }),
                at_mark,
            ),
            5 => (
                json!({ "repoName": repository, "target": { "name": mark.name } }),
                at_mark,
            ),
            7 => {
                // Nothing is written meanwhile, so its end is now.
                let name = format!("backup-{round}");
                let request = Request::new(&self.four.cluster, &name, &["--type=incr"]);
                request.into(repository).create(self.scenario).await;
                self.scenario.succeeded(&name, minutes(5)).await;
                let spec = json!({ "repoName": repository, "target": { "immediate": true } });
                (spec, Moment::at(Utc::now()))
            }
            9 => (json!({}), Moment::at(Utc::now())),
            _ => {
                let spans = ledger.spans();
                let (first, last) = spans[rand::random_range(0..spans.len())];
                let reach = (last - first).num_microseconds().unwrap();
                let at = first + TimeDelta::microseconds(rand::random_range(0..reach));
                let spec = json!({ "repoName": repository, "target": { "time": written(at) } });
                (spec, Moment::at(at))
            }
        }
    }

    async fn restore(&self, ledger: &mut Ledger, round: usize, mut spec: Value, moment: Moment) {
        let name = format!("restore-{round}");
        self.scenario.tell(&format!("{name}: {spec}"));
        spec["pgCluster"] = json!("app");
        let restore: PerconaPGRestore = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGRestore", "metadata": { "name": name }, "spec": spec,
        }))
        .unwrap();
        self.scenario.apply(&restore).await;
        let ended = |restore: &PerconaPGRestore| {
            let state = restore.status.as_ref().and_then(|status| status.state.as_ref());
            state.is_some_and(JobState::is_terminal)
        };
        let status = self
            .scenario
            .until(&name, "ended", minutes(8), ended)
            .await
            .status
            .unwrap();
        assert_eq!(status.state, Some(JobState::Succeeded), "{:?}", status.error);
        self.four.cluster.ready(self.scenario, minutes(3)).await;
        let counted = "\\c app\nselect run, client, count(*), min(n), max(n) from ledger group by 1, 2";
        let there = self.scenario.sql(&self.four.cluster, counted).await;
        let commits = ledger.is_right(moment, &there);
        self.scenario
            .tell(&format!("{name}: {commits} commits are there, as acknowledged"));
        ledger.went_back(Utc::now(), &there);
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

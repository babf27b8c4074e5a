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

use chrono::{TimeDelta, Utc};
use holdfast::api::backup::JobState;
use serde_json::{Value, json};

use harness::{Four, Request, Scenario, as_target, minutes};
use model::{Ledger, Moment};
use writers::Mark;

/// On S3 and encrypted, on Azure, on GCS.
const REPOSITORIES: [&str; 3] = ["repo1", "repo3", "repo4"];

#[tokio::test]
async fn ten_restores_to_moments_at_random_hold_exactly_what_was_acknowledged_before_them() {
    Scenario::alone_within(minutes(40), "ledger", async |scenario| {
        let mut four = Four::new(scenario);
        four.instances = 2;
        four.apply(&REPOSITORIES).await;
        let pooled = json!({ "spec": { "proxy": { "pgBouncer": { "replicas": 1 } } } });
        four.cluster.change(scenario, &pooled).await;
        four.cluster.ready(scenario, minutes(5)).await;
        for repository in REPOSITORIES {
            scenario
                .succeeded(&format!("app-{repository}-initial"), minutes(6))
                .await;
        }
        let table =
            "\\c app\ncreate table ledger (run int, client int, n bigint); grant all on ledger to app;";
        scenario.sql(&four.cluster, table).await;
        let mut ledger = Ledger::default();
        for round in 0..10 {
            let mark = write(&four, &mut ledger, round).await;
            let (spec, moment) = target(&four, &ledger, round, &mark).await;
            restore(&four, &mut ledger, round, spec, moment).await;
        }
    })
    .await;
}

/// Has the writers write for a while.
async fn write(four: &Four<'_>, ledger: &mut Ledger, round: usize) -> Mark {
    let (mark, acknowledged) = writers::write(four.scenario, &four.cluster, round).await;
    four.scenario.tell(&format!(
        "run {round}: {} commits acknowledged",
        acknowledged.len()
    ));
    ledger.wrote(acknowledged);
    mark
}

/// What is asked for, and between which moments of the clock it lies.
async fn target(four: &Four<'_>, ledger: &Ledger, round: usize, mark: &Mark) -> (Value, Moment) {
    let repository = REPOSITORIES[round % 3];
    let at_mark = Moment {
        from: mark.before,
        to: mark.after,
    };
    let (target, moment) = match round {
        3 => (json!({ "lsn": mark.lsn }), at_mark),
        5 => (json!({ "name": mark.name }), at_mark),
        7 => {
            // Nothing is written meanwhile, so its end is now.
            let name = format!("backup-{round}");
            let request = Request::new(&four.cluster, &name, &["--type=incr"]);
            request.into(repository).create(four.scenario).await;
            four.scenario.succeeded(&name, minutes(5)).await;
            (json!({ "immediate": true }), Moment::at(Utc::now()))
        }
        9 => return (json!({}), Moment::at(Utc::now())),
        _ => {
            let spans = ledger.spans();
            let (first, last) = spans[rand::random_range(0..spans.len())];
            let reach = (last - first).num_microseconds().unwrap();
            let at = first + TimeDelta::microseconds(rand::random_range(0..reach));
            (json!({ "time": as_target(at) }), Moment::at(at))
        }
    };
    (json!({ "repoName": repository, "target": target }), moment)
}

async fn restore(four: &Four<'_>, ledger: &mut Ledger, round: usize, spec: Value, moment: Moment) {
    let scenario = four.scenario;
    let name = format!("restore-{round}");
    scenario.tell(&format!("{name}: {spec}"));
    scenario.restore(&name, spec).await;
    let status = scenario.restore_ended(&name, minutes(8)).await;
    assert_eq!(status.state, Some(JobState::Succeeded), "{:?}", status.error);
    four.cluster.ready(scenario, minutes(3)).await;
    let counted = "\\c app\nselect run, client, count(*), min(n), max(n) from ledger group by 1, 2";
    let there = scenario.sql(&four.cluster, counted).await;
    let commits = ledger.is_right(moment, &there);
    scenario.tell(&format!("{name}: {commits} commits are there, as acknowledged"));
    ledger.went_back(Utc::now(), &there);
}

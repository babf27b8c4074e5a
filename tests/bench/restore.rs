//! `make bench-restore`: restores in place, from asking for one to a cluster that is ready, beside the same by hand in the same run;
//! the replay of 2 GB of WAL; what looking first takes.

use std::time::Instant;

use holdfast::api::PerconaPGRestoreStatus;
use holdfast::api::backup::JobState;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};
use serde_json::{Value, json};

use super::defaults::fill;
use crate::harness::{Cluster, Request, Scenario, minutes, status};

const BY_HAND: &str = include_str!("restore.sh");
/// Rows whose change makes 2 GB of WAL.
const CHURN: &str = "update accounts set balance = balance + 1";

#[tokio::test]
async fn restore_speed() {
    Scenario::alone_within(minutes(60), "speed", async |scenario| {
        let app = Cluster::plain("app", scenario);
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        let bytes = fill(scenario, &app).await;
        Request::new(&app, "base", &["--type=full"])
            .create(scenario)
            .await;
        let base = status(&scenario.succeeded("base", minutes(15)).await);
        let set = base.backup_name.unwrap();

        app.archived_with(scenario, "update accounts set balance = 1 where id < 10000")
            .await;
        let hand = by_hand(scenario, &app, &set).await;
        let (whole, _) = ours(scenario, &app, "kept", json!({})).await;
        app.archived_with(scenario, "update accounts set balance = 2 where id < 10000")
            .await;
        let (delta, _) = ours(scenario, &app, "delta", json!({ "previousData": "Discard" })).await;

        let from = app.position(scenario).await;
        app.archived_with(scenario, CHURN).await;
        let wal = app.position(scenario).await - from;
        // The best of two, taken in turns: the machine is not always as fast.
        let (mut replayed_by_hand, mut replayed) = (f64::INFINITY, f64::INFINITY);
        for name in ["replayed", "replayed-again"] {
            replayed_by_hand = replayed_by_hand.min(by_hand(scenario, &app, &set).await.replay);
            let (_, status) = ours(scenario, &app, name, json!({})).await;
            let said = said_by_job(scenario, status.job_name.as_deref().unwrap()).await;
            replayed = replayed.min(replay(&said));
        }
        // Until then there is nothing of the timeline that a catalog could know.
        let timeline = timeline(scenario, &app).await;
        app.archives_timeline(scenario, timeline).await;
        let mut looked = Vec::new();
        for number in 0..3 {
            looked.push(
                ours(
                    scenario,
                    &app,
                    &format!("look-{number}"),
                    json!({ "dryRun": true }),
                )
                .await
                .0,
            );
        }
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        let result = json!({
            "bench": "restore",
            "databaseBytes": bytes,
            "wholeSeconds": rounded(whole), "byHandSeconds": rounded(hand.whole),
            "limitSeconds": rounded(1.2 * hand.whole + 15.0),
            "deltaSeconds": rounded(delta), "deltaByHandSeconds": rounded(hand.delta),
            "deltaLimitSeconds": rounded(1.2 * hand.delta + 15.0),
            "walBytes": wal, "replaySeconds": rounded(replayed), "replayByHandSeconds": rounded(replayed_by_hand),
            "replayRatio": rounded(replayed / replayed_by_hand),
            "preflightSeconds": rounded(looked.into_iter().fold(0.0, f64::max)),
        });
        println!("{result}");
    })
    .await;
}

/// Seconds.
struct Hand {
    whole: f64,
    replay: f64,
    delta: f64,
}

async fn by_hand(scenario: &Scenario, app: &Cluster, set: &str) -> Hand {
    let (well, said) = scenario.recovery_by_hand(app, BY_HAND, &[set]).await;
    assert!(well, "{said}");
    let told = |word: &str| -> f64 {
        let value = said.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        value.trim().parse().unwrap()
    };
    let hand = Hand {
        whole: told("WHOLE "),
        replay: replay(&said),
        delta: told("DELTA "),
    };
    scenario.tell(&format!(
        "by hand {:.1} s, of which {:.1} s replay; with --delta {:.1} s",
        hand.whole, hand.replay, hand.delta
    ));
    hand
}

/// The timeline that it writes.
async fn timeline(scenario: &Scenario, app: &Cluster) -> u32 {
    let segment = "select pg_walfile_name(pg_current_wal_lsn())";
    let segment = scenario.sql(app, segment).await;
    u32::from_str_radix(&segment[..8], 16).unwrap()
}

/// Seconds of the replay in PostgreSQL's log: without its start and its end, which differ for other reasons.
fn replay(said: &str) -> f64 {
    let line = said.lines().find(|line| line.contains("redo done at")).unwrap();
    let (_, elapsed) = line.split_once("elapsed: ").unwrap();
    elapsed.split_once(" s").unwrap().0.parse().unwrap()
}

/// The log of a Job's Pod.
async fn said_by_job(scenario: &Scenario, job: &str) -> String {
    let pods = scenario.api::<Pod>();
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pod = pods.list(&of_job).await.unwrap().items.remove(0);
    pods.logs(&pod.name_any(), &LogParams::default()).await.unwrap()
}

/// Seconds from asking to the end.
async fn ours(scenario: &Scenario, app: &Cluster, name: &str, spec: Value) -> (f64, PerconaPGRestoreStatus) {
    let begun = Instant::now();
    scenario.restore(name, spec).await;
    let status = scenario.restore_ended(name, minutes(15)).await;
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(status.state, Some(JobState::Succeeded), "{:?}", status.error);
    scenario.tell(&format!("{name}: {seconds:.1} s, {:?}", status.restored));
    app.ready(scenario, minutes(5)).await;
    (seconds, status)
}

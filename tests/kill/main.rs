//! `make test-kill`: a controller that is killed after each of its writes, and started again each time.
//!
//! The controller is this build's own program, run on this machine against the cluster, while the deployed one has no replica.
//! State changes by writes alone, so a death after each of them is a death at every step.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs
)]

mod bootstrap;
mod drill;
#[allow(dead_code, unused_imports)]
#[path = "../e2e/harness/mod.rs"]
mod harness;
mod mortal;
mod resting;
mod restore;

use chrono::{TimeDelta, Timelike as _, Utc};
use holdfast::api::backup::JobState;
use holdfast::api::schedules::RunResult;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster};
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

use harness::{Cluster, Request, Scenario, minutes, state, status};
use mortal::Mortal;
use resting::holder;

#[tokio::test]
async fn a_controller_that_is_killed_after_each_write_comes_to_one_backup_and_a_true_status() {
    with_a_cluster("kill-backups", async |scenario, cluster, mortal| {
        a_backup(scenario, cluster, mortal).await;
        a_schedule(scenario, cluster, mortal).await;
    })
    .await;
}

#[tokio::test]
async fn a_controller_that_is_killed_after_each_write_restores_all_the_same() {
    with_a_cluster("kill-restores", restore::restores).await;
}

#[tokio::test]
async fn a_controller_that_is_killed_after_each_write_brings_new_clusters_their_data() {
    with_a_cluster("kill-bootstraps", bootstrap::bootstraps).await;
}

#[tokio::test]
async fn a_controller_that_is_killed_after_each_write_rehearses_and_leaves_nothing_behind() {
    with_a_cluster("kill-drills", drill::drills).await;
}

/// With a cluster `app` that has a first backup, while the deployed operator rests.
async fn with_a_cluster(short: &str, body: impl AsyncFnOnce(&Scenario, &Cluster, &Mortal<'_>)) {
    resting::meanwhile(Scenario::alone_within(minutes(60), short, async |scenario| {
        let mortal = Mortal::of(scenario);
        let mut cluster = Cluster::plain("app", scenario);
        cluster
            .more
            .insert("repo1-retention-full".to_owned(), "1".to_owned());
        let alive = mortal.live();
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(4)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        alive.end().await;
        body(scenario, &cluster, &mortal).await;
    }))
    .await;
}

/// Every write by which a backup, and the retention behind it, goes on.
const STEPS: [&str; 9] = [
    "finalizers PerconaPGBackup NAME",
    "replace Lease app-repo1-pgbackrest",
    "status PerconaPGBackup NAME",
    "create Job app-backup-",
    "create Job app-repo1-expire",
    "status PerconaPGCluster app",
    "delete Job app-repo1-expire",
    "delete PerconaPGBackup ",
    // That nobody has to look after it any more comes last, and the first time already when it begins.
    "finalizers PerconaPGBackup ",
];

/// Full backups, with each of which retention lets the one before go: one while the controller dies after each of its writes, and
/// one for each step at which it did not happen to die then, since its controllers work side by side.
async fn a_backup(scenario: &Scenario, cluster: &Cluster, mortal: &Mortal<'_>) {
    let settled = async |name: &str| {
        let all = scenario
            .api::<PerconaPGBackup>()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items;
        let [only] = all.as_slice() else { return false };
        let alone =
            only.name_any() == name && state(only) == JobState::Succeeded && only.finalizers().is_empty();
        let lease = scenario.api::<Lease>().get("app-repo1-pgbackrest").await.unwrap();
        alone && holder(&lease).is_empty()
    };
    let ask = async |name: &str| {
        Request::new(cluster, name, &["--type=full"])
            .create(scenario)
            .await;
    };
    ask("backup-0").await;
    let died = mortal
        .dies_after_each_write(async || settled("backup-0").await)
        .await;
    is_one_backup(scenario, cluster, "backup-0").await;
    for (number, step) in (1..).zip(STEPS) {
        let begins = step.replace("NAME", "backup-0");
        if died.iter().any(|done| done.starts_with(&begins)) {
            continue;
        }
        let name = format!("backup-{number}");
        ask(&name).await;
        mortal
            .dies_after(&step.replace("NAME", &name), async || settled(&name).await)
            .await;
        is_one_backup(scenario, cluster, &name).await;
    }
}

async fn is_one_backup(scenario: &Scenario, cluster: &Cluster, name: &str) {
    let backup = scenario.succeeded(name, minutes(1)).await;
    scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    assert_eq!(scenario.info(cluster).await.len(), 1);
    lease_is_free(scenario).await;
}

/// One scheduled backup, due in the next minute but one.
async fn a_schedule(scenario: &Scenario, cluster: &Cluster, mortal: &Mortal<'_>) {
    let due = Utc::now() + TimeDelta::seconds(75);
    let change = json!({ "spec": { "backups": { "pgbackrest": { "repos": [{
        "name": "repo1",
        "s3": { "bucket": cluster.bucket, "endpoint": cluster.endpoint, "region": scenario.stores.of("S3_REGION") },
        "schedules": { "incremental": format!("{} {} * * *", due.minute(), due.hour()) },
    }] } } } });
    cluster.change(scenario, &change).await;
    let api = scenario.api::<PerconaPGCluster>();
    let name = format!("app-repo1-incr-{}", due.format("%Y%m%d%H%M"));
    let steps = mortal
        .dies_after_each_write(async || {
            let told = api.get("app").await.unwrap().status.unwrap_or_default();
            let runs = told
                .schedules
                .iter()
                .filter_map(|schedule| schedule.last_run.as_ref());
            let unfinished = RunResult::Unfinished;
            runs.clone().any(|run| run.name == name) && runs.clone().all(|run| run.result != unfinished)
        })
        .await;
    let made = format!("create PerconaPGBackup {name}");
    assert!(steps.contains(&made), "no death after '{made}': {steps:#?}");
    let run = scenario.succeeded(&name, minutes(1)).await;
    scenario.is_as_pgbackrest_sees_it(cluster, &run).await;
    let told = api.get("app").await.unwrap().status.unwrap().schedules;
    let schedule = &told[0];
    assert_eq!(
        (schedule.due, schedule.started, schedule.missed, schedule.skipped),
        (1, 1, 0, 0),
        "{schedule:?}"
    );
    let all = scenario
        .api::<PerconaPGBackup>()
        .list(&ListParams::default())
        .await
        .unwrap()
        .items;
    let labels: Vec<_> = all.iter().map(|backup| status(backup).backup_name).collect();
    assert_eq!(
        (all.len(), scenario.info(cluster).await.len()),
        (2, 2),
        "{labels:?}"
    );
    lease_is_free(scenario).await;
}

async fn lease_is_free(scenario: &Scenario) {
    let lease = scenario.api::<Lease>().get("app-repo1-pgbackrest").await.unwrap();
    assert_eq!(holder(&lease), "");
}

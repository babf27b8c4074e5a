//! Measurements of the deployed operator; the last line of each is JSON.
//!
//! `make bench-backup-latency`: what the operator adds to pgBackRest. The same pgBackRest command runs by hand, in a pod like the
//! Job's, in the same run. `make bench-backup`: our defaults against those of the compatible operator ([`defaults`]).
//! `make bench-restore`: restores in place against the same by hand ([`restore`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs
)]

mod defaults;
#[allow(dead_code, unused_imports)]
#[path = "../e2e/harness/mod.rs"]
mod harness;
mod restore;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use holdfast::agent::report::{BackupOutcome, BackupProgress, PROGRESS_ANNOTATION};
use holdfast::api::PerconaPGBackup;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt;
use kube::api::{ListParams, ObjectMeta};
use serde_json::json;

use harness::{Cluster, Request, Scenario, minutes, operator_namespace, run, status};

/// Rounds by hand and by the operator, in turn.
const ROUNDS: usize = 2;

/// How long the controller is watched doing nothing.
const IDLE: Duration = Duration::from_secs(30);

/// What one backup took, in seconds.
struct Measured {
    created_to_running: f64,
    ended_to_succeeded: f64,
    whole: f64,
}

#[tokio::test]
async fn backup_latency() {
    Scenario::alone("bench", async |scenario| {
        let cluster = Cluster::plain("bench", scenario);
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        let first = scenario.succeeded("bench-repo1-initial", minutes(4)).await;
        let rows = std::env::var("BENCH_ROWS").unwrap_or("2500000".to_owned());
        fill(scenario, &cluster, &rows).await;
        let template = job(scenario, &status(&first).job_name.unwrap()).await;
        let options = ["--type=full", "--process-max=1", "--compress-level=12"];
        let (mut hand, mut ours) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            hand.push(by_hand(scenario, &template, &format!("hand-{round}"), &options).await);
            ours.push(by_operator(scenario, &cluster, &format!("ours-{round}"), &options).await);
        }
        let idle = idle_processor(&operator_namespace()).await;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap());
        let worst = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
        let whole = mean(&ours.iter().map(|one| one.whole).collect::<Vec<_>>());
        let by_hand = mean(&hand);
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        let result = json!({
            "bench": "backup-latency",
            "createdToRunningSeconds": rounded(worst(ours.iter().map(|one| one.created_to_running).collect())),
            "endedToSucceededSeconds": rounded(worst(ours.iter().map(|one| one.ended_to_succeeded).collect())),
            "wholeSeconds": rounded(whole),
            "byHandSeconds": rounded(by_hand),
            "ratio": rounded(whole / by_hand),
            "limitSeconds": rounded(1.15 * by_hand + 5.0),
            "controllerResidentMiB": rounded(resident(&operator_namespace()).await),
            "controllerIdleProcessorPercent": rounded(idle),
        });
        println!("{result}");
    })
    .await;
}

async fn fill(scenario: &Scenario, cluster: &Cluster, rows: &str) {
    let sql = format!(
        "create table filler as select md5(i::text) as a, md5((i + 1)::text) as b from generate_series(1, {rows}) i; checkpoint;"
    );
    scenario.sql(cluster, &sql).await;
}

async fn job(scenario: &Scenario, name: &str) -> Job {
    scenario.api::<Job>().get(name).await.unwrap()
}

/// pgBackRest in a pod like the Job's, started and watched by a person; from asking for the pod to its end.
async fn by_hand(scenario: &Scenario, job: &Job, name: &str, options: &[&str]) -> f64 {
    let mut spec = job.spec.clone().unwrap().template.spec.unwrap();
    let container = spec.containers.first_mut().unwrap();
    let mut command = vec![
        "pgbackrest",
        "--stanza=db",
        "--repo=1",
        "--log-level-console=info",
        "backup",
    ];
    command.extend(options);
    container.command = Some(command.into_iter().map(str::to_owned).collect());
    container.args = None;
    spec.restart_policy = Some("Never".to_owned());
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    };
    let begun = Instant::now();
    scenario.apply(&pod).await;
    let ended = scenario
        .until(name, "ended", minutes(10), |pod: &Pod| {
            ["Succeeded", "Failed"].contains(&phase(pod))
        })
        .await;
    assert_eq!(phase(&ended), "Succeeded");
    let seconds = begun.elapsed().as_secs_f64();
    scenario.tell(&format!("{name}: {seconds:.1} s"));
    seconds
}

async fn by_operator(scenario: &Scenario, cluster: &Cluster, name: &str, options: &[&str]) -> Measured {
    let created = Utc::now();
    Request::new(cluster, name, options).create(scenario).await;
    let backup = scenario.succeeded(name, minutes(10)).await;
    let succeeded = Utc::now();
    let (started, ended) = at_work(scenario, &backup).await;
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).as_seconds_f64();
    let measured = Measured {
        created_to_running: between(created, started),
        ended_to_succeeded: between(ended, succeeded),
        whole: between(created, succeeded),
    };
    scenario.tell(&format!(
        "{name}: running after {:.1} s, succeeded {:.1} s after pgBackRest ended, {:.1} s in all",
        measured.created_to_running, measured.ended_to_succeeded, measured.whole
    ));
    measured
}

/// When pgBackRest began and ended.
async fn at_work(scenario: &Scenario, backup: &PerconaPGBackup) -> (DateTime<Utc>, DateTime<Utc>) {
    let job = status(backup).job_name.unwrap();
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pods = scenario.api::<Pod>().list(&of_job).await.unwrap();
    let pod = pods.items.first().unwrap();
    // Kubernetes tells how the container ended some time after we have seen the backup in the repository.
    let pod = &scenario
        .until(&pod.name_any(), "ended", minutes(2), |pod: &Pod| {
            !message(pod).is_empty()
        })
        .await;
    let progress: BackupProgress = serde_json::from_str(&pod.annotations()[PROGRESS_ANNOTATION]).unwrap();
    let outcome: BackupOutcome = serde_json::from_str(&message(pod)).unwrap();
    (progress.started_at.unwrap(), outcome.ended_at.unwrap())
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("")
}

fn message(pod: &Pod) -> String {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.clone());
    let state: ContainerState = statuses.unwrap_or_default().remove(0).state.unwrap_or_default();
    state
        .terminated
        .and_then(|ended| ended.message)
        .unwrap_or_default()
}

/// Resident memory of the controller, in MiB.
async fn resident(namespace: &str) -> f64 {
    let said = of_controller(namespace, "status").await;
    let line = said.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Share of one processor that the controller uses while nothing happens, in percent.
async fn idle_processor(namespace: &str) -> f64 {
    let (begun, before) = (Instant::now(), processor_seconds(namespace).await);
    tokio::time::sleep(IDLE).await;
    let used = processor_seconds(namespace).await - before;
    100.0 * used / begun.elapsed().as_secs_f64()
}

/// User and system time of the controller: fields 14 and 15 of proc(5)'s stat, in ticks of 1/100 s.
async fn processor_seconds(namespace: &str) -> f64 {
    let said = of_controller(namespace, "stat").await;
    let after_name = said.rsplit(')').next().unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.map(|value| value.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

async fn of_controller(namespace: &str, file: &str) -> String {
    let path = format!("/proc/1/{file}");
    let arguments = ["-n", namespace, "exec", "deploy/holdfast", "--", "cat", &path];
    run("kubectl", &arguments, "").await.unwrap()
}

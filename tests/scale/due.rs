//! A thousand clusters with a backup due in the same minute: when each run is made, and how many Jobs there are at once.
//!
//! No kubelet runs, so this plays it: Pods become ready with what an agent says, and those of Jobs end without a backup after a
//! while, so that the queue moves on. The repositories are real ones on an S3 server.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use holdfast::agent::report::{ArchiverReport, INSTANCE_ANNOTATION, InstanceReport, StanzaReport};
use holdfast::api::PerconaPGCluster;
use holdfast::api::names::{LABEL_DATA, LABEL_PGBACKREST_BACKUP};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};

use super::fleet::{self, Store, cluster, name, variable};
use super::operator::{Operator, everybody};
use super::server::Server;

const NAMESPACES: [&str; 2] = ["north", "south"];
/// At once: in all, in each namespace, into each store.
const BUDGET: (usize, usize, usize) = (40, 25, 35);
const MOST_SECONDS: i64 = 60;
/// So long the operator is looked at while backups wait.
const WAITING: Duration = Duration::from_secs(10);
/// So long a Job runs.
const JOB: Duration = Duration::from_secs(3);
const AT_ONCE: usize = 16;
/// Marks a backup that a schedule asked for.
const LABEL_SCHEDULE: &str = "holdfast.dev/schedule";
/// Whose the repositories of the fixture are.
const SYSTEM: &str = "7710444307258826731";

fn number() -> usize {
    std::env::var("N")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000)
}

fn everyone() -> Vec<(&'static str, String)> {
    (0..number())
        .map(|number| (NAMESPACES[number % NAMESPACES.len()], name(number)))
        .collect()
}

#[tokio::test]
#[ignore = "a measurement: make bench-due"]
async fn a_thousand_clusters_due_in_the_same_minute() {
    let server = Server::connect().await;
    let operator = Operator::start(&[
        ("HOLDFAST_BACKUPS_AT_ONCE", &BUDGET.0.to_string()),
        ("HOLDFAST_BACKUPS_AT_ONCE_PER_NAMESPACE", &BUDGET.1.to_string()),
        ("HOLDFAST_BACKUPS_AT_ONCE_PER_STORE", &BUDGET.2.to_string()),
    ]);
    ready(&server).await;
    println!("processor seconds: {}", everybody());

    let at_once = Arc::new(Mutex::new(AtOnce::default()));
    for namespace in NAMESPACES {
        tokio::spawn(follow(server.client.clone(), namespace, at_once.clone()));
        tokio::spawn(end_jobs(server.client.clone(), namespace));
    }
    let due = schedule(&server).await;
    let wait = (due - Utc::now()).to_std().unwrap_or_default();
    println!("every cluster has a backup due at {due}, in {} s", wait.as_secs());
    let before = server.requests().await;
    tokio::time::sleep(wait).await;
    let runs = made(&server, due).await;
    let latest = runs.iter().max().copied().unwrap_or_default();
    println!(
        "{} runs were made, the last {latest} s after the minute began, half of them within {} s; {:.1} requests each",
        runs.len(),
        runs[runs.len() / 2],
        server.requests().await.since(&before) / number() as f64,
    );
    let before = server.requests().await;
    let load = operator.load(WAITING).await;
    println!(
        "while they wait the operator takes {load:.0} % of a processor; requests a second, of everybody: {}",
        server.requests().await.most(&before, WAITING.as_secs_f64())
    );
    let (drained, states) = ended(&server).await;
    println!("processor seconds: {}", everybody());
    let most = at_once.lock().unwrap().most.clone();
    let within = most.get("").copied().unwrap_or(0) <= BUDGET.0.min(BUDGET.2)
        && NAMESPACES
            .iter()
            .all(|namespace| most.get(*namespace).copied().unwrap_or(0) <= BUDGET.1);
    let result = json!({
        "bench": "due", "clusters": number(), "runs": runs.len(), "lastRunMadeSeconds": latest,
        "jobsAtOnce": most, "budget": {"total": BUDGET.0, "perNamespace": BUDGET.1, "perStore": BUDGET.2},
        "endedSeconds": drained, "states": states, "processorPercentWhileWaiting": load.round(),
        "residentMiB": operator.resident().0.round(), "limits": {"lastRunMadeSeconds": MOST_SECONDS},
        "pass": {"created": runs.len() == number() && latest <= MOST_SECONDS, "budget": within,
            "ended": states.values().sum::<usize>() == number()},
    });
    println!("{result}");
    let passed = result["pass"]
        .as_object()
        .unwrap()
        .values()
        .all(|passed| passed == true);
    assert!(passed, "{}", result["pass"]);
}

/// All clusters, with repositories that hold backups, and instances that say they are well.
async fn ready(server: &Server) {
    for namespace in NAMESPACES {
        fleet::prepare(server, namespace).await;
    }
    for (_, name) in everyone() {
        plant(&name);
    }
    let all = everyone().into_iter();
    fleet::create(
        server,
        all.map(|(namespace, name)| (namespace.to_owned(), cluster(&name, Store::S3)))
            .collect(),
    )
    .await;
    let begun = Instant::now();
    loop {
        let mut ready = 0;
        for namespace in NAMESPACES {
            play_kubelet(server, namespace).await;
            ready += count_ready(server, namespace).await;
        }
        println!(
            "  after {:.0} s {ready} clusters are ready for a backup",
            begun.elapsed().as_secs_f64()
        );
        if ready == number() {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(40),
            "{ready} clusters are ready"
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// A repository as pgBackRest left it, with two backups.
fn plant(name: &str) {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pgbackrest/plain");
    let root = format!("{}/{}/{name}", variable("S3_DATA_DIR"), variable("S3_BUCKET"));
    for part in ["archive", "backup"] {
        let directory = format!("{root}/{part}/db");
        std::fs::create_dir_all(&directory).unwrap();
        for copy in ["", ".copy"] {
            std::fs::copy(
                fixture.join(format!("{part}.info")),
                format!("{directory}/{part}.info{copy}"),
            )
            .unwrap();
        }
    }
}

/// Pods that wait for a node become ready; those of instances say what an agent would.
async fn play_kubelet(server: &Server, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(server.client.clone(), namespace);
    let secrets: &Api<Secret> = &Api::namespaced(server.client.clone(), namespace);
    let api = &pods;
    let waiting = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .filter(|pod| {
            let status = pod.status.as_ref();
            status.and_then(|status| status.phase.as_deref()) == Some("Pending")
                && !pod.labels().contains_key(LABEL_PGBACKREST_BACKUP)
        });
    stream::iter(waiting)
        .for_each_concurrent(AT_ONCE, |pod| async move {
            let name = pod.name_any();
            if pod.labels().contains_key(LABEL_DATA) {
                let cluster = &pod.labels()["postgres-operator.crunchydata.com/cluster"];
                let secret = secrets.get(&format!("{cluster}-agent")).await.unwrap();
                let document: Value =
                    serde_json::from_slice(&secret.data.unwrap().into_values().next().unwrap().0).unwrap();
                let report = serde_json::to_string(&report(document["revision"].as_str().unwrap())).unwrap();
                let patch = json!({"metadata": {"annotations": {INSTANCE_ANNOTATION: report}}});
                api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
            }
            let status = json!({"status": {"phase": "Running", "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}});
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        })
        .await;
}

fn report(revision: &str) -> InstanceReport {
    InstanceReport {
        revision: Some(revision.to_owned()),
        system_identifier: Some(SYSTEM.to_owned()),
        in_recovery: Some(false),
        timeline: Some(1),
        stanzas: vec![StanzaReport {
            repo: "repo1".to_owned(),
            ready: true,
            exit: Some(0),
            ..StanzaReport::default()
        }],
        archiver: Some(ArchiverReport {
            last_archived_wal: Some("000000010000000000000004".to_owned()),
            last_archived_at: Some(Utc::now()),
            ..ArchiverReport::default()
        }),
        ..InstanceReport::default()
    }
}

async fn count_ready(server: &Server, namespace: &str) -> usize {
    let path = format!("/apis/pgv2.percona.com/v2/namespaces/{namespace}/perconapgclusters");
    let list = server.get(&path).await;
    let ready = |cluster: &&Value| {
        let conditions = cluster["status"]["conditions"].as_array().into_iter().flatten();
        let mut conditions = conditions.filter(|one| one["type"] == "ReadyForBackup");
        conditions.any(|one| {
            one["status"] == "True" && one["observedGeneration"] == cluster["metadata"]["generation"]
        })
    };
    list["items"].as_array().unwrap().iter().filter(ready).count()
}

/// Gives every cluster a schedule that is due in the same minute, some minutes from now.
async fn schedule(server: &Server) -> DateTime<Utc> {
    // The minute is chosen so that the change of every cluster has been carried out before: half a second for each.
    let ahead = TimeDelta::seconds(60 + i64::try_from(number()).unwrap() / 2);
    let soon = Utc::now() + ahead + TimeDelta::minutes(1);
    let due = soon.with_second(0).unwrap().with_nanosecond(0).unwrap();
    let text = format!("{} {} * * *", due.minute(), due.hour());
    let schedules = json!({"full": text, "incremental": null});
    let client = &server.client;
    stream::iter(everyone())
        .for_each_concurrent(AT_ONCE, |(namespace, name)| {
            let schedules = schedules.clone();
            async move {
                let api: Api<PerconaPGCluster> = Api::namespaced(client.clone(), namespace);
                let now = api.get(&name).await.unwrap();
                let mut spec = serde_json::to_value(&now.spec).unwrap();
                spec["backups"]["pgbackrest"]["repos"][0]["schedules"] = schedules;
                let patch = json!({"spec": {"backups": spec["backups"]}});
                api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                    .await
                    .unwrap();
            }
        })
        .await;
    assert!(Utc::now() < due, "the schedules are set only when they are due");
    due
}

/// Waits until every run has been made; how many seconds after the minute began each was, sorted.
async fn made(server: &Server, due: DateTime<Utc>) -> Vec<i64> {
    let begun = Instant::now();
    loop {
        let mut seconds = Vec::new();
        for (backup, _) in scheduled(server).await {
            let created = backup["metadata"]["creationTimestamp"].as_str().unwrap();
            let created: DateTime<Utc> = created.parse().unwrap();
            seconds.push((created - due).num_seconds());
        }
        if seconds.len() >= number() || begun.elapsed() > Duration::from_mins(5) {
            seconds.sort_unstable();
            return seconds;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn scheduled(server: &Server) -> Vec<(Value, &'static str)> {
    let mut all = Vec::new();
    for namespace in NAMESPACES {
        let label = LABEL_SCHEDULE.replace('/', "%2F");
        let path = format!(
            "/apis/pgv2.percona.com/v2/namespaces/{namespace}/perconapgbackups?labelSelector={label}"
        );
        let list = server.get(&path).await;
        all.extend(
            list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| (item.clone(), namespace)),
        );
    }
    all
}

/// Waits until every run has ended; the seconds that took, and how they ended.
async fn ended(server: &Server) -> (u64, BTreeMap<String, usize>) {
    let begun = Instant::now();
    loop {
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        for (backup, _) in scheduled(server).await {
            let state = backup["status"]["state"].as_str().unwrap_or("New").to_owned();
            *states.entry(state).or_default() += 1;
        }
        println!("  after {:.0} s: {states:?}", begun.elapsed().as_secs_f64());
        let over = |state: &str| matches!(state, "Failed" | "Succeeded");
        let left: usize = states
            .iter()
            .filter(|(state, _)| !over(state))
            .map(|(_, count)| count)
            .sum();
        if left == 0 || begun.elapsed() > Duration::from_mins(30) {
            states.retain(|state, _| over(state));
            return (begun.elapsed().as_secs(), states);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

/// Jobs that have not ended, and the most that there ever were: in all (no name) and by namespace.
#[derive(Default)]
struct AtOnce {
    running: HashMap<String, String>,
    most: BTreeMap<String, usize>,
}

impl AtOnce {
    fn see(&mut self, job: &Job, gone: bool) {
        let conditions = job
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_deref());
        let over = conditions.unwrap_or_default().iter().any(|condition| {
            matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
        });
        let uid = job.uid().unwrap();
        if gone || over {
            self.running.remove(&uid);
            return;
        }
        self.running.insert(uid, job.namespace().unwrap());
        let mut counts: BTreeMap<String, usize> = BTreeMap::from([(String::new(), self.running.len())]);
        for namespace in self.running.values() {
            *counts.entry(namespace.clone()).or_default() += 1;
        }
        for (namespace, count) in counts {
            let most = self.most.entry(namespace).or_default();
            *most = count.max(*most);
        }
    }
}

async fn follow(client: kube::Client, namespace: &str, at_once: Arc<Mutex<AtOnce>>) {
    let jobs: Api<Job> = Api::namespaced(client, namespace);
    let mut events = std::pin::pin!(watcher(jobs, watcher::Config::default()));
    while let Some(event) = events.try_next().await.unwrap() {
        let mut at_once = at_once.lock().unwrap();
        match event {
            Event::Apply(job) | Event::InitApply(job) => at_once.see(&job, false),
            Event::Delete(job) => at_once.see(&job, true),
            Event::Init | Event::InitDone => {}
        }
    }
}

/// Pods of Jobs end some time after they were made, as an agent ends that could not make a backup and need not try again.
async fn end_jobs(client: kube::Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let of_jobs = ListParams::default().labels(LABEL_PGBACKREST_BACKUP);
    loop {
        for pod in pods.list(&of_jobs).await.unwrap() {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let age = pod
                .creation_timestamp()
                .map(|created| Utc::now().timestamp() - created.0.as_second());
            if phase != Some("Pending") || age.unwrap_or(0) < i64::try_from(JOB.as_secs()).unwrap() {
                continue;
            }
            let spec = pod.spec.as_ref().unwrap();
            let terminated = json!({"exitCode": 10, "reason": "Error", "message": "{}"});
            let containers: Vec<Value> = spec
                .containers
                .iter()
                .map(|container| {
                    json!({"name": container.name, "image": "", "imageID": "", "ready": false,
                    "restartCount": 0, "state": {"terminated": terminated}})
                })
                .collect();
            let status = json!({"status": {"phase": "Failed", "containerStatuses": containers}});
            // It may be gone.
            let _ = pods
                .patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&status))
                .await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

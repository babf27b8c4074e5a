//! N clusters: how long until their objects are there, and what they cost afterwards.

use std::time::{Duration, Instant};

use holdfast::api::PerconaPGCluster;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::fleet::{self, Store, cluster, name};
use super::operator::{Operator, everybody};
use super::reference;
use super::server::{Counts, Server};

/// Nobody keeps a thousand clusters in one namespace; Kubernetes' own controllers search all of one for each Pod.
const NAMESPACES: usize = 20;
const SAMPLE: &str = "sample";

const MOST_SECONDS: f64 = 100.0;
const MOST_MEMORY: f64 = 100.0;
const MOST_IDLE_PERCENT: f64 = 1.0;
const MOST_STEADY_SECONDS: f64 = 20.0;
const MOST_CHANGE_SECONDS: f64 = 1.0;

/// How long the operator is watched doing nothing: longer than the longest pause between two looks at a repository.
const IDLE_SECONDS: u64 = 330;
/// Less than this much of a processor, over so long, is steady.
const STEADY: (f64, Duration) = (5.0, Duration::from_secs(5));
const CHANGES: usize = 10;

fn number() -> usize {
    std::env::var("N")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000)
}

/// The namespace of a cluster.
fn home(number: usize) -> String {
    format!("fleet-{:02}", number % NAMESPACES)
}

/// Shorter, for a first look.
fn idle_time() -> Duration {
    let text = std::env::var("IDLE_SECONDS").ok();
    Duration::from_secs(text.and_then(|text| text.parse().ok()).unwrap_or(IDLE_SECONDS))
}

fn store() -> Store {
    match std::env::var("STORE").as_deref() {
        Ok("nowhere") => Store::Nowhere,
        _ => Store::S3,
    }
}

#[tokio::test]
#[ignore = "a measurement: make bench-scale"]
async fn a_thousand_clusters() {
    let (n, store) = (number(), store());
    let per = |count: f64| count / n as f64;
    let server = Server::connect().await;
    let operator = Operator::start(&[]);
    let mut expected = of_one(&server, store).await;
    let objects: usize = expected.values().sum();
    println!("one cluster is {objects} objects: {expected:?}");
    let reference = reference::seconds(&server, SAMPLE, n).await;

    for number in 0..NAMESPACES {
        fleet::prepare(&server, &home(number)).await;
    }
    for (kind, count) in &mut expected {
        *count = *count * n + server.settled_count(kind).await;
    }
    let before = server.requests().await;
    let begun = Instant::now();
    fleet::create(
        &server,
        (0..n)
            .map(|number| (home(number), cluster(&name(number), store)))
            .collect(),
    )
    .await;
    println!(
        "{n} clusters were written in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    all_there(&server, expected, begun).await;
    let created = begun.elapsed().as_secs_f64();
    let after = server.requests().await;
    let requests_to_create = per(after.since(&before));
    println!(
        "created after {created:.1} s, with {requests_to_create:.1} requests for each; of everybody: {}",
        after.most(&before, n as f64)
    );
    println!("processor seconds: {}", everybody());

    // Kubernetes' own controllers go on for a while.
    let settled = quiet(&server, &operator, n).await;
    let after = server.requests().await;
    let requests_in_all = per(after.since(&before));
    println!(
        "settled after {settled:.0} s more; of everybody for each: {}",
        after.most(&before, n as f64)
    );
    println!("processor seconds: {}", everybody());

    let before = server.requests().await;
    let idle = operator.load(idle_time()).await;
    let after = server.requests().await;
    let minutes = idle_time().as_secs_f64() / 60.0;
    let idle_requests = after.since(&before) / minutes;
    println!(
        "idle: {idle:.2} %; {idle_requests:.0} requests a minute, of everybody: {}",
        after.most(&before, minutes)
    );
    let (resident, peak) = operator.resident();
    println!("memory: {}; at most {peak:.1} MiB", operator.memory());

    let change = changes(&server).await;

    operator.kill();
    let before = server.requests().await;
    let operator = Operator::start(&[]);
    let steady = steady(&operator, n).await;
    let restart_requests = per(server.requests().await.since(&before));
    println!(
        "processor seconds of the new one when steady: {:.1}",
        operator.processor()
    );
    let idle_again = operator.load(idle_time()).await;
    let (resident_again, peak_again) = operator.resident();
    println!(
        "memory after the restart: {}; at most {peak_again:.1} MiB",
        operator.memory()
    );

    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let (resident, idle) = (resident.max(resident_again), idle.max(idle_again));
    let pass = json!({
        "created": created <= MOST_SECONDS, "resident": resident <= MOST_MEMORY, "idle": idle <= MOST_IDLE_PERCENT,
        "steady": steady <= MOST_STEADY_SECONDS, "change": change <= MOST_CHANGE_SECONDS,
    });
    let result = json!({
        "bench": "scale", "clusters": n, "namespaces": NAMESPACES, "store": if store == Store::S3 { "s3" } else { "nowhere" },
        "objectsPerCluster": objects,
        "createdSeconds": rounded(created), "referenceSeconds": rounded(reference), "timesTheReference": rounded(created / reference),
        "residentMiB": rounded(resident), "peakMiB": rounded(peak.max(peak_again)),
        "idleProcessorPercent": rounded(idle), "steadyAfterRestartSeconds": rounded(steady), "changeSeconds": rounded(change),
        "requestsPerClusterCreated": rounded(requests_to_create), "requestsPerClusterInAll": rounded(requests_in_all),
        "requestsPerMinuteIdle": rounded(idle_requests), "requestsPerClusterAtRestart": rounded(restart_requests),
        "limits": {"createdSeconds": MOST_SECONDS, "residentMiB": MOST_MEMORY, "idleProcessorPercent": MOST_IDLE_PERCENT,
            "steadyAfterRestartSeconds": MOST_STEADY_SECONDS, "changeSeconds": MOST_CHANGE_SECONDS},
        "pass": pass,
    });
    println!("{result}");
    assert!(
        pass.as_object().unwrap().values().all(|passed| passed == true),
        "{pass}"
    );
}

/// What the operator makes of one cluster.
async fn of_one(server: &Server, store: Store) -> Counts {
    fleet::prepare(server, SAMPLE).await;
    fleet::create(server, vec![(SAMPLE.to_owned(), cluster("sample", store))]).await;
    let mut counts = Counts::new();
    let begun = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = server.ours(SAMPLE).await;
        if now == counts && now.values().sum::<usize>() > 0 {
            return counts.into_iter().filter(|(_, count)| *count > 0).collect();
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "one cluster is not made within a minute: {now:?}"
        );
        counts = now;
    }
}

/// Waits until there are as many objects of each kind. What somebody else makes besides is of kinds that count more objects
/// than these; the last kind to be complete decides.
async fn all_there(server: &Server, mut left: Counts, begun: Instant) {
    // Slices are made by Kubernetes too, and go unnoticed among those: the rest decides.
    left.remove("endpointslices");
    let mut told = Instant::now();
    while let Some((kind, wanted)) = left.last_key_value().map(|(kind, wanted)| (*kind, *wanted)) {
        let found = server.count(kind).await;
        if found >= wanted {
            left.pop_last();
            continue;
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            println!(
                "  after {:.0} s: {found} of {wanted} {kind}",
                begun.elapsed().as_secs_f64()
            );
        }
        assert!(
            begun.elapsed() < Duration::from_mins(40),
            "{found} of {wanted} {kind}"
        );
        // Each time, the server reads its whole list.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until Kubernetes has made its own objects and the operator rests; the seconds that took.
async fn quiet(server: &Server, operator: &Operator, n: usize) -> f64 {
    let begun = Instant::now();
    loop {
        let load = operator.load(Duration::from_secs(10)).await;
        let pods = server.count("pods").await;
        if pods >= 2 * n && load < 3.0 {
            return begun.elapsed().as_secs_f64();
        }
        println!("  {pods} pods, {load:.1} % of a processor");
        if begun.elapsed() > Duration::from_mins(20) {
            return begun.elapsed().as_secs_f64();
        }
    }
}

/// The longest time from a change of a cluster until the object that shows it has it.
async fn changes(server: &Server) -> f64 {
    let mut longest: f64 = 0.0;
    for change in 0..CHANGES {
        let number = change * number() / CHANGES;
        let (name, home) = (name(number), home(number));
        let clusters: Api<PerconaPGCluster> = Api::namespaced(server.client.clone(), &home);
        let deployments: Api<Deployment> = Api::namespaced(server.client.clone(), &home);
        let patch = json!({"spec": {"proxy": {"pgBouncer": {"replicas": 2}}}});
        let begun = Instant::now();
        clusters
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        loop {
            let deployment = deployments.get(&format!("{name}-pgbouncer")).await.unwrap();
            if deployment.spec.unwrap().replicas == Some(2) {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_mins(5),
                "the change of {name} is not acted on"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        longest = longest.max(begun.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    println!("the slowest of {CHANGES} changes took {longest:.2} s");
    longest
}

/// How long after its start the operator had looked at every cluster and rested again.
async fn steady(operator: &Operator, n: usize) -> f64 {
    let mut last_busy = operator.started;
    loop {
        let load = operator.load(Duration::from_millis(500)).await;
        let now = Instant::now();
        let seen = operator
            .metric("holdfast_reconciles_total{controller=\"cluster\"}")
            .await
            .unwrap_or(0.0);
        let waiting = operator
            .metric("holdfast_reconcile_queue_depth")
            .await
            .unwrap_or(1.0);
        if load > STEADY.0 || (seen as usize) < n || waiting > 0.0 {
            last_busy = now;
        } else if now - last_busy >= STEADY.1 {
            return (last_busy - operator.started).as_secs_f64();
        }
        if operator.started.elapsed() > Duration::from_mins(20) {
            return operator.started.elapsed().as_secs_f64();
        }
    }
}

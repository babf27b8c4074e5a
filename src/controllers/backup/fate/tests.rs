//! Statuses of Pods as Kubernetes 1.34 writes them.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// A Pod on a node, with this status beside that of its container.
fn pod(status: &Value, container: &Value) -> Pod {
    let mut whole = json!({"containerStatuses": [{
        "name": "pgbackrest", "image": "registry.example/postgres:18", "imageID": "sha256:1", "restartCount": 0,
        "ready": container["running"].is_object(), "started": container["running"].is_object(), "state": container,
    }]});
    whole
        .as_object_mut()
        .unwrap()
        .extend(status.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "metadata": {"name": "app-backup-8a3d-x7k2p"},
        "spec": {"nodeName": "node-1", "containers": [
            {"name": "pgbackrest", "resources": {"limits": {"memory": "64Mi"}}}
        ]},
        "status": whole,
    }))
    .unwrap()
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-21T10:00:00Z"}})
}

fn ended(code: i32, reason: &str, message: &str) -> Value {
    json!({"terminated": {
        "exitCode": code, "reason": reason, "message": message,
        "startedAt": "2026-11-21T10:00:00Z", "finishedAt": "2026-11-21T10:05:00Z", "containerID": "containerd://1",
    }})
}

fn disrupted(reason: &str, message: &str) -> Value {
    json!({"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T10:00:01Z"},
        {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-21T10:04:00Z"},
    ]})
}

fn told(pod: &Pod) -> (Option<Reason>, String) {
    match fate(pod).map(Trouble::from) {
        Some(trouble) => (Some(trouble.reason), trouble.message),
        None => (None, String::new()),
    }
}

#[test]
fn a_container_that_is_killed_for_memory_is_told_with_the_limit_and_the_last_peak_that_was_seen() {
    let mut killed = pod(&json!({"phase": "Failed"}), &ended(137, "OOMKilled", ""));
    let (reason, message) = told(&killed);
    assert_eq!(reason, Some(Reason::OutOfMemory));
    assert!(
        message.contains("limit is 64Mi") && message.contains("not known"),
        "{message}"
    );
    let progress = json!({"bytesDone": 1, "memoryPeak": 67_000_000}).to_string();
    killed
        .annotations_mut()
        .insert(crate::agent::report::PROGRESS_ANNOTATION.to_owned(), progress);
    let (_, message) = told(&killed);
    assert!(
        message.contains("limit is 64Mi") && message.contains("63.9MiB"),
        "{message}"
    );
}

#[test]
fn a_worker_that_is_killed_while_the_agent_lives_is_told_by_the_agents_count() {
    let outcome =
        json!({"exit": 39, "memoryKills": 1, "memoryPeak": 64 << 20, "message": "[039]: x"}).to_string();
    // containerd says OOMKilled for the container here too; other runtimes say Error.
    for word in ["OOMKilled", "Error"] {
        let (reason, message) = told(&pod(&json!({"phase": "Failed"}), &ended(11, word, &outcome)));
        assert_eq!(reason, Some(Reason::OutOfMemory), "{word}");
        assert!(message.contains("64.0MiB"), "{message}");
    }
}

#[test]
fn a_backup_that_ended_well_in_spite_of_a_kill_is_no_failure() {
    let outcome = json!({"exit": 0, "memoryKills": 1}).to_string();
    let well = pod(&json!({"phase": "Succeeded"}), &ended(0, "OOMKilled", &outcome));
    assert_eq!(told(&well).0, None);
}

#[rstest]
#[case("EvictionByEvictionAPI", "Eviction API: evicting", Reason::Evicted)]
#[case(
    "PreemptionByScheduler",
    "default-scheduler: preempting to accommodate a higher priority pod",
    Reason::Evicted
)]
#[case(
    "TerminationByKubelet",
    "The node was low on resource: memory.",
    Reason::Evicted
)]
#[case(
    "DeletionByTaintManager",
    "Taint manager: deleting due to NoExecute taint",
    Reason::NodeLost
)]
#[case("DeletionByPodGC", "PodGC: node no longer exists", Reason::NodeLost)]
#[case("SomethingNew", "whatever", Reason::Evicted)]
fn whoever_takes_a_pod_away_is_named(#[case] by: &str, #[case] message: &str, #[case] expected: Reason) {
    // While it ends, when it has ended as the agent was told to, and when its node never said so.
    for container in [
        running(),
        ended(12, "Error", r#"{"message":"stopped on request"}"#),
    ] {
        let mut pod = pod(&disrupted(by, message), &container);
        pod.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-11-21T10:04:30Z")).unwrap());
        let (reason, said) = told(&pod);
        assert_eq!(reason, Some(expected));
        assert!(said.contains(message) && said.contains("node-1"), "{said}");
    }
}

#[test]
fn a_kubelets_eviction_is_told_in_its_own_words() {
    let message =
        "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi.";
    let mut status = disrupted(
        "TerminationByKubelet",
        "The node was low on resource: ephemeral-storage.",
    );
    status["phase"] = "Failed".into();
    status["reason"] = "Evicted".into();
    status["message"] = message.into();
    let (reason, said) = told(&pod(&status, &ended(137, "ContainerStatusUnknown", "")));
    assert_eq!(reason, Some(Reason::Evicted));
    assert!(said.contains("Threshold quantity"), "{said}");
    // A kubelet that is older than the condition.
    status["conditions"] = json!([]);
    assert_eq!(
        told(&pod(&status, &ended(137, "Error", ""))).0,
        Some(Reason::Evicted)
    );
}

#[test]
fn a_node_that_shuts_down_evicts() {
    let status = json!({"phase": "Failed", "reason": "Terminated",
        "message": "Pod was terminated in response to imminent node shutdown."});
    let (reason, said) = told(&pod(&status, &ended(12, "Error", "")));
    assert_eq!(reason, Some(Reason::Evicted));
    assert!(said.contains("imminent node shutdown"), "{said}");
}

#[test]
fn a_node_that_does_not_answer_is_told_before_its_pods_are_given_up() {
    let ready = |holds: &str| json!({"phase": "Running", "conditions": [{"type": "Ready", "status": holds}]});
    let (reason, said) = told(&pod(&ready("False"), &running()));
    assert_eq!(reason, Some(Reason::NodeLost));
    assert!(said.contains("node-1"), "{said}");
    assert_eq!(told(&pod(&ready("True"), &running())).0, None);
    // One that has ended is not ready either.
    assert_eq!(told(&pod(&ready("False"), &ended(11, "Error", ""))).0, None);
}

#[test]
fn a_pod_that_a_kubelet_will_not_run_is_told_in_its_words() {
    let status = json!({"phase": "Failed", "reason": "OutOfmemory",
        "message": "Pod was rejected: Node didn't have enough resource: memory", "containerStatuses": []});
    let (reason, said) = told(&pod(&status, &running()));
    assert_eq!(reason, Some(Reason::Interrupted));
    assert!(said.contains("didn't have enough resource"), "{said}");
}

#[test]
fn a_pod_that_somebody_deletes_was_interrupted_unless_it_had_failed_before() {
    let deleted = |container: Value| {
        let mut pod = pod(&json!({"phase": "Running"}), &container);
        pod.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-11-21T10:04:30Z")).unwrap());
        told(&pod).0
    };
    assert_eq!(deleted(running()), Some(Reason::Interrupted));
    assert_eq!(deleted(ended(12, "Error", "")), Some(Reason::Interrupted));
    assert_eq!(deleted(ended(11, "Error", r#"{"exit":49}"#)), None);
}

#[rstest]
fn one_that_ended_by_itself_has_no_fate(#[values(0, 10, 11)] code: i32) {
    assert_eq!(
        told(&pod(&json!({"phase": "Failed"}), &ended(code, "Error", ""))).0,
        None
    );
}

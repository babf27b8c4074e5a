//! The tries of a Job while it has not ended: why none runs, how many there were, and how the one before ended.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::build::job_name;
use super::dereference::Observed;
use super::failure::{Evidence, Trouble, of_pod, terminated};
use super::fate::own;
use super::status::ENDED;
use crate::api::{Reason, time};

/// Kubernetes makes a Job's Pod within a second or two.
pub const PATIENCE: TimeDelta = TimeDelta::seconds(20);

/// Why pgBackRest does not run although its Job is there.
pub fn not_running(observed: &Observed, now: DateTime<Utc>) -> (Reason, String) {
    let Some(pod) = observed.pods.last() else {
        return without_pod(observed, now);
    };
    let name = pod.name_any();
    let status = pod.status.clone().unwrap_or_default();
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let text = condition.message.clone().unwrap_or_default();
        return (
            Reason::PodNotStarting,
            format!("Pod {name} is not scheduled: {text}"),
        );
    }
    // The agent's end is what a container waits after that is to be started again.
    let ordinary = |reason: &str| {
        reason == "PodInitializing" || reason == "ContainerCreating" || reason == "CrashLoopBackOff"
    };
    let waiting = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref())
        .find(|waiting| waiting.reason.as_deref().is_some_and(|reason| !ordinary(reason)));
    if let Some(waiting) = waiting {
        let reason = waiting.reason.clone().unwrap_or_default();
        let text = waiting.message.clone().unwrap_or_default();
        return (Reason::PodNotStarting, format!("Pod {name}: {reason} {text}"));
    }
    if terminated(pod).is_some_and(|state| state.exit_code == 0) {
        return (Reason::InProgress, ENDED.to_owned());
    }
    match of_pod(pod, evidence(observed)) {
        Some(trouble) => (
            trouble.reason,
            format!("{} Another try follows.", trouble.message),
        ),
        None => (
            Reason::InProgress,
            format!("Pod {name} is starting{}", shown_before(observed)),
        ),
    }
}

/// A quota, a policy or a priority class that is not there keeps Kubernetes from making the Pod; only its Events say so.
fn without_pod(observed: &Observed, now: DateTime<Utc>) -> (Reason, String) {
    let created = observed
        .job
        .as_ref()
        .and_then(|job| job.metadata.creation_timestamp.as_ref());
    let age = created.map_or_else(TimeDelta::zero, |created| now - time::from_kubernetes(created));
    if age < PATIENCE {
        return (Reason::InProgress, "The Job has no Pod yet".to_owned());
    }
    let job = job_name(&observed.backup);
    let text = format!("Kubernetes makes no Pod for Job {job}: 'kubectl describe job {job}' shows why");
    (Reason::PodNotStarting, text)
}

/// What is known beside the Pods while their Job has not ended.
fn evidence(observed: &Observed) -> Evidence<'_> {
    Evidence {
        leader: observed.leader.as_ref(),
        ..Evidence::default()
    }
}

/// So many were begun, of those that can still be seen.
pub fn tries(observed: &Observed) -> usize {
    let restarts = |pod: &Pod| own(pod).map_or(0, |status| status.restart_count);
    let restarts: i32 = observed.pods.iter().map(restarts).sum();
    observed.pods.len() + usize::try_from(restarts).unwrap_or(0)
}

const BEFORE: &str = ", the one before: ";

/// How it is told why the one before was lost; empty where there was none.
pub fn shown_before(observed: &Observed) -> String {
    try_before(observed).map_or_else(String::new, |lost| format!("{BEFORE}{}", lost.reason))
}

/// The reason in such a text.
pub fn told_before(text: &str) -> Option<&str> {
    text.split_once(BEFORE).map(|(_, reason)| reason)
}

/// Why the last one before the one that runs ended.
pub fn try_before(observed: &Observed) -> Option<Trouble> {
    let (last, before) = observed.pods.split_last()?;
    let evidence = evidence(observed);
    // One that was started again in the same Pod left its end there.
    let restarted = terminated(last).and_then(|_| of_pod(last, evidence));
    restarted.or_else(|| before.iter().rev().find_map(|pod| of_pod(pod, evidence)))
}

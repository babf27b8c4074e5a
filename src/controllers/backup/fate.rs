//! What Kubernetes did to a Pod of the Job, from the Pod's own status: killed for memory, evicted, lost with its node, deleted.
//!
//! What pgBackRest says of its end is not here: [`super::failure`] asks for it when nothing was done to the Pod.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use kube::ResourceExt as _;

use super::build::CONTAINER;
use super::failure::{Trouble, outcome, terminated};
use super::status::reported;
use crate::agent::report::exit;
use crate::api::Reason;
use crate::domain::size::Bytes;

/// How a container ends that is told to, or is killed.
const ENDED_BY_SIGNAL: [i32; 3] = [exit::STOPPED as i32, 128 + 9, 128 + 15];

/// What was done to a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// In one word.
    pub reason: Reason,
    /// What happened.
    pub what: String,
}

impl Fate {
    fn new(reason: Reason, what: String) -> Self {
        Self { reason, what }
    }
}

impl From<Fate> for Trouble {
    fn from(fate: Fate) -> Self {
        Self::new(fate.reason, fate.what)
    }
}

/// What was done to it, if anything was.
#[must_use]
pub fn fate(pod: &Pod) -> Option<Fate> {
    out_of_memory(pod)
        .or_else(|| disrupted(pod))
        .or_else(|| refused_by_kubelet(pod))
        .or_else(|| silent_node(pod))
        .or_else(|| deleted(pod))
}

/// The kernel killed a process: the container's first one, or one of pgBackRest's while the agent lived on and counted.
fn out_of_memory(pod: &Pod) -> Option<Fate> {
    let state = terminated(pod)?;
    let outcome = outcome(state);
    let killed = state.reason.as_deref() == Some("OOMKilled");
    if !killed && outcome.memory_kills == 0 || outcome.exit == Some(0) {
        return None;
    }
    let peak = outcome
        .memory_peak
        .or_else(|| reported(pod)?.memory_peak)
        .map_or_else(
            || "how much it needed is not known".to_owned(),
            |peak| format!("it was seen to need {}", Bytes(peak)),
        );
    let what = format!(
        "Pod {} was killed: its memory limit is {}, and {peak}",
        pod.name_any(),
        memory_limit(pod)
    );
    Some(Fate::new(Reason::OutOfMemory, what))
}

/// Kubernetes marks a Pod before it ends it, and says who wanted that.
fn disrupted(pod: &Pod) -> Option<Fate> {
    let condition = condition(pod, "DisruptionTarget").filter(|condition| condition.status == "True")?;
    let (reason, who) = match condition.reason.as_deref().unwrap_or_default() {
        "EvictionByEvictionAPI" => (Reason::Evicted, "somebody evicted it, as draining a node does"),
        "PreemptionByScheduler" => (Reason::Evicted, "a Pod of a higher priority needed its place"),
        "TerminationByKubelet" => (Reason::Evicted, "its node ended it"),
        "DeletionByTaintManager" => (
            Reason::NodeLost,
            "its node has a taint that it does not tolerate, as one that does not answer has",
        ),
        "DeletionByPodGC" => (Reason::NodeLost, "its node is gone"),
        _ => (Reason::Evicted, "Kubernetes wanted it gone"),
    };
    // The kubelet's own words are in the Pod's status, those of all others in the condition.
    let said = [status_message(pod), condition.message.clone()];
    let said = said
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let what = format!("Pod {} on node {}: {who} ({said})", pod.name_any(), node(pod));
    Some(Fate::new(reason, what))
}

/// Before there were conditions for it, and still for what a kubelet will not run.
fn refused_by_kubelet(pod: &Pod) -> Option<Fate> {
    let status = pod.status.as_ref()?;
    let word = status.reason.as_deref()?;
    let reason = match word {
        "Evicted" | "Preempting" | "Shutdown" | "NodeShutdown" | "Terminated" => Reason::Evicted,
        "NodeLost" => Reason::NodeLost,
        _ if status.phase.as_deref() == Some("Failed") && terminated(pod).is_none() => Reason::Interrupted,
        _ => return None,
    };
    let said = status_message(pod).unwrap_or_default();
    let what = format!("Pod {} on node {}: {word} ({said})", pod.name_any(), node(pod));
    Some(Fate::new(reason, what))
}

/// A container without a probe is ready as long as it runs; that its Pod is not, is written by the control plane when the
/// node does not answer any more.
pub fn silent_node(pod: &Pod) -> Option<Fate> {
    let ready = condition(pod, "Ready")?;
    let running = own(pod)?.state.as_ref()?.running.is_some();
    let started = own(pod)?.ready;
    if !running || !started || ready.status != "False" {
        return None;
    }
    let what = format!("Node {} of Pod {} does not answer", node(pod), pod.name_any());
    Some(Fate::new(Reason::NodeLost, what))
}

/// Of a Pod that had ended by itself before, that it is deleted says nothing.
fn deleted(pod: &Pod) -> Option<Fate> {
    pod.metadata.deletion_timestamp.as_ref()?;
    if terminated(pod).is_some_and(|state| !ENDED_BY_SIGNAL.contains(&state.exit_code)) {
        return None;
    }
    let what = format!("Pod {} was deleted", pod.name_any());
    Some(Fate::new(Reason::Interrupted, what))
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The container that runs pgBackRest.
pub fn own(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == CONTAINER)
}

fn status_message(pod: &Pod) -> Option<String> {
    pod.status.as_ref()?.message.clone()
}

fn node(pod: &Pod) -> String {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    node.unwrap_or_else(|| "unknown".to_owned())
}

fn memory_limit(pod: &Pod) -> String {
    let limit = || {
        let containers = &pod.spec.as_ref()?.containers;
        let container = containers.iter().find(|container| container.name == CONTAINER)?;
        let limits = container.resources.as_ref()?.limits.as_ref()?;
        Some(limits.get("memory")?.0.clone())
    };
    limit().unwrap_or_else(|| "that of its node".to_owned())
}

#[cfg(test)]
mod tests;

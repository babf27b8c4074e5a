//! What is kept of each object: what the controllers look at, and nothing else. A thousand clusters fit into little memory.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{
    ContainerStatus, PersistentVolumeClaim, PersistentVolumeClaimStatus, Pod, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::agent::report::INSTANCE_ANNOTATION;
use crate::controllers::cluster::names::{ANNOTATION_AWAITS_DATA, ANNOTATION_LED_LAST};

/// A copy of the whole object, which clients leave there.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations that mean something to the operator.
const ANNOTATIONS: [&str; 3] = [INSTANCE_ANNOTATION, ANNOTATION_LED_LAST, ANNOTATION_AWAITS_DATA];

/// Drops from an object of ours what only clients and the API server need.
pub fn own(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// Drops from an object what only the API server needs.
pub fn metadata(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    metadata.self_link = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
}

/// An instance's Pod: who it is and how it is.
pub fn pod(pod: &mut Pod) {
    metadata(&mut pod.metadata);
    pod.spec = None;
    let Some(status) = pod.status.take() else { return };
    let conditions = status.conditions.map(|mut conditions| {
        conditions.retain(|condition| matches!(condition.type_.as_str(), "Ready" | "PodScheduled"));
        conditions
    });
    pod.status = Some(PodStatus {
        phase: status.phase,
        pod_ip: status.pod_ip,
        conditions,
        init_container_statuses: status.init_container_statuses.map(waiting),
        container_statuses: status.container_statuses.map(waiting),
        ..PodStatus::default()
    });
}

/// Those that wait, since that is told.
fn waiting(mut containers: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    containers.retain(|container| {
        container
            .state
            .as_ref()
            .is_some_and(|state| state.waiting.is_some())
    });
    containers
}

/// A `StatefulSet`: who it is, and the revision of its template.
pub fn stateful_set(set: &mut StatefulSet) {
    metadata(&mut set.metadata);
    set.spec = None;
    set.status = set.status.take().map(|status| StatefulSetStatus {
        update_revision: status.update_revision,
        ..StatefulSetStatus::default()
    });
}

/// A Deployment: how many of its Pods are ready.
pub fn deployment(deployment: &mut Deployment) {
    metadata(&mut deployment.metadata);
    deployment.spec = None;
    deployment.status = deployment.status.take().map(|status| DeploymentStatus {
        ready_replicas: status.ready_replicas,
        ..DeploymentStatus::default()
    });
}

/// A claim: what it asks for, since that is repeated when it is applied, and whether it is bound.
pub fn claim(claim: &mut PersistentVolumeClaim) {
    metadata(&mut claim.metadata);
    claim.status = claim.status.take().map(|status| PersistentVolumeClaimStatus {
        phase: status.phase,
        ..PersistentVolumeClaimStatus::default()
    });
}

//! What is kept of each object: what the controllers look at, and nothing else. A thousand clusters fit into little memory.
//!
//! Kubernetes' own types take kilobytes, also where nearly nothing is in them: they are made again when they are asked for.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{
    ContainerStatus, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, Pod,
    PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

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
fn metadata(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    metadata.self_link = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
}

/// An object of which not everything is kept.
pub trait Slim: Resource<DynamicType = ()> {
    /// What is kept beside its metadata.
    type Rest: Clone + PartialEq;

    /// Takes that out of it.
    fn rest(self) -> Self::Rest;

    /// The object again, without what is not kept.
    fn whole(metadata: ObjectMeta, rest: Self::Rest) -> Self;
}

/// What is kept of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<R> {
    pub metadata: ObjectMeta,
    rest: R,
}

impl<R> Kept<R> {
    /// Of an object.
    pub fn of<K: Slim<Rest = R>>(mut object: K) -> Self {
        let mut kept = std::mem::take(object.meta_mut());
        metadata(&mut kept);
        // It moves with every change of what is not kept.
        kept.resource_version = None;
        Self {
            metadata: kept,
            rest: object.rest(),
        }
    }

    /// The object again.
    pub fn whole<K: Slim<Rest = R>>(self) -> K {
        K::whole(self.metadata, self.rest)
    }
}

/// An instance's Pod: who it is and how it is.
impl Slim for Pod {
    type Rest = Option<PodStatus>;

    fn rest(self) -> Self::Rest {
        let status = self.status?;
        let conditions = status.conditions.map(|mut conditions| {
            conditions.retain(|condition| matches!(condition.type_.as_str(), "Ready" | "PodScheduled"));
            conditions
        });
        Some(PodStatus {
            phase: status.phase,
            pod_ip: status.pod_ip,
            conditions,
            init_container_statuses: status.init_container_statuses.map(waiting),
            container_statuses: status.container_statuses.map(waiting),
            ..PodStatus::default()
        })
    }

    fn whole(metadata: ObjectMeta, status: Self::Rest) -> Self {
        Self {
            metadata,
            spec: None,
            status,
        }
    }
}

/// Those that wait, since that is told.
fn waiting(mut containers: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    containers.retain(|container| {
        container
            .state
            .as_ref()
            .is_some_and(|state| state.waiting.is_some())
    });
    containers.shrink_to_fit();
    containers
}

/// A `StatefulSet`: who it is, and the revision of its template, once there is one.
impl Slim for StatefulSet {
    type Rest = Option<String>;

    fn rest(self) -> Self::Rest {
        self.status?.update_revision
    }

    fn whole(metadata: ObjectMeta, revision: Self::Rest) -> Self {
        let status = revision.map(|revision| StatefulSetStatus {
            update_revision: Some(revision),
            ..StatefulSetStatus::default()
        });
        Self {
            metadata,
            spec: None,
            status,
        }
    }
}

/// A Deployment: how many of its Pods are ready, where that is told.
impl Slim for Deployment {
    type Rest = Option<i32>;

    fn rest(self) -> Self::Rest {
        self.status?.ready_replicas
    }

    fn whole(metadata: ObjectMeta, ready: Self::Rest) -> Self {
        let status = ready.map(|ready| DeploymentStatus {
            ready_replicas: Some(ready),
            ..DeploymentStatus::default()
        });
        Self {
            metadata,
            spec: None,
            status,
        }
    }
}

/// A claim: what it asks for, since that is repeated when it is applied, and whether it is bound.
impl Slim for PersistentVolumeClaim {
    type Rest = (Option<PersistentVolumeClaimSpec>, Option<String>);

    fn rest(self) -> Self::Rest {
        (self.spec, self.status.and_then(|status| status.phase))
    }

    fn whole(metadata: ObjectMeta, (spec, phase): Self::Rest) -> Self {
        let status = phase.map(|phase| PersistentVolumeClaimStatus {
            phase: Some(phase),
            ..PersistentVolumeClaimStatus::default()
        });
        Self {
            metadata,
            spec,
            status,
        }
    }
}

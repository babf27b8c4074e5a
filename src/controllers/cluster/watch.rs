//! What wakes a reconcile: the cluster, what it owns, its Pods when something about them matters, the claims of its
//! repositories, the Secrets and `ConfigMaps` that it names (metadata only), its backups.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use super::dereference::referenced_sources;
use super::names::{LABEL_CLUSTER, LABEL_DATA, LABEL_MANAGED_BY, MANAGED_BY};
use super::reconcile::{Shared, on_failure, round};
use super::status::is_ready;
use super::user_files::Source;
use crate::agent::report::INSTANCE_ANNOTATION;
use crate::api::names::LABEL_PGBACKREST_VOLUME;
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::context::Context;
use crate::controllers::reading::{in_each_namespace, within};
use crate::controllers::round::leadership_gained;
use crate::controllers::watching::{Complaints, Pauses};

type Guarded = DeserializeGuard<PerconaPGCluster>;

/// Reconciles clusters, in the namespaces of the settings or in all, until the process is told to end.
pub async fn run(context: Context) {
    let settings = context.settings.clone();
    let shared = Arc::new(Shared::new(context));
    in_each_namespace(&settings, |namespace| run_in(&shared, namespace)).await;
}

async fn run_in(shared: &Arc<Shared>, namespace: Option<&str>) {
    let context = &shared.context;
    let client = &context.client;
    let ours = watcher::Config::default().labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_CLUSTER}"));
    // Instances, and the repository host.
    let data = watcher::Config::default().labels(&format!("{LABEL_CLUSTER},{LABEL_DATA}"));
    let volumes = watcher::Config::default().labels(&format!("{LABEL_CLUSTER},{LABEL_PGBACKREST_VOLUME}"));
    let everything = watcher::Config::default;

    let controller = Controller::new(within::<Guarded>(client, namespace), everything());
    let clusters = controller.store();
    let seen = Seen::default();
    let mut complaints = Complaints::new("cluster");
    controller
        .trigger_backoff(Pauses::default())
        .owns(within::<StatefulSet>(client, namespace), ours.clone())
        .owns(within::<Deployment>(client, namespace), ours.clone())
        .owns(within::<PartialObjectMeta<Service>>(client, namespace), ours)
        .watches(within::<Pod>(client, namespace), data, move |pod| {
            if seen.is_news(&pod) { by_label(&pod) } else { None }
        })
        .watches(
            within::<PartialObjectMeta<PersistentVolumeClaim>>(client, namespace),
            volumes,
            |claim| by_label(&claim),
        )
        .watches(
            within::<PartialObjectMeta<Secret>>(client, namespace),
            everything(),
            {
                let clusters = clusters.clone();
                move |secret| by_reference(&clusters, &secret, &Source::Secret(secret.name_any()))
            },
        )
        .watches(
            within::<PartialObjectMeta<ConfigMap>>(client, namespace),
            everything(),
            {
                let clusters = clusters.clone();
                move |map| by_reference(&clusters, &map, &Source::ConfigMap(map.name_any()))
            },
        )
        .watches(
            within::<DeserializeGuard<PerconaPGBackup>>(client, namespace),
            everything(),
            |backup| {
                let cluster = backup.0.as_ref().ok()?.spec.pg_cluster.clone();
                Some(reference(&cluster, backup.namespace()))
            },
        )
        .reconcile_all_on(leadership_gained(context.claim.clone()))
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(round, on_failure, shared.clone())
        .for_each(|result| {
            if let Err(error) = result {
                complaints.hear(&error);
            }
            std::future::ready(())
        })
        .await;
}

fn reference(cluster: &str, namespace: Option<String>) -> ObjectRef<Guarded> {
    ObjectRef::new(cluster).within(&namespace.unwrap_or_default())
}

fn by_label(object: &impl kube::ResourceExt) -> Option<ObjectRef<Guarded>> {
    Some(reference(object.labels().get(LABEL_CLUSTER)?, object.namespace()))
}

/// Clusters that name the object, and the one it carries the label of.
fn by_reference(
    clusters: &Store<Guarded>,
    object: &impl kube::ResourceExt,
    source: &Source,
) -> Vec<ObjectRef<Guarded>> {
    let namespace = object.namespace();
    let mut found: Vec<_> = clusters
        .state()
        .iter()
        .filter(|cluster| cluster.namespace() == namespace)
        .filter_map(|cluster| cluster.0.as_ref().ok())
        .filter(|cluster| referenced_sources(cluster).contains(source))
        .map(|cluster| reference(&cluster.name_any(), namespace.clone()))
        .collect();
    found.extend(by_label(object));
    found
}

/// What Kubernetes says against starting a Pod.
fn not_starting(pod: &Pod) -> Vec<&str> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .filter_map(|condition| condition.message.as_deref());
    let waiting = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten()
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
    unscheduled.chain(waiting).collect()
}

/// Remembers what mattered about each Pod: Patroni rewrites an annotation on every loop, which is no news.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<String, u64>>>);

impl Seen {
    fn is_news(&self, pod: &Pod) -> bool {
        let Some(uid) = pod.uid() else { return true };
        let mut hasher = DefaultHasher::new();
        pod.labels().hash(&mut hasher);
        pod.annotations().get(INSTANCE_ANNOTATION).hash(&mut hasher);
        is_ready(pod).hash(&mut hasher);
        pod.metadata.deletion_timestamp.is_some().hash(&mut hasher);
        not_starting(pod).hash(&mut hasher);
        pod.status
            .as_ref()
            .and_then(|status| status.phase.as_ref())
            .hash(&mut hasher);
        let now = hasher.finish();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pod
            .status
            .as_ref()
            .is_some_and(|status| status.phase.as_deref() == Some("Succeeded"))
        {
            seen.remove(&uid);
        }
        seen.insert(uid, now) != Some(now)
    }
}

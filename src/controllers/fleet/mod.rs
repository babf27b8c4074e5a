//! What the API server shows of the clusters: one watch of each kind for all controllers, and of each object no more than
//! they look at.
//!
//! Invariants: nothing is decided here, and nothing is written. What is kept may be a moment old; whoever is about to break
//! something reads again. Nobody is woken, and nothing may be reconciled, before all of it has been seen once.

mod follow;
mod queue;
mod shelf;
mod slim;
mod sources;
mod traces;
mod watches;

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, ObjectRef, Store};
use tokio::sync::watch;

use super::context::Context;
use crate::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore};
use shelf::Shelf;
use slim::{Kept, Slim};

pub use queue::{Action, Work};
pub use sources::Contents;
pub use traces::{Fingerprint, Seen, Traces};

/// A cluster as it was read, or why it cannot be.
pub type Cluster = DeserializeGuard<PerconaPGCluster>;
/// A backup as it was read, or why it cannot be.
pub type Backup = DeserializeGuard<PerconaPGBackup>;

/// A restore as it was read, or why it cannot be.
pub type Restore = DeserializeGuard<PerconaPGRestore>;

/// Namespace and name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// Of these parts.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Of an object itself.
    #[must_use]
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }

    /// For kube's runtime.
    #[must_use]
    pub fn reference<K: kube::Resource<DynamicType = ()>>(&self) -> ObjectRef<K> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

/// What has changed.
#[derive(Debug, Clone)]
pub enum News {
    /// A cluster itself.
    Cluster(Key),
    /// A cluster is gone.
    Gone {
        /// The cluster.
        key: Key,
        /// Its uid.
        uid: String,
    },
    /// Something that belongs to a cluster, or that it names.
    Part(Key),
    /// What a cluster's instances say of themselves.
    Report(Key),
    /// The Job of a backup, or a Pod of it.
    Work(Key),
    /// The Job by which retention lets something go.
    Expiry(Key),
    /// A restore, its Job, or a Pod of it.
    Restore(Key),
    /// A backup.
    Backup {
        /// The backup.
        key: Key,
        /// The cluster that it is of.
        of: Key,
        /// Its uid.
        uid: String,
        /// It has ended, is going, or is gone.
        over: bool,
        /// It has ended, as its status says.
        completed: bool,
    },
}

/// Objects of a kind, without what is not looked at.
type Parts<K> = Shelf<Kept<<K as Slim>::Rest>>;

/// What is known of one namespace, or of all of them.
pub struct Fleet {
    namespace: Option<String>,
    clusters: Store<Cluster>,
    backups: Store<Backup>,
    restores: Store<Restore>,
    backups_of: Shelf<()>,
    pods: Parts<Pod>,
    stateful_sets: Parts<StatefulSet>,
    deployments: Parts<Deployment>,
    claims: Parts<PersistentVolumeClaim>,
    /// Addresses of the Services in front of leaders.
    addresses: Shelf<String>,
    traces: Traces,
    contents: Contents,
    listeners: Mutex<Vec<mpsc::UnboundedSender<News>>>,
    complete: watch::Sender<bool>,
    writers: Mutex<Option<Writers>>,
}

/// The giving sides of the stores, until the watches take them.
struct Writers {
    clusters: reflector::store::Writer<Cluster>,
    backups: reflector::store::Writer<Backup>,
    restores: reflector::store::Writer<Restore>,
}

impl Fleet {
    /// With nothing seen yet; [`Fleet::run`] fills it.
    #[must_use]
    pub fn new(namespace: Option<String>) -> Self {
        let (clusters, clusters_writer) = reflector::store();
        let (backups, backups_writer) = reflector::store();
        let (restores, restores_writer) = reflector::store();
        Self {
            namespace,
            clusters,
            backups,
            restores,
            backups_of: Shelf::default(),
            pods: Shelf::default(),
            stateful_sets: Shelf::default(),
            deployments: Shelf::default(),
            claims: Shelf::default(),
            addresses: Shelf::default(),
            traces: Traces::default(),
            contents: Contents::default(),
            listeners: Mutex::default(),
            complete: watch::Sender::new(false),
            writers: Mutex::new(Some(Writers {
                clusters: clusters_writer,
                backups: backups_writer,
                restores: restores_writer,
            })),
        }
    }

    /// Watches until the process is told to end.
    pub async fn run(self: Arc<Self>, context: Context) {
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writers) = writers {
            watches::all(&self, &context, writers).await;
        }
    }

    /// Waits until everything has been seen once.
    pub async fn seen(&self) {
        // The sender lives as long as the fleet.
        let _ = self.complete.subscribe().wait_for(|complete| *complete).await;
    }

    /// Takes note of an object that was written just now, before a watch shows it.
    pub fn see<K: kube::Resource<DynamicType = ()>>(&self, metadata: &ObjectMeta) {
        self.traces.see::<K>(metadata, Seen::Changed);
    }

    /// The same of a Service, and of its address.
    pub fn see_service(&self, service: &Service) {
        self.see::<Service>(&service.metadata);
        watches::keep_address(self, service);
    }

    /// What changes from now on.
    pub fn news(&self) -> mpsc::UnboundedReceiver<News> {
        let (sender, receiver) = mpsc::unbounded();
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        receiver
    }

    /// Tells everybody who listens.
    pub fn tell(&self, news: &News) {
        if *self.complete.borrow() {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| listener.unbounded_send(news.clone()).is_ok());
        }
    }

    /// The namespace, or nothing for all.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// All clusters.
    #[must_use]
    pub fn clusters(&self) -> &Store<Cluster> {
        &self.clusters
    }

    /// All backups.
    #[must_use]
    pub fn backups(&self) -> &Store<Backup> {
        &self.backups
    }

    /// All restores.
    #[must_use]
    pub fn restores(&self) -> &Store<Restore> {
        &self.restores
    }

    /// The backups of a cluster that can be read.
    #[must_use]
    pub fn backups_of(&self, cluster: &Key) -> Vec<PerconaPGBackup> {
        self.backups_of
            .names(cluster)
            .iter()
            .filter_map(|name| self.backups.get(&Key::new(&cluster.namespace, name).reference()))
            .filter_map(|backup| backup.0.as_ref().ok().cloned())
            .collect()
    }

    /// Pods of instances and of the repository host, without their specification.
    #[must_use]
    pub fn pods(&self, cluster: &Key) -> Vec<Pod> {
        all(&self.pods, cluster)
    }

    /// `StatefulSets`: their labels, annotations and revision.
    #[must_use]
    pub fn stateful_sets(&self, cluster: &Key) -> Vec<StatefulSet> {
        all(&self.stateful_sets, cluster)
    }

    /// A Deployment: how many of its Pods are ready.
    #[must_use]
    pub fn deployment(&self, cluster: &Key, name: &str) -> Option<Deployment> {
        self.deployments.get(cluster, name).map(Kept::whole)
    }

    /// Claims.
    #[must_use]
    pub fn claims(&self, cluster: &Key) -> Vec<PersistentVolumeClaim> {
        all(&self.claims, cluster)
    }

    /// The address of a Service.
    #[must_use]
    pub fn address(&self, cluster: &Key, service: &str) -> Option<String> {
        self.addresses.get(cluster, service)
    }

    /// Traces of what was applied.
    #[must_use]
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What Secrets and `ConfigMaps` hold that clusters name.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }
}

fn all<K: Slim>(shelf: &Parts<K>, cluster: &Key) -> Vec<K> {
    shelf.of(cluster).into_iter().map(Kept::whole).collect()
}

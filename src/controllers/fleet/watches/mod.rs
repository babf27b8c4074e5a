//! The watches, one for each kind, and what becomes of what they show.

mod backups;
mod clusters;
mod parts;
mod restores;
mod services;
mod traced;
mod work;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use kube::api::PartialObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher;
use tokio::sync::Semaphore;

use self::backups::Backups;
use self::clusters::Clusters;
use self::parts::Parts;
use self::restores::Restores;
use self::services::Services;
pub use self::services::keep_address;
use self::traced::Traced;
use self::work::{Work, by_annotation, by_owner, of_restore};
use super::follow::{Keeper, follow};
use super::{Backup, Cluster, Fleet, Key, News, Restore, Writers};
use crate::api::names::{
    LABEL_CLUSTER, LABEL_DATA, LABEL_MANAGED_BY, LABEL_PGBACKREST_BACKUP, LABEL_PGBACKREST_EXPIRE,
    LABEL_PGBACKREST_RESTORE,
};
use crate::controllers::cluster::names::MANAGED_BY;
use crate::controllers::cluster::user_files::Source;
use crate::controllers::context::Context;
use crate::controllers::reading::within;

/// So many objects are listed at once: a page is held in memory as a whole.
const PAGE: u32 = 100;

/// Watches everything until told to end.
pub async fn all(fleet: &Fleet, context: &Context, writers: Writers) {
    let of_clusters = || watcher::Config::default().labels(LABEL_CLUSTER);
    let instances = watcher::Config::default().labels(&format!("{LABEL_CLUSTER},{LABEL_DATA}"));
    let ours =
        || watcher::Config::default().labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_CLUSTER}"));
    // Kubernetes copies a Service's labels to the slices that it makes itself.
    let slices = ours().labels(&format!(
        "{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_CLUSTER},endpointslice.kubernetes.io/managed-by={MANAGED_BY}"
    ));
    let of_backups = || watcher::Config::default().labels(LABEL_PGBACKREST_BACKUP);
    let of_restores = || watcher::Config::default().labels(LABEL_PGBACKREST_RESTORE);
    let of_retention = watcher::Config::default().labels(LABEL_PGBACKREST_EXPIRE);
    let everything = watcher::Config::default;
    let watches = Watches {
        fleet,
        context,
        left: AtomicUsize::new(0),
        turn: Semaphore::new(1),
    };
    let all: [BoxFuture<'_, ()>; 20] = [
        watches.one::<Cluster>(everything(), Clusters::of(fleet, writers.clusters)),
        watches.one::<Backup>(everything(), Backups::of(fleet, writers.backups)),
        watches.one::<Restore>(everything(), Restores::of(fleet, writers.restores)),
        watches.one::<Pod>(instances, Parts::made_by_kubernetes(fleet, &fleet.pods)),
        watches.one::<StatefulSet>(of_clusters(), Parts::of(fleet, &fleet.stateful_sets)),
        watches.one::<Deployment>(of_clusters(), Parts::of(fleet, &fleet.deployments)),
        watches.one::<PersistentVolumeClaim>(of_clusters(), Parts::of(fleet, &fleet.claims)),
        watches.one::<Service>(of_clusters(), Services::of(fleet)),
        watches.one::<Job>(of_backups(), Work::of(fleet, by_owner, News::Work)),
        watches.one::<Pod>(of_backups(), Work::of(fleet, by_annotation, News::Work)),
        watches.one::<Job>(of_restores(), Work::of(fleet, of_restore, News::Restore)),
        watches.one::<Pod>(of_restores(), Work::of(fleet, of_restore, News::Restore)),
        watches.one::<Job>(of_retention, Work::of(fleet, labelled, News::Expiry)),
        watches.one::<PartialObjectMeta<Secret>>(
            everything(),
            Traced::<Secret>::of(fleet, Some(Source::Secret)),
        ),
        watches.one::<PartialObjectMeta<ConfigMap>>(
            everything(),
            Traced::<ConfigMap>::of(fleet, Some(Source::ConfigMap)),
        ),
        watches.one::<PartialObjectMeta<ServiceAccount>>(ours(), Traced::<ServiceAccount>::of(fleet, None)),
        watches.one::<PartialObjectMeta<Role>>(ours(), Traced::<Role>::of(fleet, None)),
        watches.one::<PartialObjectMeta<RoleBinding>>(ours(), Traced::<RoleBinding>::of(fleet, None)),
        watches.one::<PartialObjectMeta<EndpointSlice>>(slices, Traced::<EndpointSlice>::of(fleet, None)),
        watches.one::<PartialObjectMeta<PodDisruptionBudget>>(
            ours(),
            Traced::<PodDisruptionBudget>::of(fleet, None),
        ),
    ];
    // Only those are asked that something has arrived for.
    all.into_iter()
        .collect::<FuturesUnordered<_>>()
        .collect::<()>()
        .await;
}

struct Watches<'a> {
    fleet: &'a Fleet,
    context: &'a Context,
    /// Kinds that have not been seen yet.
    left: AtomicUsize,
    /// Kinds are listed one after the other.
    turn: Semaphore,
}

impl<'a> Watches<'a> {
    fn one<K>(&'a self, config: watcher::Config, keeper: impl Keeper<K> + Send + 'a) -> BoxFuture<'a, ()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + Send
            + 'static,
    {
        self.left.fetch_add(1, Ordering::Relaxed);
        let seen = || {
            if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.fleet.complete.send_replace(true);
            }
        };
        let api = within::<K>(&self.context.client, self.fleet.namespace());
        let shutdown = self.context.shutdown.clone();
        Box::pin(follow(
            api,
            config.page_size(PAGE),
            keeper,
            &self.turn,
            seen,
            shutdown,
        ))
    }
}

fn labelled(object: &impl kube::ResourceExt) -> Option<Key> {
    Some(Key::new(object.namespace()?, object.labels().get(LABEL_CLUSTER)?))
}

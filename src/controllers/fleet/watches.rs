//! The watches, one for each kind, and what becomes of what they show.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PartialObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt as _};

use super::follow::{Keeper, follow};
use super::shelf::Shelf;
use super::traces::of_ours;
use super::{Backup, Cluster, Fleet, Key, News, Seen, Writers, slim};
use crate::agent::report::INSTANCE_ANNOTATION;
use crate::api::PerconaPGBackup;
use crate::api::backup::JobState;
use crate::api::names::{
    ANNOTATION_BACKUP, LABEL_CLUSTER, LABEL_DATA, LABEL_MANAGED_BY, LABEL_PGBACKREST_BACKUP,
};
use crate::controllers::cluster::dereference::referenced_sources;
use crate::controllers::cluster::names::{MANAGED_BY, Names};
use crate::controllers::cluster::user_files::Source;
use crate::controllers::context::Context;
use crate::controllers::reading::within;

/// So many large objects are listed at once: a page is held in memory as a whole.
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
    let everything = watcher::Config::default;
    let watches = Watches {
        fleet,
        context,
        left: AtomicUsize::new(0),
    };
    let clusters = Clusters {
        fleet,
        writer: writers.clusters,
        there: HashSet::new(),
    };
    let backups = Backups {
        fleet,
        writer: writers.backups,
        there: HashSet::new(),
    };
    join_all([
        watches.one::<Cluster>(everything().page_size(PAGE), clusters),
        watches.one::<Backup>(everything().page_size(PAGE), backups),
        watches.one::<Pod>(
            instances.page_size(PAGE),
            Parts::of(fleet, &fleet.pods, slim::pod),
        ),
        watches.one::<StatefulSet>(
            of_clusters().page_size(PAGE),
            Parts::of(fleet, &fleet.stateful_sets, slim::stateful_set),
        ),
        watches.one::<Deployment>(
            of_clusters().page_size(PAGE),
            Parts::of(fleet, &fleet.deployments, slim::deployment),
        ),
        watches.one::<PersistentVolumeClaim>(of_clusters(), Parts::of(fleet, &fleet.claims, slim::claim)),
        watches.one::<Service>(
            of_clusters(),
            Services {
                fleet,
                there: HashSet::new(),
            },
        ),
        watches.one::<Job>(of_backups().page_size(PAGE), Work::of(fleet, by_owner)),
        watches.one::<Pod>(of_backups().page_size(PAGE), Work::of(fleet, by_annotation)),
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
    ])
    .await;
}

struct Watches<'a> {
    fleet: &'a Fleet,
    context: &'a Context,
    /// Kinds that have not been seen yet.
    left: AtomicUsize,
}

impl<'a> Watches<'a> {
    fn one<K>(
        &'a self,
        config: watcher::Config,
        keeper: impl Keeper<K> + Send + 'a,
    ) -> futures::future::BoxFuture<'a, ()>
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
        Box::pin(follow(api, config, keeper, seen, self.context.shutdown.clone()))
    }
}

fn own(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Key {
    Key::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn labelled(object: &impl kube::ResourceExt) -> Option<Key> {
    Some(Key::new(object.namespace()?, object.labels().get(LABEL_CLUSTER)?))
}

struct Clusters<'a> {
    fleet: &'a Fleet,
    writer: Writer<Cluster>,
    there: HashSet<Key>,
}

impl Clusters<'_> {
    fn keep(&self, mut cluster: Cluster) -> (Key, Cluster) {
        let metadata = cluster.meta_mut();
        metadata.managed_fields = None;
        // A copy of the whole object, which clients leave there.
        if let Some(annotations) = &mut metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        let key = own(cluster.meta());
        let sources = cluster.0.as_ref().map(referenced_sources).unwrap_or_default();
        self.fleet.contents.named(&key, sources);
        (key, cluster)
    }
}

impl Keeper<Cluster> for Clusters<'_> {
    fn begin(&mut self) {
        self.there.clear();
        self.writer.apply_watcher_event(&Event::Init);
    }

    fn listed(&mut self, cluster: Cluster) {
        let (key, cluster) = self.keep(cluster);
        self.there.insert(key);
        self.writer.apply_watcher_event(&Event::InitApply(cluster));
    }

    fn end(&mut self) {
        self.writer.apply_watcher_event(&Event::InitDone);
        for cluster in self.fleet.contents.clusters() {
            if !self.there.contains(&cluster) {
                self.fleet.contents.named(&cluster, Vec::new());
            }
        }
        for cluster in self.there.drain() {
            self.fleet.tell(&News::Cluster(cluster));
        }
    }

    fn changed(&mut self, cluster: Cluster) {
        let (key, cluster) = self.keep(cluster);
        self.writer.apply_watcher_event(&Event::Apply(cluster));
        self.fleet.tell(&News::Cluster(key));
    }

    fn gone(&mut self, cluster: &Cluster) {
        self.writer.apply_watcher_event(&Event::Delete(cluster.clone()));
        let key = own(cluster.meta());
        self.fleet.contents.named(&key, Vec::new());
        let uid = cluster.uid().unwrap_or_default();
        self.fleet.tell(&News::Gone { key, uid });
    }
}

struct Backups<'a> {
    fleet: &'a Fleet,
    writer: Writer<Backup>,
    there: HashSet<Key>,
}

impl Backups<'_> {
    fn keep(&self, mut backup: Backup) -> (Option<News>, Backup) {
        backup.meta_mut().managed_fields = None;
        let news = news_of(&backup, false);
        if let Some(News::Backup { key, of, .. }) = &news {
            self.fleet.backups_of.put(of, &key.name, ());
        }
        (news, backup)
    }
}

/// What is to be told of a backup that can be read.
fn news_of(backup: &Backup, gone: bool) -> Option<News> {
    let read = backup.0.as_ref().ok()?;
    let key = own(&read.metadata);
    let status = read.status.as_ref();
    let state = status.and_then(|status| status.state.as_ref());
    Some(News::Backup {
        of: Key::new(key.namespace.clone(), read.spec.pg_cluster.clone()),
        key,
        uid: read.uid().unwrap_or_default(),
        over: gone || read.metadata.deletion_timestamp.is_some() || state.is_some_and(JobState::is_terminal),
        completed: status.is_some_and(|status| status.completed.is_some()),
    })
}

impl Keeper<Backup> for Backups<'_> {
    fn begin(&mut self) {
        self.there.clear();
        self.writer.apply_watcher_event(&Event::Init);
    }

    fn listed(&mut self, backup: Backup) {
        self.there.insert(own(backup.meta()));
        let (_, backup) = self.keep(backup);
        self.writer.apply_watcher_event(&Event::InitApply(backup));
    }

    fn end(&mut self) {
        self.writer.apply_watcher_event(&Event::InitDone);
        for cluster in self.fleet.backups_of.keep_only(&self.there) {
            self.fleet.tell(&News::Part(cluster));
        }
        self.there.clear();
        // What was missed may have been the end of any.
        for backup in self.fleet.backups.state() {
            if let Some(news) = news_of(&backup, false) {
                self.fleet.tell(&news);
            }
        }
    }

    fn changed(&mut self, backup: Backup) {
        let (news, backup) = self.keep(backup);
        self.writer.apply_watcher_event(&Event::Apply(backup));
        if let Some(news) = news {
            self.fleet.tell(&news);
        }
    }

    fn gone(&mut self, backup: &Backup) {
        self.fleet.backups_of.remove(&own(backup.meta()));
        self.writer.apply_watcher_event(&Event::Delete(backup.clone()));
        if let Some(news) = news_of(backup, true) {
            self.fleet.tell(&news);
        }
    }
}

/// Objects that are looked at, and are kept without what is not.
struct Parts<'a, K> {
    fleet: &'a Fleet,
    shelf: &'a Shelf<K>,
    slim: fn(&mut K),
    there: HashSet<Key>,
    traced: HashSet<(Key, String)>,
}

impl<'a, K: Resource<DynamicType = ()> + PartialEq + Clone> Parts<'a, K> {
    fn of(fleet: &'a Fleet, shelf: &'a Shelf<K>, slim: fn(&mut K)) -> Self {
        Self {
            fleet,
            shelf,
            slim,
            there: HashSet::new(),
            traced: HashSet::new(),
        }
    }

    /// Keeps an object; the cluster that it is of, and whether it is news.
    fn keep(&self, mut object: K, seen: Seen) -> Option<(Key, bool)> {
        let cluster = labelled(&object)?;
        let touched = self.fleet.traces.see::<K>(object.meta(), seen).is_some();
        (self.slim)(&mut object);
        // It moves with every change of what is not kept.
        object.meta_mut().resource_version = None;
        let report = |object: &K| object.annotations().get(INSTANCE_ANNOTATION).cloned();
        let (name, now) = (object.name_any(), report(&object));
        let before = self.shelf.get(&cluster, &name);
        let news = touched || before.as_ref() != Some(&object);
        if before.as_ref().and_then(report) != now {
            self.fleet.tell(&News::Report(cluster.clone()));
        }
        self.shelf.put(&cluster, &name, object);
        Some((cluster, news))
    }

    fn told(&self, object: K, seen: Seen) {
        if let Some((cluster, true)) = self.keep(object, seen) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

impl<K: Resource<DynamicType = ()> + PartialEq + Clone> Keeper<K> for Parts<'_, K> {
    fn begin(&mut self) {
        self.there.clear();
        self.traced.clear();
    }

    fn listed(&mut self, object: K) {
        self.there.insert(own(object.meta()));
        if let Some(cluster) = of_ours(object.meta()) {
            self.traced.insert((cluster, object.name_any()));
        }
        self.told(object, Seen::Listed);
    }

    fn end(&mut self) {
        let lost = self.shelf.keep_only(&self.there);
        let untraced = self.fleet.traces.keep_only::<K>(&self.traced);
        for cluster in lost.into_iter().chain(untraced) {
            self.fleet.tell(&News::Part(cluster));
        }
        self.begin();
    }

    fn changed(&mut self, object: K) {
        self.told(object, Seen::Changed);
    }

    fn gone(&mut self, object: &K) {
        self.fleet.traces.gone::<K>(object.meta());
        if let Some(cluster) = self.shelf.remove(&own(object.meta())) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

/// What runs backups: nothing of it is kept but which backup it is of.
struct Work<'a, K> {
    fleet: &'a Fleet,
    backup_of: fn(&K) -> Option<Key>,
    known: HashMap<Key, Key>,
    there: HashSet<Key>,
}

impl<'a, K> Work<'a, K> {
    fn of(fleet: &'a Fleet, backup_of: fn(&K) -> Option<Key>) -> Self {
        Self {
            fleet,
            backup_of,
            known: HashMap::new(),
            there: HashSet::new(),
        }
    }
}

fn by_owner(job: &Job) -> Option<Key> {
    let owners = job.owner_references().iter();
    let backup = owners
        .into_iter()
        .find(|owner| owner.kind == PerconaPGBackup::kind(&()))?;
    Some(Key::new(job.namespace()?, backup.name.clone()))
}

fn by_annotation(pod: &Pod) -> Option<Key> {
    Some(Key::new(
        pod.namespace()?,
        pod.annotations().get(ANNOTATION_BACKUP)?,
    ))
}

impl<K: Resource<DynamicType = ()>> Keeper<K> for Work<'_, K> {
    fn begin(&mut self) {
        self.there.clear();
    }

    fn listed(&mut self, object: K) {
        self.there.insert(own(object.meta()));
        self.changed(object);
    }

    fn end(&mut self) {
        let (fleet, there) = (self.fleet, &self.there);
        self.known.retain(|own, backup| {
            let stays = there.contains(own);
            if !stays {
                fleet.tell(&News::Work(backup.clone()));
            }
            stays
        });
        self.there.clear();
    }

    fn changed(&mut self, object: K) {
        if let Some(backup) = (self.backup_of)(&object) {
            self.known.insert(own(object.meta()), backup.clone());
            self.fleet.tell(&News::Work(backup));
        }
    }

    fn gone(&mut self, object: &K) {
        if let Some(backup) = self.known.remove(&own(object.meta())) {
            self.fleet.tell(&News::Work(backup));
        }
    }
}

/// Services: of those in front of leaders the address is kept.
struct Services<'a> {
    fleet: &'a Fleet,
    there: HashSet<(Key, String)>,
}

/// Keeps the address of a Service, if it is one in front of a leader. True when that is news.
pub fn keep_address(fleet: &Fleet, service: &Service) -> bool {
    let address = service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone());
    let address = address.filter(|address| !address.is_empty() && address != "None");
    match (labelled(service), address, service.name_any()) {
        (Some(cluster), Some(address), name) if name == Names::named(&cluster).ha() => {
            let before = fleet.addresses.put(&cluster, &name, address.clone());
            before.is_none_or(|before| *before != address)
        }
        _ => false,
    }
}

impl Services<'_> {
    fn told(&self, service: &Service, seen: Seen) {
        let touched = self
            .fleet
            .traces
            .see::<Service>(&service.metadata, seen)
            .is_some();
        let moved = keep_address(self.fleet, service);
        if let Some(cluster) = labelled(service)
            && (touched || moved)
        {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

impl Keeper<Service> for Services<'_> {
    fn begin(&mut self) {
        self.there.clear();
    }

    fn listed(&mut self, service: Service) {
        if let Some(cluster) = of_ours(&service.metadata) {
            self.there.insert((cluster, service.name_any()));
        }
        self.told(&service, Seen::Listed);
    }

    fn end(&mut self) {
        for cluster in self.fleet.traces.keep_only::<Service>(&self.there) {
            self.fleet.tell(&News::Part(cluster));
        }
        self.there.clear();
    }

    fn changed(&mut self, service: Service) {
        self.told(&service, Seen::Changed);
    }

    fn gone(&mut self, service: &Service) {
        self.fleet.addresses.remove(&own(&service.metadata));
        if let Some(cluster) = self.fleet.traces.gone::<Service>(&service.metadata) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

/// Objects of which only the metadata are watched: their traces, and of some that clusters name it.
struct Traced<'a, K> {
    fleet: &'a Fleet,
    source: Option<fn(String) -> Source>,
    there: HashSet<(Key, String)>,
    named: HashSet<(String, Source)>,
    kind: PhantomData<fn(K)>,
}

impl<'a, K: Resource<DynamicType = ()>> Traced<'a, K> {
    fn of(fleet: &'a Fleet, source: Option<fn(String) -> Source>) -> Self {
        Self {
            fleet,
            source,
            there: HashSet::new(),
            named: HashSet::new(),
            kind: PhantomData,
        }
    }

    fn shown(&self, object: &PartialObjectMeta<K>, version: Option<&str>) {
        let Some(source) = self.source else { return };
        let namespace = object.namespace().unwrap_or_default();
        let source = source(object.name_any());
        for cluster in self.fleet.contents.shown(&namespace, &source, version) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

impl<K: Resource<DynamicType = ()>> Traced<'_, K> {
    fn told(&self, object: &PartialObjectMeta<K>, seen: Seen) {
        self.shown(object, object.resource_version().as_deref());
        if let Some(cluster) = self.fleet.traces.see::<K>(&object.metadata, seen) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

impl<K: Resource<DynamicType = ()>> Keeper<PartialObjectMeta<K>> for Traced<'_, K> {
    fn begin(&mut self) {
        self.there.clear();
        self.named.clear();
    }

    fn listed(&mut self, object: PartialObjectMeta<K>) {
        if let Some(cluster) = of_ours(&object.metadata) {
            self.there.insert((cluster, object.name_any()));
        }
        if let Some(source) = self.source {
            let place = (object.namespace().unwrap_or_default(), source(object.name_any()));
            if self.fleet.contents.is_held(&place) {
                self.named.insert(place);
            }
        }
        self.told(&object, Seen::Listed);
    }

    fn end(&mut self) {
        for cluster in self.fleet.traces.keep_only::<K>(&self.there) {
            self.fleet.tell(&News::Part(cluster));
        }
        if let Some(source) = self.source {
            let kind = std::mem::discriminant(&source(String::new()));
            let of_kind = |source: &Source| std::mem::discriminant(source) == kind;
            for (namespace, source) in self.fleet.contents.missing(&self.named, of_kind) {
                for cluster in self.fleet.contents.shown(&namespace, &source, None) {
                    self.fleet.tell(&News::Part(cluster));
                }
            }
        }
        self.begin();
    }

    fn changed(&mut self, object: PartialObjectMeta<K>) {
        self.told(&object, Seen::Changed);
    }

    fn gone(&mut self, object: &PartialObjectMeta<K>) {
        self.shown(object, None);
        if let Some(cluster) = self.fleet.traces.gone::<K>(&object.metadata) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

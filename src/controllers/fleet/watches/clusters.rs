//! Clusters: kept in their store, without what only clients and the API server need.

use std::collections::HashSet;

use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};

use super::super::follow::Keeper;
use super::super::{Cluster, Fleet, Key, News, slim};
use crate::controllers::cluster::dereference::referenced_sources;

/// Clusters themselves.
pub struct Clusters<'a> {
    fleet: &'a Fleet,
    writer: Writer<Cluster>,
    there: HashSet<Key>,
}

impl<'a> Clusters<'a> {
    pub fn of(fleet: &'a Fleet, writer: Writer<Cluster>) -> Self {
        Self {
            fleet,
            writer,
            there: HashSet::new(),
        }
    }
}

impl Clusters<'_> {
    fn keep(&self, mut cluster: Cluster) -> (Key, Cluster) {
        slim::own(cluster.meta_mut());
        let key = Key::of(cluster.meta());
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
        let key = Key::of(cluster.meta());
        self.fleet.contents.named(&key, Vec::new());
        let uid = cluster.uid().unwrap_or_default();
        self.fleet.tell(&News::Gone { key, uid });
    }
}

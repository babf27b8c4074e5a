//! Objects of which only the metadata are watched: their traces, and of some that clusters name them.

use std::collections::HashSet;
use std::marker::PhantomData;

use kube::api::PartialObjectMeta;
use kube::{Resource, ResourceExt as _};

use super::super::follow::Keeper;
use super::super::traces::of_ours;
use super::super::{Fleet, Key, News, Seen};
use crate::controllers::cluster::user_files::Source;

/// Objects of which only the metadata are watched: their traces, and of some that clusters name it.
pub struct Traced<'a, K> {
    fleet: &'a Fleet,
    source: Option<fn(String) -> Source>,
    there: HashSet<(Key, String)>,
    named: HashSet<(String, Source)>,
    kind: PhantomData<fn(K)>,
}

impl<'a, K: Resource<DynamicType = ()>> Traced<'a, K> {
    pub fn of(fleet: &'a Fleet, source: Option<fn(String) -> Source>) -> Self {
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

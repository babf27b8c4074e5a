//! What clusters consist of and what is looked at: kept without what is not.

use std::collections::HashSet;

use kube::{Resource, ResourceExt as _};

use super::super::follow::Keeper;
use super::super::shelf::Shelf;
use super::super::traces::of_ours;
use super::super::{Fleet, Key, News, Seen};
use super::labelled;
use crate::agent::report::INSTANCE_ANNOTATION;

/// Objects that are looked at, and are kept without what is not.
pub struct Parts<'a, K> {
    fleet: &'a Fleet,
    shelf: &'a Shelf<K>,
    slim: fn(&mut K),
    /// We apply them; others are made by Kubernetes, with our labels but no field that is ours.
    applied: bool,
    there: HashSet<Key>,
    traced: HashSet<(Key, String)>,
}

impl<'a, K: Resource<DynamicType = ()> + PartialEq + Clone> Parts<'a, K> {
    /// What we apply.
    pub fn of(fleet: &'a Fleet, shelf: &'a Shelf<K>, slim: fn(&mut K)) -> Self {
        Self {
            fleet,
            shelf,
            slim,
            applied: true,
            there: HashSet::new(),
            traced: HashSet::new(),
        }
    }

    /// What Kubernetes makes of what we apply. It comes and goes, and nothing has to be applied again for that.
    pub fn made_by_kubernetes(fleet: &'a Fleet, shelf: &'a Shelf<K>, slim: fn(&mut K)) -> Self {
        Self {
            applied: false,
            ..Self::of(fleet, shelf, slim)
        }
    }

    /// Keeps an object; the cluster that it is of, and whether it is news.
    fn keep(&self, mut object: K, seen: Seen) -> Option<(Key, bool)> {
        let cluster = labelled(&object)?;
        let touched = self.applied && self.fleet.traces.see::<K>(object.meta(), seen).is_some();
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
        self.there.insert(Key::of(object.meta()));
        if self.applied
            && let Some(cluster) = of_ours(object.meta())
        {
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
        if let Some(cluster) = self.shelf.remove(&Key::of(object.meta())) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

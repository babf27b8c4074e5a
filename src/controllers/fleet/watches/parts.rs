//! What clusters consist of and what is looked at: kept without what is not.

use std::collections::HashSet;

use kube::ResourceExt as _;

use super::super::follow::Keeper;
use super::super::shelf::Shelf;
use super::super::slim::{Kept, Slim};
use super::super::traces::of_ours;
use super::super::{Fleet, Key, News, Seen};
use super::labelled;
use crate::agent::report::INSTANCE_ANNOTATION;

/// Objects that are looked at, and are kept without what is not.
pub struct Parts<'a, K: Slim> {
    fleet: &'a Fleet,
    shelf: &'a Shelf<Kept<K::Rest>>,
    /// We apply them; others are made by Kubernetes, with our labels but no field that is ours.
    applied: bool,
    there: HashSet<Key>,
    traced: HashSet<(Key, String)>,
}

impl<'a, K: Slim> Parts<'a, K> {
    /// What we apply.
    pub fn of(fleet: &'a Fleet, shelf: &'a Shelf<Kept<K::Rest>>) -> Self {
        Self {
            fleet,
            shelf,
            applied: true,
            there: HashSet::new(),
            traced: HashSet::new(),
        }
    }

    /// What Kubernetes makes of what we apply. It comes and goes, and nothing has to be applied again for that.
    pub fn made_by_kubernetes(fleet: &'a Fleet, shelf: &'a Shelf<Kept<K::Rest>>) -> Self {
        Self {
            applied: false,
            ..Self::of(fleet, shelf)
        }
    }

    /// Keeps an object; the cluster that it is of, and whether it is news.
    fn keep(&self, object: K, seen: Seen) -> Option<(Key, bool)> {
        let cluster = labelled(&object)?;
        let touched = self.applied && self.fleet.traces.see::<K>(object.meta(), seen).is_some();
        let (name, now) = (object.name_any(), Kept::of(object));
        let before = self.shelf.get(&cluster, &name);
        let news = touched || before.as_ref() != Some(&now);
        if before.as_ref().and_then(report) != report(&now) {
            self.fleet.tell(&News::Report(cluster.clone()));
        }
        self.shelf.put(&cluster, &name, now);
        Some((cluster, news))
    }

    fn told(&self, object: K, seen: Seen) {
        if let Some((cluster, true)) = self.keep(object, seen) {
            self.fleet.tell(&News::Part(cluster));
        }
    }
}

/// What an instance says of itself.
fn report<R>(kept: &Kept<R>) -> Option<&String> {
    kept.metadata.annotations.as_ref()?.get(INSTANCE_ANNOTATION)
}

impl<K: Slim> Keeper<K> for Parts<'_, K> {
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

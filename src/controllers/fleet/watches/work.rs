//! Jobs of backups, of restores and of retention, and their Pods: nothing is kept of them but whose they are.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt as _};

use super::super::follow::Keeper;
use super::super::{Fleet, Key, News};
use crate::api::PerconaPGBackup;
use crate::api::names::{ANNOTATION_BACKUP, ANNOTATION_RESTORE};

/// What works on repositories: nothing of it is kept but for which backup or cluster.
pub struct Work<'a, K> {
    fleet: &'a Fleet,
    whose: fn(&K) -> Option<Key>,
    news: fn(Key) -> News,
    known: HashMap<Key, Key>,
    there: HashSet<Key>,
}

impl<'a, K> Work<'a, K> {
    pub fn of(fleet: &'a Fleet, whose: fn(&K) -> Option<Key>, news: fn(Key) -> News) -> Self {
        Self {
            fleet,
            whose,
            news,
            known: HashMap::new(),
            there: HashSet::new(),
        }
    }
}

/// The backup that owns a Job.
pub fn by_owner(job: &Job) -> Option<Key> {
    let owners = job.owner_references().iter();
    let backup = owners
        .into_iter()
        .find(|owner| owner.kind == PerconaPGBackup::kind(&()))?;
    Some(Key::new(job.namespace()?, backup.name.clone()))
}

/// The backup that a Pod names.
pub fn by_annotation(pod: &Pod) -> Option<Key> {
    Some(Key::new(
        pod.namespace()?,
        pod.annotations().get(ANNOTATION_BACKUP)?,
    ))
}

/// The restore that a Job or a Pod of it names.
pub fn of_restore<K: Resource<DynamicType = ()>>(object: &K) -> Option<Key> {
    Some(Key::new(
        object.namespace()?,
        object.annotations().get(ANNOTATION_RESTORE)?,
    ))
}

impl<K: Resource<DynamicType = ()>> Keeper<K> for Work<'_, K> {
    fn begin(&mut self) {
        self.there.clear();
    }

    fn listed(&mut self, object: K) {
        self.there.insert(Key::of(object.meta()));
        self.changed(object);
    }

    fn end(&mut self) {
        let (fleet, there, news) = (self.fleet, &self.there, self.news);
        self.known.retain(|own, whose| {
            let stays = there.contains(own);
            if !stays {
                fleet.tell(&news(whose.clone()));
            }
            stays
        });
        self.there.clear();
    }

    fn changed(&mut self, object: K) {
        if let Some(whose) = (self.whose)(&object) {
            self.known.insert(Key::of(object.meta()), whose.clone());
            self.fleet.tell(&(self.news)(whose));
        }
    }

    fn gone(&mut self, object: &K) {
        if let Some(whose) = self.known.remove(&Key::of(object.meta())) {
            self.fleet.tell(&(self.news)(whose));
        }
    }
}

//! Jobs of backups and their Pods: nothing is kept of them but whose they are.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt as _};

use super::super::follow::Keeper;
use super::super::{Fleet, Key, News};
use crate::api::PerconaPGBackup;
use crate::api::names::ANNOTATION_BACKUP;

/// What runs backups: nothing of it is kept but which backup it is of.
pub struct Work<'a, K> {
    fleet: &'a Fleet,
    backup_of: fn(&K) -> Option<Key>,
    known: HashMap<Key, Key>,
    there: HashSet<Key>,
}

impl<'a, K> Work<'a, K> {
    pub fn of(fleet: &'a Fleet, backup_of: fn(&K) -> Option<Key>) -> Self {
        Self {
            fleet,
            backup_of,
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

impl<K: Resource<DynamicType = ()>> Keeper<K> for Work<'_, K> {
    fn begin(&mut self) {
        self.there.clear();
    }

    fn listed(&mut self, object: K) {
        self.there.insert(Key::of(object.meta()));
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
            self.known.insert(Key::of(object.meta()), backup.clone());
            self.fleet.tell(&News::Work(backup));
        }
    }

    fn gone(&mut self, object: &K) {
        if let Some(backup) = self.known.remove(&Key::of(object.meta())) {
            self.fleet.tell(&News::Work(backup));
        }
    }
}

//! The fleet's budget of backups at once: who runs, who waits, and who is woken when one ends.
//!
//! What runs is what the watched objects say, and what was let in since and is not seen there yet. So a controller that has
//! just started counts what runs already. One replica leads, so one process decides.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;
use kube::runtime::reflector::Store as Watched;

use super::decide::{is_active, order};
use crate::api::PerconaPGBackup;
use crate::api::repository::{Repository, Store};
use crate::controllers::fleet::{Backup, Key};
use crate::domain::queue::{Full, Limits, Place};

/// One that waits.
struct Asking {
    place: Place,
    order: (bool, Option<DateTime<Utc>>, String),
    object: Key,
}

#[derive(Default)]
struct Known {
    /// By uid.
    asking: HashMap<String, Asking>,
    /// Let in, by uid.
    let_in: HashMap<String, (Place, Key)>,
    watched: Vec<Watched<Backup>>,
}

/// The budget.
pub struct Budget {
    limits: Limits,
    known: Mutex<Known>,
}

/// There is no room now.
#[derive(Debug, PartialEq, Eq)]
pub struct Later {
    /// Which limit is reached.
    pub full: Full,
    /// So many ask before.
    pub before: usize,
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (most, of) = match self.full {
            Full::Total(most) => (most, "in all"),
            Full::Namespace(most) => (most, "in this namespace"),
            Full::Store(most) => (most, "into this store"),
        };
        write!(
            f,
            "The operator takes {most} at once {of}; {} ask before this one",
            self.before
        )
    }
}

impl Budget {
    /// Nobody has asked yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            known: Mutex::default(),
        }
    }

    /// Counts what runs among these objects, from now on.
    pub fn watch(&self, backups: Watched<Backup>) {
        self.with(|known| known.watched.push(backups));
    }

    /// Asks for a backup's turn.
    pub fn ask(&self, backup: &PerconaPGBackup, repository: &Repository) -> Result<(), Later> {
        let uid = backup.uid().unwrap_or_default();
        let namespace = backup.namespace().unwrap_or_default();
        let place = Place {
            namespace: namespace.clone(),
            store: endpoint(repository, &namespace),
        };
        let asking = Asking {
            place: place.clone(),
            order: order(backup),
            object: Key::new(namespace, backup.name_any()),
        };
        self.with(|known| {
            known.asking.insert(uid.clone(), asking);
            let running = known.running();
            let queue = known.queue();
            let admitted = self.limits.admitted(
                running.values(),
                queue.iter().map(|(uid, asking)| (&asking.place, uid.as_str())),
            );
            if admitted.contains(&uid.as_str()) {
                if let Some(asking) = known.asking.remove(&uid) {
                    known.let_in.insert(uid, (place, asking.object));
                }
                return Ok(());
            }
            let before = queue.iter().position(|(other, _)| *other == uid).unwrap_or(0);
            let full = self
                .limits
                .full(running.values(), &place)
                .unwrap_or(Full::Total(running.len()));
            Err(Later { full, before })
        })
    }

    /// It has ended, or is gone, or does not ask any more.
    pub fn leave(&self, uid: &str) {
        self.with(|known| {
            known.asking.remove(uid);
            known.let_in.remove(uid);
        });
    }

    /// Those for which there is room now.
    pub fn next(&self) -> Vec<Key> {
        self.with(|known| {
            let running = known.running();
            let queue = known.queue();
            self.limits.admitted(
                running.values(),
                queue
                    .iter()
                    .map(|(_, asking)| (&asking.place, asking.object.clone())),
            )
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget_those_that_are_gone();
        act(&mut known)
    }
}

impl Known {
    /// An object may go without a last word.
    fn forget_those_that_are_gone(&mut self) {
        let watched = &self.watched;
        let is_there = |uid: &str, object: &Key| {
            let same = |there: &Backup| there.uid().as_deref() == Some(uid);
            watched.is_empty()
                || watched
                    .iter()
                    .any(|all| all.get(&object.reference()).is_some_and(|it| same(&it)))
        };
        self.asking.retain(|uid, asking| is_there(uid, &asking.object));
        self.let_in.retain(|uid, (_, object)| is_there(uid, object));
    }

    fn running(&self) -> HashMap<String, Place> {
        let let_in = self.let_in.iter();
        let mut running: HashMap<String, Place> = let_in
            .map(|(uid, (place, _))| (uid.clone(), place.clone()))
            .collect();
        for backup in self.watched.iter().flat_map(Watched::state) {
            let Ok(backup) = &backup.0 else { continue };
            if is_active(backup) {
                let namespace = backup.namespace().unwrap_or_default();
                let repository = backup.status.as_ref().and_then(|status| status.repo.clone());
                let store = endpoint(&repository.unwrap_or_default(), &namespace);
                running.insert(backup.uid().unwrap_or_default(), Place { namespace, store });
            }
        }
        running
    }

    fn queue(&self) -> Vec<(String, &Asking)> {
        let mut queue: Vec<(String, &Asking)> = self
            .asking
            .iter()
            .map(|(uid, asking)| (uid.clone(), asking))
            .collect();
        queue.sort_by(|(_, one), (_, other)| one.order.cmp(&other.order));
        queue
    }
}

/// Where the bytes go: volumes are each cluster's own.
fn endpoint(repository: &Repository, namespace: &str) -> String {
    match repository.store() {
        Some(Store::S3(s3)) => s3.endpoint.clone(),
        Some(Store::Azure(_)) => "azure".to_owned(),
        Some(Store::Gcs(_)) => "gcs".to_owned(),
        Some(Store::Volume(_)) | None => format!("volume of {namespace}/{}", repository.name),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;

    fn backup(name: &str, minute: u32) -> PerconaPGBackup {
        serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
            "metadata": { "name": name, "namespace": "prod", "uid": name,
                "creationTimestamp": format!("2026-11-21T00:{minute:02}:00Z") },
            "spec": { "pgCluster": name, "repoName": "repo1" },
        }))
        .unwrap()
    }

    fn s3() -> Repository {
        serde_json::from_value(
            json!({ "name": "repo1", "s3": { "bucket": "b", "endpoint": "e", "region": "r" } }),
        )
        .unwrap()
    }

    fn budget(total: usize) -> Budget {
        Budget::new(Limits {
            total: Some(total),
            ..Limits::default()
        })
    }

    #[test]
    fn the_first_that_asked_is_let_in_when_one_leaves() {
        let budget = budget(1);
        assert_eq!(budget.ask(&backup("one", 1), &s3()), Ok(()));
        let full = Full::Total(1);
        assert_eq!(
            budget.ask(&backup("three", 3), &s3()),
            Err(Later { full, before: 0 })
        );
        assert_eq!(
            budget.ask(&backup("two", 2), &s3()),
            Err(Later { full, before: 0 })
        );
        assert_eq!(
            budget.ask(&backup("three", 3), &s3()),
            Err(Later { full, before: 1 })
        );
        assert!(budget.next().is_empty());
        budget.leave("one");
        let next: Vec<String> = budget.next().into_iter().map(|object| object.name).collect();
        assert_eq!(next, ["two"]);
        // One that jumps the queue is told to wait.
        assert!(budget.ask(&backup("three", 3), &s3()).is_err());
        assert_eq!(budget.ask(&backup("two", 2), &s3()), Ok(()));
    }

    #[test]
    fn what_runs_when_a_controller_starts_counts() {
        let budget = budget(1);
        let (reader, mut writer) = kube::runtime::reflector::store();
        let mut running = backup("running", 0);
        running.status = serde_json::from_value(json!({ "state": "Running", "repo": s3() })).unwrap();
        let object = DeserializeGuard(Ok(running));
        writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(object));
        writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(DeserializeGuard(Ok(
            backup("one", 1),
        ))));
        budget.watch(reader);
        assert!(budget.ask(&backup("one", 1), &s3()).is_err());
        // One that is not there any more, and never said that it goes, holds up nobody.
        assert!(budget.ask(&backup("gone", 0), &s3()).is_err());
        budget.leave("running");
        let mut ended = backup("running", 0);
        ended.status = serde_json::from_value(json!({ "state": "Succeeded" })).unwrap();
        writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(DeserializeGuard(Ok(ended))));
        assert_eq!(budget.ask(&backup("one", 1), &s3()), Ok(()));
    }
}

//! When a repository was last looked at, and for what: nothing is read again while nothing has changed. All of it may be lost.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use crate::api::{ConditionType, PerconaPGBackup, PerconaPGCluster, conditions};

/// Time alone lets backups go too, where retention is of days; and somebody may have made or removed some by hand.
pub const EVERY: TimeDelta = TimeDelta::hours(1);

/// What was seen when all was last in order.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, (u64, DateTime<Utc>)>>);

impl Memory {
    /// Whether this is what was seen, not long ago.
    pub fn knows(&self, uid: &str, seen: u64, now: DateTime<Utc>) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(uid)
            .is_some_and(|(before, at)| *before == seen && *at <= now && now - *at < EVERY)
    }

    /// All is in order.
    pub fn settle(&self, uid: &str, seen: u64, now: DateTime<Utc>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(uid.to_owned(), (seen, now));
    }

    /// Forgets a cluster.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// The cluster's status says that the repository can be used.
pub fn is_told_ready(cluster: &PerconaPGCluster, repo: &str) -> bool {
    let conditions = cluster.status.as_ref().map(|status| &status.conditions);
    let type_ = ConditionType::RepositoryReady.of_repository(repo);
    conditions.is_some_and(|conditions| conditions::is_true(conditions, &type_))
}

/// All that what is let go depends on, but for the repositories and what is in the user's Secrets.
pub fn fingerprint(cluster: &PerconaPGCluster, backups: &[PerconaPGBackup]) -> u64 {
    let mut hasher = DefaultHasher::new();
    cluster.metadata.generation.hash(&mut hasher);
    let identity = cluster.status.as_ref().and_then(|status| {
        let patroni = status.patroni.as_ref()?.status.as_ref()?;
        patroni.system_identifier.clone()
    });
    identity.hash(&mut hasher);
    for repository in cluster.spec.backups.repositories() {
        is_told_ready(cluster, &repository.name).hash(&mut hasher);
    }
    let mut of_backups: Vec<_> = backups
        .iter()
        .map(|backup| {
            let status = backup.status.as_ref();
            (
                backup.uid(),
                backup.metadata.generation,
                backup.metadata.deletion_timestamp.is_some(),
                status.and_then(|status| status.backup_name.clone()),
                status.is_some_and(|status| status.completed.is_some()),
                backup.finalizers().to_vec(),
            )
        })
        .collect();
    of_backups.sort();
    of_backups.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_for_a_while() {
        let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0).unwrap();
        let memory = Memory::default();
        assert!(!memory.knows("u", 1, at(0)));
        memory.settle("u", 1, at(0));
        assert!(memory.knows("u", 1, at(59)));
        assert!(!memory.knows("u", 2, at(1)));
        assert!(!memory.knows("u", 1, at(60)));
        assert!(!memory.knows("u", 1, at(-1)), "a clock that was set back");
        memory.forget("u");
        assert!(!memory.knows("u", 1, at(1)));
    }
}

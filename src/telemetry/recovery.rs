//! Metrics of what can be restored, by cluster and repository.
//!
//! Names and labels are public API. Times are seconds since the epoch: an alert compares them with `time()`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Cluster, OfType, Repository, TYPES};
use crate::survey::Picture;

type Number = Gauge<f64, AtomicU64>;

/// The metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RecoveryMetrics {
    known: Arc<std::sync::Mutex<std::collections::HashSet<Repository>>>,
    readable: Family<Repository, Gauge>,
    listed: Family<Repository, Number>,
    earliest: Family<Repository, Number>,
    latest: Family<Repository, Number>,
    lag: Family<Repository, Number>,
    windows: Family<Repository, Gauge>,
    gaps: Family<Repository, Gauge>,
    open_gaps: Family<Repository, Gauge>,
    missing: Family<Repository, Gauge>,
    unusable: Family<Repository, Gauge>,
    segments: Family<Repository, Gauge>,
    archive_bytes: Family<Repository, Gauge>,
    backup_bytes: Family<Repository, Gauge>,
    backups: Family<OfType, Gauge>,
}

impl RecoveryMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        let mut number = |name: &str, help: &str, family: &Family<Repository, Number>| {
            registry.register(name, help, family.clone());
        };
        number(
            "repository_listed_timestamp_seconds",
            "When the repository was last read",
            &self.listed,
        );
        number(
            "earliest_restorable_timestamp_seconds",
            "The start of the first window",
            &self.earliest,
        );
        number(
            "latest_restorable_timestamp_seconds",
            "The last commit that can be reached",
            &self.latest,
        );
        number(
            "archive_lag_seconds",
            "How far that is behind the database",
            &self.lag,
        );
        let mut count = |name: &str, help: &str, family: &Family<Repository, Gauge>| {
            registry.register(name, help, family.clone());
        };
        count(
            "repository_readable",
            "1 when the last look at the repository succeeded",
            &self.readable,
        );
        count(
            "recovery_windows",
            "Spans of time that can be restored to",
            &self.windows,
        );
        count(
            "archive_gaps",
            "Runs of WAL segments that are missing",
            &self.gaps,
        );
        count(
            "archive_open_gaps",
            "Missing or unusable segments behind which no backup has ended: nothing later can be restored",
            &self.open_gaps,
        );
        count(
            "archive_missing_segments",
            "WAL segments that are missing",
            &self.missing,
        );
        count(
            "archive_unusable_segments",
            "WAL segments that are there and cannot be used",
            &self.unusable,
        );
        count("archive_segments", "WAL segments in the archive", &self.segments);
        count(
            "archive_bytes",
            "Size of the WAL in the archive, as stored",
            &self.archive_bytes,
        );
        count(
            "backup_bytes",
            "Size of the backups, as stored",
            &self.backup_bytes,
        );
        registry.register(
            "backups",
            "Backups in the repository, by type",
            self.backups.clone(),
        );
    }

    /// Says whether the last look succeeded.
    pub fn readable(&self, repository: &Repository, readable: bool) {
        self.with_known(|known| known.insert(repository.clone()));
        self.readable.get_or_create(repository).set(i64::from(readable));
    }

    /// Nothing is known of what it holds, or it is not the cluster's.
    pub fn unknown(&self, repository: &Repository) {
        let readable = self.readable.get_or_create(repository).get();
        self.remove(repository);
        self.readable.get_or_create(repository).set(readable);
    }

    /// Says what a look found.
    pub fn measure(&self, repository: &Repository, picture: &Picture, lag: Option<TimeDelta>) {
        let recovery = &picture.recovery;
        set_time(&self.listed, repository, Some(picture.looked_at));
        set_time(&self.earliest, repository, recovery.earliest_restorable_time);
        set_time(&self.latest, repository, recovery.latest_restorable_time);
        set_number(&self.lag, repository, lag.map(TimeDelta::as_seconds_f64));
        let count = |family: &Family<Repository, Gauge>, value: u64| {
            family.get_or_create(repository).set(whole(value));
        };
        count(&self.windows, recovery.windows.len() as u64);
        count(&self.gaps, recovery.gaps.len() as u64);
        let unusable = recovery.unusable.iter().map(|unusable| &unusable.cost);
        let costs = recovery.gaps.iter().map(|gap| &gap.cost).chain(unusable);
        count(
            &self.open_gaps,
            costs.filter(|cost| cost.is_open()).count() as u64,
        );
        count(&self.missing, recovery.gaps.iter().map(|gap| gap.segments).sum());
        count(&self.unusable, recovery.unusable.len() as u64);
        count(
            &self.segments,
            picture.archives.iter().map(|archive| archive.segments).sum(),
        );
        count(
            &self.archive_bytes,
            picture.archives.iter().map(|archive| archive.bytes).sum(),
        );
        count(
            &self.backup_bytes,
            picture.backups.iter().map(|backup| backup.repository.delta).sum(),
        );
        for kind in TYPES {
            let backups = picture.backups.iter().filter(|backup| backup.backup_type == kind);
            self.backups
                .get_or_create(&repository.of_type(kind))
                .set(whole(backups.count() as u64));
        }
    }

    /// Forgets all repositories of a cluster but these.
    pub fn keep_only(&self, namespace: &str, cluster: &str, repos: &[&str]) {
        let cluster = Cluster::new(namespace, cluster);
        let gone: Vec<Repository> = self.with_known(|known| {
            let of_cluster = |one: &&Repository| one.cluster == cluster;
            let gone: Vec<Repository> = known
                .iter()
                .filter(of_cluster)
                .filter(|one| !repos.contains(&&*one.repo))
                .cloned()
                .collect();
            known.retain(|one| !gone.contains(one));
            gone
        });
        for one in &gone {
            self.remove(one);
        }
    }

    fn remove(&self, repository: &Repository) {
        for family in self.numbers() {
            family.remove(repository);
        }
        for family in self.counts() {
            family.remove(repository);
        }
        for kind in TYPES {
            self.backups.remove(&repository.of_type(kind));
        }
    }

    /// Forgets a cluster.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        self.keep_only(namespace, cluster, &[]);
    }

    /// Forgets all clusters.
    pub fn clear(&self) {
        self.with_known(std::collections::HashSet::clear);
        for family in self.numbers() {
            family.clear();
        }
        for family in self.counts() {
            family.clear();
        }
        self.backups.clear();
    }

    fn numbers(&self) -> [&Family<Repository, Number>; 4] {
        [&self.listed, &self.earliest, &self.latest, &self.lag]
    }

    fn counts(&self) -> [&Family<Repository, Gauge>; 9] {
        [
            &self.readable,
            &self.windows,
            &self.gaps,
            &self.open_gaps,
            &self.missing,
            &self.unusable,
            &self.segments,
            &self.archive_bytes,
            &self.backup_bytes,
        ]
    }

    fn with_known<T>(&self, act: impl FnOnce(&mut std::collections::HashSet<Repository>) -> T) -> T {
        act(&mut self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

fn set_time(family: &Family<Repository, Number>, repository: &Repository, time: Option<DateTime<Utc>>) {
    let seconds = time.map(|time| (time - DateTime::UNIX_EPOCH).as_seconds_f64());
    set_number(family, repository, seconds);
}

/// What is not known has no sample: an old one would be believed.
fn set_number(family: &Family<Repository, Number>, repository: &Repository, value: Option<f64>) {
    match value {
        Some(value) => {
            family.get_or_create(repository).set(value);
        }
        None => {
            family.remove(repository);
        }
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

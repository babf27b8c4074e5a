//! Metrics of backups, by cluster, repository and type.
//!
//! Names and labels are public API. Times are seconds since the epoch: the age of a backup is `time()` minus its time, and grows
//! without us. What is not known has no sample: an old one would be believed.

use std::sync::atomic::AtomicU64;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Cluster, InState, OfType, REPOSITORIES, Repository, TYPES};

type Number = Gauge<f64, AtomicU64>;
type Numbers = Family<OfType, Number>;

/// The newest backup of a type that the repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How long it took.
    pub took: TimeDelta,
    /// Size of the database then.
    pub database: u64,
    /// Bytes of the database that it copied.
    pub copied: u64,
    /// Bytes that it takes in the repository.
    pub stored: u64,
}

/// A backup that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Running {
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// Bytes of the database that were copied.
    pub copied: Option<i64>,
    /// Bytes to copy.
    pub total: Option<i64>,
}

/// Backups of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kind {
    /// The newest one in the repository.
    pub taken: Option<Taken>,
    /// Whether the last that ended succeeded; absent where none has ended.
    pub succeeded: Option<bool>,
    /// How many have failed since one of this type, or one that holds more, succeeded.
    pub failures: u64,
    /// When the last one failed.
    pub failed: Option<DateTime<Utc>>,
    /// One that runs.
    pub running: Option<Running>,
}

/// What is known of the backups into one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backups {
    /// In the order of [`TYPES`].
    pub kinds: [Kind; 3],
    /// Those that have not begun.
    pub waiting: u64,
    /// Those whose Pod does not run yet.
    pub starting: u64,
    /// Those that run.
    pub running: u64,
    /// The specification lets old ones go.
    pub retention: bool,
}

/// The metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct BackupMetrics {
    ended: Numbers,
    duration: Numbers,
    database: Numbers,
    copied: Numbers,
    stored: Numbers,
    rate: Numbers,
    succeeded: Numbers,
    failures: Numbers,
    failed: Numbers,
    since: Numbers,
    done: Numbers,
    total: Numbers,
    unfinished: Family<InState, Gauge>,
    retention: Family<Repository, Gauge>,
}

impl BackupMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        for (name, help, family) in self.named() {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "unfinished_backups",
            "Backups that wait, start or run",
            self.unfinished.clone(),
        );
        registry.register(
            "repository_retention_set",
            "1 when old backups are let go: repoN-retention-full is set",
            self.retention.clone(),
        );
    }

    fn named(&self) -> [(&'static str, &'static str, &Numbers); 12] {
        [
            (
                "last_backup_timestamp_seconds",
                "When the newest backup in the repository ended",
                &self.ended,
            ),
            (
                "last_backup_duration_seconds",
                "How long that backup took",
                &self.duration,
            ),
            (
                "last_backup_database_bytes",
                "Size of the database at that backup",
                &self.database,
            ),
            (
                "last_backup_copied_bytes",
                "Bytes of the database that it copied",
                &self.copied,
            ),
            (
                "last_backup_stored_bytes",
                "Bytes that it takes in the repository",
                &self.stored,
            ),
            (
                "last_backup_bytes_per_second",
                "Bytes of the database that it copied in a second",
                &self.rate,
            ),
            (
                "last_backup_succeeded",
                "1 when the last backup that ended succeeded, 0 when it failed",
                &self.succeeded,
            ),
            (
                "backup_failures",
                "Backups that failed since one of the type, or one that holds more, succeeded",
                &self.failures,
            ),
            (
                "last_backup_failure_timestamp_seconds",
                "When the last backup that failed ended",
                &self.failed,
            ),
            (
                "running_backup_started_timestamp_seconds",
                "When the backup that runs began",
                &self.since,
            ),
            (
                "running_backup_copied_bytes",
                "Bytes of the database that it has copied",
                &self.done,
            ),
            (
                "running_backup_total_bytes",
                "Bytes of the database that it has to copy",
                &self.total,
            ),
        ]
    }

    /// Says what is known of the repositories of a cluster, and forgets those that it has no more.
    pub fn measure(&self, cluster: &Cluster, repositories: &[(&str, Backups)]) {
        for repo in REPOSITORIES {
            let labels = cluster.repository(repo);
            let found = repositories.iter().find(|(name, _)| *name == repo);
            self.set(&labels, found.map(|(_, backups)| backups));
        }
    }

    /// Forgets a cluster.
    pub fn forget(&self, cluster: &Cluster) {
        self.measure(cluster, &[]);
    }

    /// Forgets all clusters.
    pub fn clear(&self) {
        for (_, _, family) in self.named() {
            family.clear();
        }
        self.unfinished.clear();
        self.retention.clear();
    }

    fn set(&self, labels: &Repository, backups: Option<&Backups>) {
        for (kind, place) in TYPES.into_iter().zip(0..) {
            let of = backups.and_then(|backups| backups.kinds.get(place));
            self.set_kind(&labels.of_type(kind), of);
        }
        for (state, count) in [
            ("waiting", backups.map(|backups| backups.waiting)),
            ("starting", backups.map(|backups| backups.starting)),
            ("running", backups.map(|backups| backups.running)),
        ] {
            let labels = labels.in_state(state);
            match count {
                Some(count) => {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.unfinished.get_or_create(&labels).set(count);
                }
                None => {
                    self.unfinished.remove(&labels);
                }
            }
        }
        match backups {
            Some(backups) => {
                let set = i64::from(backups.retention);
                self.retention.get_or_create(labels).set(set);
            }
            None => {
                self.retention.remove(labels);
            }
        }
    }

    fn set_kind(&self, labels: &OfType, kind: Option<&Kind>) {
        let taken = kind.and_then(|kind| kind.taken);
        let running = kind.and_then(|kind| kind.running);
        let took = taken.map(|taken| taken.took.as_seconds_f64());
        let copied = taken.map(|taken| float(taken.copied));
        let rate = took.zip(copied).filter(|(took, _)| *took > 0.0);
        let succeeded = kind.and_then(|kind| kind.succeeded);
        for (family, value) in [
            (&self.ended, taken.map(|taken| seconds(taken.ended))),
            (&self.duration, took),
            (&self.database, taken.map(|taken| float(taken.database))),
            (&self.copied, copied),
            (&self.stored, taken.map(|taken| float(taken.stored))),
            (&self.rate, rate.map(|(took, copied)| copied / took)),
            (
                &self.succeeded,
                succeeded.map(|well| if well { 1.0 } else { 0.0 }),
            ),
            (&self.failures, kind.map(|kind| float(kind.failures))),
            (&self.failed, kind.and_then(|kind| kind.failed).map(seconds)),
            (
                &self.since,
                running.and_then(|running| running.since).map(seconds),
            ),
            (&self.done, running.and_then(|running| running.copied).map(signed)),
            (&self.total, running.and_then(|running| running.total).map(signed)),
        ] {
            match value {
                Some(value) => {
                    family.get_or_create(labels).set(value);
                }
                None => {
                    family.remove(labels);
                }
            }
        }
    }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    (time - DateTime::UNIX_EPOCH).as_seconds_f64()
}

#[expect(clippy::cast_precision_loss, reason = "bytes fit up to 9 PB, and then nearly")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "bytes fit up to 9 PB, and then nearly")]
fn signed(number: i64) -> f64 {
    number as f64
}

//! Metrics of WAL that waits on the primary, by cluster.

use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::Cluster;

/// WAL that waits, as the primary's agent says. What is not known has no sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    /// Files that wait to be archived.
    pub files: Option<i64>,
    /// Their size.
    pub bytes: Option<i64>,
    /// Size of the volume that they wait on.
    pub volume_size: Option<i64>,
    /// What PostgreSQL can still write there.
    pub volume_free: Option<i64>,
    /// When it will be full.
    pub full_at: Option<DateTime<Utc>>,
}

/// The metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ArchiverMetrics {
    files: Family<Cluster, Gauge>,
    bytes: Family<Cluster, Gauge>,
    volume_size: Family<Cluster, Gauge>,
    volume_free: Family<Cluster, Gauge>,
    full_at: Family<Cluster, Gauge<f64, AtomicU64>>,
}

impl ArchiverMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        let mut count = |name: &str, help: &str, family: &Family<Cluster, Gauge>| {
            registry.register(name, help, family.clone());
        };
        count(
            "wal_waiting_files",
            "WAL files on the primary that wait to be archived",
            &self.files,
        );
        count("wal_waiting_bytes", "Their size", &self.bytes);
        count(
            "wal_volume_size_bytes",
            "Size of the volume of the primary's WAL",
            &self.volume_size,
        );
        count(
            "wal_volume_free_bytes",
            "What can still be written to it",
            &self.volume_free,
        );
        registry.register(
            "wal_volume_full_timestamp_seconds",
            "When it will be full, at the rate of the last minutes",
            self.full_at.clone(),
        );
    }

    /// Says what waits.
    pub fn measure(&self, cluster: &Cluster, waiting: &Waiting) {
        for (family, value) in [
            (&self.files, waiting.files),
            (&self.bytes, waiting.bytes),
            (&self.volume_size, waiting.volume_size),
            (&self.volume_free, waiting.volume_free),
        ] {
            match value {
                Some(value) => {
                    family.get_or_create(cluster).set(value);
                }
                None => {
                    family.remove(cluster);
                }
            }
        }
        match waiting.full_at {
            Some(time) => {
                let seconds = (time - DateTime::UNIX_EPOCH).as_seconds_f64();
                self.full_at.get_or_create(cluster).set(seconds);
            }
            None => {
                self.full_at.remove(cluster);
            }
        }
    }

    /// Forgets a cluster.
    pub fn forget(&self, cluster: &Cluster) {
        self.measure(cluster, &Waiting::default());
    }

    /// Forgets all clusters.
    pub fn clear(&self) {
        for family in [&self.files, &self.bytes, &self.volume_size, &self.volume_free] {
            family.clear();
        }
        self.full_at.clear();
    }
}

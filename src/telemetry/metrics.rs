//! Metrics in the `OpenMetrics` text format, as Prometheus reads it.
//!
//! Names and labels are public API. Labels hold controller names and categories only: no object names of users in
//! unbounded number.
//!
//! What is told of clusters is told by the replica that leads, and by no other: what another one knew may be long past.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::archiver::ArchiverMetrics;
use super::backups::BackupMetrics;
use super::clusters::ClusterMetrics;
use super::drills::DrillMetrics;
use super::recovery::RecoveryMetrics;
use super::schedules::ScheduleMetrics;
use crate::catalog::CatalogMetrics;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByController {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCategory {
    controller: &'static str,
    category: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    controller: &'static str,
    reason: &'static str,
}

/// All metrics of the controller process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    of_clusters: Arc<Registry>,
    reconciles: Family<ByController, Counter>,
    errors: Family<ByCategory, Counter>,
    duration: Family<ByController, Histogram>,
    queue: Family<ByController, Gauge>,
    not_acted: Family<ByReason, Counter>,
    leading: Gauge,
    recovery: RecoveryMetrics,
    archiver: ArchiverMetrics,
    schedules: ScheduleMetrics,
    drills: DrillMetrics,
    backups: BackupMetrics,
    clusters: ClusterMetrics,
    catalog: CatalogMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let duration = Family::<ByController, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.002, 2.0, 14))
        });
        let mut metrics = Self {
            registry: Arc::default(),
            of_clusters: Arc::default(),
            reconciles: Family::default(),
            errors: Family::default(),
            duration,
            queue: Family::default(),
            not_acted: Family::default(),
            leading: Gauge::default(),
            recovery: RecoveryMetrics::default(),
            archiver: ArchiverMetrics::default(),
            schedules: ScheduleMetrics::default(),
            drills: DrillMetrics::default(),
            backups: BackupMetrics::default(),
            clusters: ClusterMetrics::default(),
            catalog: CatalogMetrics::default(),
        };
        let mut registry = Registry::with_prefix("holdfast");
        registry.register("reconciles", "Reconciles that ended", metrics.reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Reconciles that failed, by category",
            metrics.errors.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long a reconcile took",
            metrics.duration.clone(),
        );
        registry.register(
            "reconcile_queue_depth",
            "Objects that wait to be reconciled",
            metrics.queue.clone(),
        );
        registry.register(
            "decisions_not_to_act",
            "Times that something asked for was not done, by the reason in its condition",
            metrics.not_acted.clone(),
        );
        registry.register(
            "leading",
            "1 while this replica leads and writes",
            metrics.leading.clone(),
        );
        metrics.catalog.register(&mut registry);
        metrics.registry = Arc::new(registry);
        let mut registry = Registry::with_prefix("holdfast");
        metrics.recovery.register(&mut registry);
        metrics.archiver.register(&mut registry);
        metrics.schedules.register(&mut registry);
        metrics.drills.register(&mut registry);
        metrics.backups.register(&mut registry);
        metrics.clusters.register(&mut registry);
        metrics.of_clusters = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    /// Says how many objects wait to be reconciled.
    pub fn queued(&self, controller: &'static str, number: usize) {
        let gauge = self.queue.get_or_create(&ByController { controller });
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Counts a reconcile that ended, in an error of that category if one is given.
    pub fn reconciled(&self, controller: &'static str, took: Duration, category: Option<&'static str>) {
        let labels = ByController { controller };
        self.reconciles.get_or_create(&labels).inc();
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(category) = category {
            self.errors
                .get_or_create(&ByCategory { controller, category })
                .inc();
        }
    }

    /// Counts a decision not to act.
    pub fn not_acted(&self, controller: &'static str, reason: &'static str) {
        self.not_acted
            .get_or_create(&ByReason { controller, reason })
            .inc();
    }

    /// Says whether this replica leads. One that leads no more forgets all clusters: they may be gone when it leads again.
    pub fn leading(&self, leads: bool) {
        self.leading.set(i64::from(leads));
        if !leads {
            self.recovery.clear();
            self.archiver.clear();
            self.schedules.clear();
            self.drills.clear();
            self.backups.clear();
            self.clusters.clear();
        }
    }

    /// What can be restored.
    #[must_use]
    pub fn recovery(&self) -> &RecoveryMetrics {
        &self.recovery
    }

    /// Metrics of WAL that waits on primaries.
    #[must_use]
    pub fn archiver(&self) -> &ArchiverMetrics {
        &self.archiver
    }

    /// What rehearsals have shown.
    #[must_use]
    pub fn drills(&self) -> &DrillMetrics {
        &self.drills
    }

    /// Accounts of schedules.
    #[must_use]
    pub fn schedules(&self) -> &ScheduleMetrics {
        &self.schedules
    }

    /// Backups.
    #[must_use]
    pub fn backups(&self) -> &BackupMetrics {
        &self.backups
    }

    /// What the status of clusters says.
    #[must_use]
    pub fn clusters(&self) -> &ClusterMetrics {
        &self.clusters
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &CatalogMetrics {
        &self.catalog
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match self.encode(&mut text) {
            Ok(()) => text,
            // Writing to a String does not fail.
            Err(_) => String::new(),
        }
    }

    fn encode(&self, text: &mut String) -> std::fmt::Result {
        encode_registry(text, &self.registry)?;
        if self.leading.get() == 1 {
            encode_registry(text, &self.of_clusters)?;
        }
        encode_eof(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::labels::Cluster;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.reconciled("backup", Duration::from_millis(3), Some("api-conflict"));
        metrics.not_acted("backup", "RepositoryBusy");
        metrics.leading(true);
        metrics.queued("cluster", 1);
        let text = metrics.text();
        for line in [
            "holdfast_reconciles_total{controller=\"backup\"} 1",
            "holdfast_reconcile_errors_total{controller=\"backup\",category=\"api-conflict\"} 1",
            "holdfast_decisions_not_to_act_total{controller=\"backup\",reason=\"RepositoryBusy\"} 1",
            "holdfast_reconcile_queue_depth{controller=\"cluster\"} 1",
            "holdfast_leading 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn only_the_leader_tells_of_clusters_and_nothing_of_the_time_before() {
        let metrics = Metrics::default();
        let cluster = Cluster::new("n", "c");
        let tells = || {
            metrics
                .text()
                .contains("holdfast_recovery_point_objective_seconds{")
        };
        let measure = || {
            let objective = Some(chrono::TimeDelta::seconds(60));
            metrics.clusters().measure(&cluster, &[], objective);
        };
        measure();
        assert!(!tells());
        metrics.leading(true);
        assert!(tells());
        metrics.leading(false);
        // A reconcile that was under way.
        measure();
        assert!(!tells() && metrics.text().ends_with("# EOF\n"));
        metrics.leading(false);
        metrics.leading(true);
        assert!(!tells());
    }
}

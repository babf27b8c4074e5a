//! Metrics of rehearsals, by cluster and rehearsal: what is told in the status as numbers.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::cluster::drills::DrillStatus;
use crate::api::{Reason, time};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    namespace: String,
    cluster: String,
    drill: String,
}

type Numbers = Family<Labels, Gauge<f64, AtomicU64>>;

/// The metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct DrillMetrics {
    last_proven: Numbers,
    last_passed: Numbers,
    recovery_time: Numbers,
    known: Arc<Mutex<HashSet<Labels>>>,
}

impl DrillMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "drill_last_proven_timestamp_seconds",
            "When a rehearsal has shown last that the cluster can be restored",
            self.last_proven.clone(),
        );
        registry.register(
            "drill_last_passed",
            "Whether the last rehearsal has shown that",
            self.last_passed.clone(),
        );
        registry.register(
            "drill_recovery_time_seconds",
            "How long the last rehearsal that has shown it took to a database that takes connections",
            self.recovery_time.clone(),
        );
    }

    /// Says what is known of a cluster's rehearsals, and forgets those that it has no more.
    pub fn measure(&self, namespace: &str, cluster: &str, drills: &[&DrillStatus]) {
        let labels = |drill: &str| Labels {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
            drill: drill.to_owned(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| {
            let stays = known.namespace != namespace
                || known.cluster != cluster
                || drills.iter().any(|drill| drill.name == known.drill);
            if !stays {
                for numbers in [&self.last_proven, &self.last_passed, &self.recovery_time] {
                    numbers.remove(known);
                }
            }
            stays
        });
        for drill in drills {
            let labels = labels(&drill.name);
            let passed = drill
                .last_result
                .as_ref()
                .map(|result| result == Reason::Proven.as_str());
            set(
                &self.last_proven,
                &labels,
                drill.last_proven.as_ref().map(seconds),
            );
            set(&self.last_passed, &labels, passed.map(f64::from));
            #[expect(clippy::cast_precision_loss, reason = "seconds fit for millions of years")]
            set(
                &self.recovery_time,
                &labels,
                drill.total_seconds.map(|taken| taken as f64),
            );
            known.insert(labels);
        }
    }

    /// Forgets a cluster.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        self.measure(namespace, cluster, &[]);
    }

    /// Forgets all clusters.
    pub fn clear(&self) {
        for numbers in [&self.last_proven, &self.last_passed, &self.recovery_time] {
            numbers.clear();
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds fit for millions of years")]
fn seconds(moment: &Time) -> f64 {
    time::from_kubernetes(moment).timestamp() as f64
}

fn set(numbers: &Numbers, labels: &Labels, number: Option<f64>) {
    match number {
        Some(number) => {
            numbers.get_or_create(labels).set(number);
        }
        None => {
            numbers.remove(labels);
        }
    }
}

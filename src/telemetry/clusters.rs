//! What the status of a cluster says, as numbers: its conditions and its objective.
//!
//! Names and labels are public API; conditions and reasons are the words of `docs/reasons.md`. A condition that cannot be
//! told has no sample.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use k8s_openapi::apimachinery::pkg::apis::meta::v1;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Cluster, REPOSITORIES, Word, word};
use crate::api::conditions::Status;
use crate::api::{ConditionType, Reason};

/// Which condition. Those of one repository carry its name as a label.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Told {
    #[prometheus(flatten)]
    cluster: Cluster,
    repo: Word,
    condition: Word,
    reason: Word,
}

impl Told {
    fn of(cluster: &Cluster, condition: &v1::Condition) -> Self {
        let (kind, repo) = match condition.type_.rsplit_once('-') {
            Some((kind, repo)) => (kind, repo),
            None => (condition.type_.as_str(), ""),
        };
        Self {
            cluster: cluster.clone(),
            repo: word(repo, REPOSITORIES.into_iter().chain([""])),
            condition: word(kind, ConditionType::ALL.iter().map(|known| known.as_str())),
            reason: word(&condition.reason, Reason::ALL.iter().map(|known| known.as_str())),
        }
    }
}

/// The metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ClusterMetrics {
    known: Arc<Mutex<HashMap<Cluster, Vec<Told>>>>,
    conditions: Family<Told, Gauge>,
    objective: Family<Cluster, Gauge<f64, AtomicU64>>,
}

impl ClusterMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "condition",
            "Conditions of clusters: 1 when True, 0 when False",
            self.conditions.clone(),
        );
        registry.register(
            "recovery_point_objective_seconds",
            "How far the archive may be behind the database",
            self.objective.clone(),
        );
    }

    /// Says what the conditions of a cluster say, and forgets those that it has no more.
    pub fn measure(&self, cluster: &Cluster, conditions: &[v1::Condition], objective: Option<TimeDelta>) {
        let mut told = Vec::with_capacity(conditions.len());
        for condition in conditions {
            let value = match condition.status.as_str() {
                status if status == Status::True.as_str() => 1,
                status if status == Status::False.as_str() => 0,
                _ => continue,
            };
            let labels = Told::of(cluster, condition);
            self.conditions.get_or_create(&labels).set(value);
            told.push(labels);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(cluster.clone(), told).unwrap_or_default();
        let now = known.get(cluster);
        for gone in before
            .iter()
            .filter(|one| now.is_none_or(|now| !now.contains(one)))
        {
            self.conditions.remove(gone);
        }
        match objective {
            Some(objective) => {
                let seconds = objective.as_seconds_f64();
                self.objective.get_or_create(cluster).set(seconds);
            }
            None => {
                self.objective.remove(cluster);
            }
        }
    }

    /// Forgets a cluster.
    pub fn forget(&self, cluster: &Cluster) {
        self.measure(cluster, &[], None);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(cluster);
    }

    /// Forgets all clusters.
    pub fn clear(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.conditions.clear();
        self.objective.clear();
    }
}

//! `PodDisruptionBudgets`: one per instance set and one for the pooler, only where there is more than one Pod:
//! a budget around a single Pod would block every drain for ever.

use std::collections::BTreeMap;

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::owned;
use crate::controllers::cluster::names::{LABEL_CLUSTER, LABEL_INSTANCE_SET, LABEL_ROLE};
use crate::controllers::cluster::validated::ValidatedCluster;

/// All budgets of a cluster.
pub fn build(cluster: &ValidatedCluster) -> Vec<PodDisruptionBudget> {
    let mut budgets = Vec::new();
    for set in &cluster.sets {
        if let Some(least) = least_available(set.min_available.as_ref(), set.replicas) {
            let name = cluster.names.set_budget(&set.name);
            budgets.push(budget(
                cluster,
                name,
                "pg",
                (LABEL_INSTANCE_SET, &set.name),
                least,
            ));
        }
    }
    if let Some(pooler) = &cluster.pooler
        && let Some(least) = least_available(pooler.min_available.as_ref(), pooler.replicas)
    {
        let name = cluster.names.pgbouncer();
        budgets.push(budget(
            cluster,
            name,
            "pgbouncer",
            (LABEL_ROLE, "pgbouncer"),
            least,
        ));
    }
    budgets
}

fn least_available(wanted: Option<&IntOrString>, replicas: i32) -> Option<IntOrString> {
    match wanted {
        Some(IntOrString::Int(0)) => None,
        Some(wanted) => Some(wanted.clone()),
        None => (replicas > 1).then_some(IntOrString::Int(1)),
    }
}

fn budget(
    cluster: &ValidatedCluster,
    name: String,
    component: &str,
    (key, value): (&str, &str),
    least: IntOrString,
) -> PodDisruptionBudget {
    let labels = BTreeMap::from([
        (LABEL_CLUSTER.to_owned(), cluster.names.cluster.clone()),
        (key.to_owned(), value.to_owned()),
    ]);
    PodDisruptionBudget {
        metadata: owned(cluster, name, component),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(least),
            selector: Some(LabelSelector {
                match_labels: Some(labels),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}

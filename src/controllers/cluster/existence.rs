//! From what was read to what validation asks about it: which instances and claims there are.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;

use super::bootstrap;
use super::dereference::Observed;
use super::instances::Existing;
use super::names::{
    ANNOTATION_LED_LAST, LABEL_CLUSTER, LABEL_INSTANCE, LABEL_INSTANCE_SET, LABEL_ROLE, Names,
};
use super::status::{is_ready, pod_of};
use super::validate::{Existence, Offered, Volumes};

/// Instances known by a `StatefulSet` or by a claim of theirs, by set. `clusters` tells whether there is a cluster of a name in the
/// namespace.
#[must_use]
pub fn existence(observed: &Observed, clusters: &dyn Fn(&str) -> bool) -> Existence {
    let stateful_sets = observed.stateful_sets.iter().map(kube::ResourceExt::labels);
    let claims = observed.claims.iter().map(kube::ResourceExt::labels);
    let known: BTreeSet<(String, String)> = stateful_sets
        .chain(claims)
        .filter_map(|labels| {
            Some((
                labels.get(LABEL_INSTANCE_SET)?.clone(),
                labels.get(LABEL_INSTANCE)?.clone(),
            ))
        })
        .collect();
    let mut instances: BTreeMap<String, Vec<Existing>> = BTreeMap::new();
    for (set, name) in known {
        instances.entry(set).or_default().push(existing(observed, name));
    }
    let mut volumes: BTreeMap<String, Volumes> = BTreeMap::new();
    for claim in &observed.claims {
        let labels = claim.labels();
        let (Some(instance), Some(role)) = (labels.get(LABEL_INSTANCE), labels.get(LABEL_ROLE)) else {
            continue;
        };
        let own = volumes.entry(instance.clone()).or_default();
        match role.as_str() {
            "pgdata" => own.data = Some(claim.name_any()),
            "pgwal" => own.wal = Some(claim.name_any()),
            _ => {}
        }
    }
    let claims = observed
        .claims
        .iter()
        .chain(&observed.offered)
        .filter_map(|claim| Some((claim.name_any(), claim.spec.clone()?)))
        .collect();
    Existence {
        instances,
        claims,
        volumes,
        offered: Some(offered_claims(observed, clusters)),
        volume_claims: observed.volume_claims.clone(),
        awaits_data: bootstrap::awaits_data(observed),
    }
}

fn offered_claims(observed: &Observed, clusters: &dyn Fn(&str) -> bool) -> BTreeMap<String, Offered> {
    let claims = observed.offered.iter();
    claims
        .map(|claim| (claim.name_any(), offered(claim, clusters)))
        .collect()
}

/// A claim that is to be taken over, and whose it is.
fn offered(claim: &PersistentVolumeClaim, clusters: &dyn Fn(&str) -> bool) -> Offered {
    let owner = claim
        .owner_references()
        .first()
        .map(|owner| format!("belongs to {} {}, and goes with it", owner.kind, owner.name));
    let cluster = claim.labels().get(LABEL_CLUSTER).filter(|name| clusters(name));
    let cluster = cluster.map(|name| format!("is a volume of PerconaPGCluster {name}"));
    Offered {
        owner: owner.or(cluster),
    }
}

fn existing(observed: &Observed, name: String) -> Existing {
    let stateful_set = observed.stateful_sets.iter().find(|set| set.name_any() == name);
    let pod = pod_of(observed, &name);
    Existing {
        deployed: stateful_set.is_some(),
        present: pod.is_some(),
        ready: pod.is_some_and(is_ready),
        leads: pod.is_some() && observed.leader.as_deref() == Some(Names::pod(&name).as_str()),
        led_last: stateful_set.is_some_and(|set| set.annotations().contains_key(ANNOTATION_LED_LAST)),
        name,
    }
}

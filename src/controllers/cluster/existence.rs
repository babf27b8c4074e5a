//! From what was read to what validation asks about it: which instances and claims there are.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;

use super::bootstrap;
use super::dereference::Observed;
use super::instances::Existing;
use super::names::{ANNOTATION_LED_LAST, LABEL_INSTANCE, LABEL_INSTANCE_SET, Names};
use super::status::{is_ready, pod_of};
use super::validate::Existence;

/// Instances known by a `StatefulSet` or by a claim of theirs, by set.
#[must_use]
pub fn existence(observed: &Observed) -> Existence {
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
    let claims = observed
        .claims
        .iter()
        .filter_map(|claim| Some((claim.name_any(), claim.spec.clone()?)))
        .collect();
    Existence {
        instances,
        claims,
        volume_claims: observed.volume_claims.clone(),
        awaits_data: bootstrap::awaits_data(observed),
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

//! Metadata of what we build: labels of the cluster, what the user adds to every object, the owner.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::controllers::cluster::validated::{Metadata, ValidatedCluster};

/// Metadata of an object that goes with the cluster.
pub fn owned(cluster: &ValidatedCluster, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![cluster.owner.clone()]),
        ..lasting(cluster, name, component)
    }
}

/// Metadata of an object that outlives the cluster.
pub fn lasting(cluster: &ValidatedCluster, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.names.namespace.clone()),
        labels: Some(labels(cluster, component, &[], None)),
        annotations: non_empty(cluster.metadata.annotations.clone()),
        ..ObjectMeta::default()
    }
}

/// Adds labels and annotations of a narrower scope than the cluster's.
pub fn with(mut meta: ObjectMeta, extra: &Metadata) -> ObjectMeta {
    let own = meta.labels.get_or_insert_default();
    for (key, value) in &extra.labels {
        // What selectors rely on is not the user's to change.
        own.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if !extra.annotations.is_empty() {
        meta.annotations
            .get_or_insert_default()
            .extend(extra.annotations.clone());
    }
    meta
}

/// Adds one label.
pub fn labelled(mut meta: ObjectMeta, key: &str, value: &str) -> ObjectMeta {
    meta.labels
        .get_or_insert_default()
        .insert(key.to_owned(), value.to_owned());
    meta
}

/// Labels of an object or Pod: the user's first, ours over them.
pub fn labels(
    cluster: &ValidatedCluster,
    component: &str,
    own: &[(&str, &str)],
    extra: Option<&Metadata>,
) -> BTreeMap<String, String> {
    let mut labels = cluster.metadata.labels.clone();
    labels.extend(extra.map(|extra| extra.labels.clone()).unwrap_or_default());
    labels.extend(cluster.names.labels(component));
    labels.extend(
        own.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    labels
}

/// Annotations of a Pod.
pub fn annotations(
    cluster: &ValidatedCluster,
    extra: &Metadata,
    own: &[(&str, &str)],
) -> Option<BTreeMap<String, String>> {
    let mut all = cluster.metadata.annotations.clone();
    all.extend(extra.annotations.clone());
    all.extend(
        own.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    non_empty(all)
}

fn non_empty(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

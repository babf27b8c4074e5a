//! Traces of what was applied: of each object of a cluster, which fields of it are ours.
//!
//! The API server keeps with each object who owns which field, and takes a field away from whoever applied it when somebody else
//! changes or removes it. So the list of the fields that are ours is the same exactly as long as all of them hold what was
//! applied last, and its hash tells, without the object, whether there is anything to put right.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use sha2::{Digest as _, Sha256};

use super::Key;
use crate::api::names::{LABEL_CLUSTER, LABEL_MANAGED_BY};
use crate::controllers::cluster::names::{ANNOTATION_APPLIED, FIELD_MANAGER, MANAGED_BY, holder};

/// Kind of the object that holds what is written down.
const HOLDER: &str = "ServiceAccount";

/// Stands for something longer. Short, since there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::new_with_prefix(bytes))
    }

    /// A number below `end`, for spreading what must not happen all at once.
    #[must_use]
    pub fn spread(self, end: u64) -> u64 {
        self.0.checked_rem(end).unwrap_or(0)
    }

    /// Of what was written into a hash.
    #[must_use]
    pub fn from_hash(hash: Sha256) -> Self {
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk::<8>().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Trace {
    kind: Fingerprint,
    name: Fingerprint,
    /// Of the fields that are ours.
    fields: Fingerprint,
    /// As it was when that was so.
    version: Version,
}

impl Trace {
    fn is(&self, other: &Self) -> bool {
        (self.kind, self.name) == (other.kind, other.name)
    }
}

/// Tells old from new: what a watch shows may be older than what an answer has shown already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Version(u64);

impl Version {
    /// Nothing is older than what has no number.
    fn of(metadata: &ObjectMeta) -> Self {
        let version = metadata.resource_version.as_deref();
        Self(
            version
                .and_then(|version| version.parse().ok())
                .unwrap_or(u64::MAX),
        )
    }
}

/// How an object was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// In a listing: so it is, whatever was thought before.
    Listed,
    /// In a watch or an answer, which need not come in order.
    Changed,
}

#[derive(Default)]
struct Known {
    by_cluster: HashMap<Key, Vec<Trace>>,
    /// What each cluster's holder says was applied last.
    applied: HashMap<Key, String>,
}

/// The traces of all clusters.
#[derive(Default)]
pub struct Traces(Mutex<Known>);

impl Traces {
    /// Takes note of an object. `Some`: it is of that cluster, and is news.
    pub fn see<K: Resource<DynamicType = ()>>(&self, metadata: &ObjectMeta, seen: Seen) -> Option<Key> {
        let cluster = of_ours(metadata)?;
        let name = metadata.name.as_deref().unwrap_or_default();
        let trace = Trace {
            fields: fields(metadata),
            version: Version::of(metadata),
            ..trace::<K>(name)
        };
        let mut known = self.lock();
        let traces = known.by_cluster.entry(cluster.clone()).or_default();
        let news = match traces.iter_mut().find(|other| other.is(&trace)) {
            Some(there) if seen == Seen::Changed && trace.version < there.version => return None,
            Some(there) => std::mem::replace(there, trace).fields != trace.fields,
            None => {
                traces.push(trace);
                true
            }
        };
        if K::kind(&()) == HOLDER && name == holder(&cluster.name) {
            let annotations = metadata.annotations.as_ref();
            match annotations.and_then(|annotations| annotations.get(ANNOTATION_APPLIED)) {
                Some(applied) => known.applied.insert(cluster.clone(), applied.clone()),
                None => known.applied.remove(&cluster),
            };
        }
        news.then_some(cluster)
    }

    /// Takes note that an object is gone. Gives the cluster that it was of.
    pub fn gone<K: Resource<DynamicType = ()>>(&self, metadata: &ObjectMeta) -> Option<Key> {
        let cluster = of_ours(metadata)?;
        let name = metadata.name.as_deref().unwrap_or_default();
        let gone = trace::<K>(name);
        let mut known = self.lock();
        if K::kind(&()) == HOLDER && name == holder(&cluster.name) {
            known.applied.remove(&cluster);
        }
        let traces = known.by_cluster.get_mut(&cluster)?;
        let before = traces.len();
        traces.retain(|trace| !trace.is(&gone));
        let lost = traces.len() < before;
        if traces.is_empty() {
            known.by_cluster.remove(&cluster);
        }
        lost.then_some(cluster)
    }

    /// After a new listing of a kind: forgets objects of it that are not in it. Gives the clusters that have lost something.
    pub fn keep_only<K: Resource<DynamicType = ()>>(&self, there: &HashSet<(Key, String)>) -> Vec<Key> {
        let kind = kind::<K>();
        let there: HashSet<(&Key, Fingerprint)> = there
            .iter()
            .map(|(cluster, name)| (cluster, Fingerprint::of(name.as_bytes())))
            .collect();
        let mut known = self.lock();
        let mut lost = Vec::new();
        for (cluster, traces) in &mut known.by_cluster {
            let before = traces.len();
            traces.retain(|trace| trace.kind != kind || there.contains(&(cluster, trace.name)));
            if traces.len() < before {
                lost.push(cluster.clone());
            }
        }
        lost
    }

    /// The state of all objects of a cluster, in one.
    #[must_use]
    pub fn state(&self, cluster: &Key) -> Fingerprint {
        let known = self.lock();
        let mut traces = known.by_cluster.get(cluster).cloned().unwrap_or_default();
        drop(known);
        traces.sort_unstable();
        let mut hash = Sha256::new();
        for trace in traces {
            hash.update(trace.kind.0.to_be_bytes());
            hash.update(trace.name.0.to_be_bytes());
            hash.update(trace.fields.0.to_be_bytes());
        }
        Fingerprint::from_hash(hash)
    }

    /// The state of one object; nothing when it is not there.
    #[must_use]
    pub fn fields<K: Resource<DynamicType = ()>>(&self, cluster: &Key, name: &str) -> Option<Fingerprint> {
        let wanted = trace::<K>(name);
        let known = self.lock();
        let mut traces = known.by_cluster.get(cluster)?.iter();
        traces.find(|trace| trace.is(&wanted)).map(|trace| trace.fields)
    }

    /// Whether a cluster has objects of a kind beside these.
    #[must_use]
    pub fn has_others<K: Resource<DynamicType = ()>>(&self, cluster: &Key, names: &BTreeSet<String>) -> bool {
        let kind = kind::<K>();
        let names: HashSet<Fingerprint> = names
            .iter()
            .map(|name| Fingerprint::of(name.as_bytes()))
            .collect();
        let known = self.lock();
        let mut traces = known.by_cluster.get(cluster).into_iter().flatten();
        traces.any(|trace| trace.kind == kind && !names.contains(&trace.name))
    }

    /// What is written down of the last time that everything was applied.
    #[must_use]
    pub fn applied(&self, cluster: &Key) -> Option<String> {
        self.lock().applied.get(cluster).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere leaves it as whole as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind<K: Resource<DynamicType = ()>>() -> Fingerprint {
    Fingerprint::of(K::kind(&()).as_bytes())
}

fn trace<K: Resource<DynamicType = ()>>(name: &str) -> Trace {
    Trace {
        kind: kind::<K>(),
        name: Fingerprint::of(name.as_bytes()),
        fields: Fingerprint::default(),
        version: Version::default(),
    }
}

/// The cluster of an object that we made.
pub fn of_ours(metadata: &ObjectMeta) -> Option<Key> {
    let labels = metadata.labels.as_ref()?;
    if labels.get(LABEL_MANAGED_BY).map(String::as_str) != Some(MANAGED_BY) {
        return None;
    }
    Some(Key::new(metadata.namespace.clone()?, labels.get(LABEL_CLUSTER)?))
}

/// Of the fields that are ours by the last apply. One that is being deleted has none.
fn fields(metadata: &ObjectMeta) -> Fingerprint {
    let ours = metadata.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    let Some(fields) = ours.and_then(|entry| entry.fields_v1.as_ref()) else {
        return Fingerprint::default();
    };
    if metadata.deletion_timestamp.is_some() {
        return Fingerprint::default();
    }
    let mut hash = Sha256::new();
    // Writing into a hash does not fail.
    let _ = serde_json::to_writer(&mut hash, fields);
    Fingerprint::from_hash(hash)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
    use serde_json::json;

    use super::*;

    fn metadata(name: &str, ours: &serde_json::Value) -> ObjectMeta {
        serde_json::from_value(json!({
            "name": name, "namespace": "prod",
            "labels": { LABEL_CLUSTER: "app", LABEL_MANAGED_BY: MANAGED_BY },
            "managedFields": [
                { "manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": ours },
                { "manager": "kube-controller-manager", "operation": "Update", "fieldsV1": { "f:status": {} } },
            ],
        }))
        .unwrap()
    }

    fn app() -> Key {
        Key::new("prod", "app")
    }

    #[test]
    fn the_same_fields_are_no_news_and_a_field_that_was_taken_from_us_is() {
        let traces = Traces::default();
        let whole = metadata("a", &json!({ "f:data": { "f:x": {}, "f:y": {} } }));
        assert_eq!(traces.see::<ConfigMap>(&whole, Seen::Changed), Some(app()));
        let state = traces.state(&app());
        assert_eq!(traces.see::<ConfigMap>(&whole, Seen::Changed), None);
        let mut touched_by_others = whole.clone();
        touched_by_others.resource_version = Some("7".to_owned());
        touched_by_others.managed_fields.as_mut().unwrap().pop();
        assert_eq!(traces.see::<ConfigMap>(&touched_by_others, Seen::Changed), None);
        assert_eq!(traces.state(&app()), state);
        let taken = metadata("a", &json!({ "f:data": { "f:x": {} } }));
        assert_eq!(traces.see::<ConfigMap>(&taken, Seen::Changed), Some(app()));
        assert_ne!(traces.state(&app()), state);
        assert_eq!(traces.see::<ConfigMap>(&whole, Seen::Changed), Some(app()));
        assert_eq!(traces.state(&app()), state);
    }

    #[test]
    fn an_object_that_is_deleted_or_being_deleted_changes_the_state() {
        let traces = Traces::default();
        let whole = metadata("a", &json!({ "f:data": {} }));
        traces.see::<ConfigMap>(&whole, Seen::Changed);
        traces.see::<Secret>(&whole, Seen::Changed);
        let state = traces.state(&app());
        let going = ObjectMeta {
            deletion_timestamp: serde_json::from_value(json!("2026-11-21T00:00:00Z")).unwrap(),
            ..whole.clone()
        };
        assert_eq!(traces.see::<Secret>(&going, Seen::Changed), Some(app()));
        assert_ne!(traces.state(&app()), state);
        assert_eq!(traces.gone::<Secret>(&going), Some(app()));
        assert_eq!(traces.gone::<Secret>(&going), None);
        assert!(traces.fields::<Secret>(&app(), "a").is_none());
        assert!(traces.fields::<ConfigMap>(&app(), "a").is_some());
    }

    #[test]
    fn what_is_not_ours_leaves_no_trace() {
        let traces = Traces::default();
        let mut theirs = metadata("a", &json!({}));
        theirs
            .labels
            .as_mut()
            .unwrap()
            .insert(LABEL_MANAGED_BY.to_owned(), "helm".to_owned());
        assert_eq!(traces.see::<ConfigMap>(&theirs, Seen::Changed), None);
    }

    #[test]
    fn objects_of_a_kind_beside_those_that_are_built_are_noticed() {
        let traces = Traces::default();
        traces.see::<ConfigMap>(&metadata("a", &json!({})), Seen::Changed);
        traces.see::<Secret>(&metadata("b", &json!({})), Seen::Changed);
        let a = BTreeSet::from(["a".to_owned()]);
        assert!(!traces.has_others::<ConfigMap>(&app(), &a));
        assert!(traces.has_others::<Secret>(&app(), &a));
        let there = HashSet::from([(app(), "a".to_owned())]);
        assert_eq!(traces.keep_only::<ConfigMap>(&there), []);
        assert_eq!(traces.keep_only::<Secret>(&there), [app()]);
        assert!(!traces.has_others::<Secret>(&app(), &a));
    }

    #[test]
    fn what_was_written_down_is_known_until_it_is_taken_away() {
        let traces = Traces::default();
        let mut account = metadata("app-instance", &json!({}));
        traces.see::<ServiceAccount>(&account, Seen::Changed);
        assert_eq!(traces.applied(&app()), None);
        account.annotations = Some([(ANNOTATION_APPLIED.to_owned(), "x".to_owned())].into());
        traces.see::<ServiceAccount>(&account, Seen::Changed);
        assert_eq!(traces.applied(&app()).as_deref(), Some("x"));
        traces.gone::<ServiceAccount>(&account);
        assert_eq!(traces.applied(&app()), None);
    }

    #[test]
    fn what_a_watch_shows_late_does_not_hide_what_is_newer_and_a_listing_is_always_true() {
        let traces = Traces::default();
        let at = |version: &str, ours: serde_json::Value| ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..metadata("a", &ours)
        };
        let (old, new) = (at("9", json!({ "f:data": {} })), at("10", json!({})));
        traces.see::<ConfigMap>(&new, Seen::Changed);
        let state = traces.state(&app());
        assert_eq!(traces.see::<ConfigMap>(&old, Seen::Changed), None);
        assert_eq!(traces.state(&app()), state);
        assert_eq!(traces.see::<ConfigMap>(&old, Seen::Listed), Some(app()));
        assert_ne!(traces.state(&app()), state);
    }
}

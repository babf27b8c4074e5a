//! Other clusters whose repositories are in the same place. Pure.

use kube::ResourceExt as _;

use crate::api::PerconaPGCluster;
use crate::api::cluster::status::ClusterState;
use crate::api::repository::{Repository, Store};

/// Paths may be set in files that are not read here, so the same bucket is enough. A volume is one cluster's own.
#[must_use]
pub fn same_store(one: &Repository, other: &Repository) -> bool {
    match (one.store(), other.store()) {
        (Some(Store::S3(one)), Some(Store::S3(other))) => {
            one.bucket == other.bucket && one.endpoint == other.endpoint
        }
        (Some(Store::Azure(one)), Some(Store::Azure(other))) => one.container == other.container,
        (Some(Store::Gcs(one)), Some(Store::Gcs(other))) => one.bucket == other.bucket,
        _ => false,
    }
}

/// Another cluster of the same database takes writes, and archives to the place where this one would. Its name.
#[must_use]
pub fn writer<'a>(
    cluster: &PerconaPGCluster,
    others: impl IntoIterator<Item = &'a PerconaPGCluster>,
) -> Option<String> {
    let own = cluster.system_identifier()?;
    let found = others.into_iter().find(|other| {
        other.uid() != cluster.uid()
            && other.system_identifier() == Some(own)
            && !other.is_standby()
            && runs(other)
            && share_a_place(cluster, other)
    })?;
    Some(format!(
        "{}/{}",
        found.namespace().unwrap_or_default(),
        found.name_any()
    ))
}

/// Until the last of its instances is known to have ended.
fn runs(cluster: &PerconaPGCluster) -> bool {
    let state = cluster.status.as_ref().and_then(|status| status.state.as_ref());
    !(cluster.spec.pause.unwrap_or(false) && state == Some(&ClusterState::Paused))
}

fn share_a_place(one: &PerconaPGCluster, other: &PerconaPGCluster) -> bool {
    let places = |cluster: &PerconaPGCluster| -> Vec<(Repository, String)> {
        let repositories = cluster.spec.backups.repositories().iter();
        repositories
            .map(|repository| (repository.clone(), path(cluster, repository)))
            .collect()
    };
    let theirs = places(other);
    places(one).iter().any(|(repository, path)| {
        theirs
            .iter()
            .any(|(their, their_path)| path == their_path && same_store(repository, their))
    })
}

/// As the specification says it; one that only a file of the user names is not known here.
fn path(cluster: &PerconaPGCluster, repository: &Repository) -> String {
    let name = &repository.name;
    let set = cluster
        .spec
        .backups
        .pgbackrest
        .as_ref()
        .and_then(|pgbackrest| pgbackrest.global.get(&format!("{name}-path")));
    set.cloned().unwrap_or_else(|| format!("/pgbackrest/{name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cluster(name: &str, path: &str, more: &Value) -> PerconaPGCluster {
        let mut cluster = json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": {"name": name, "namespace": "n", "uid": name},
            "spec": {"postgresVersion": 18, "instances": [], "backups": {"pgbackrest": {
                "global": {"repo1-path": path},
                "repos": [{"name": "repo1", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}}]}}},
            "status": {"state": "ready", "patroni": {"status": {"systemIdentifier": "7"}}},
        });
        for (part, values) in more.as_object().unwrap() {
            for (key, value) in values.as_object().unwrap() {
                cluster[part][key] = value.clone();
            }
        }
        serde_json::from_value(cluster).unwrap()
    }

    #[test]
    fn whoever_runs_on_the_same_database_and_place_is_a_writer_unless_it_follows() {
        let own = cluster("own", "/a", &json!({}));
        let judged = |other: PerconaPGCluster| writer(&own, [&own, &other]);
        assert_eq!(judged(cluster("x", "/a", &json!({}))).as_deref(), Some("n/x"));
        assert_eq!(judged(cluster("x", "/b", &json!({}))), None, "another place");
        let foreign = json!({"status": {"patroni": {"status": {"systemIdentifier": "8"}}}});
        assert_eq!(judged(cluster("x", "/a", &foreign)), None, "another database");
        let standby = json!({"spec": {"standby": {"enabled": true, "host": "h"}}});
        assert_eq!(judged(cluster("x", "/a", &standby)), None, "a standby");
        let stopping = json!({"spec": {"pause": true}, "status": {"state": "stopping"}});
        assert!(judged(cluster("x", "/a", &stopping)).is_some(), "not yet stopped");
        let stopped = json!({"spec": {"pause": true}, "status": {"state": "paused"}});
        assert_eq!(judged(cluster("x", "/a", &stopped)), None, "stopped");
    }
}

//! The first data of a cluster that is to have them from somewhere (`spec.dataSource`). Pure.
//!
//! They are brought by a restore, an object like every other, which the cluster makes for itself. Until it has succeeded the claims
//! are marked and no instance runs. Claims without the mark have data, whatever the specification says: `dataSource` is looked at
//! once in the life of a claim.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Resource as _, ResourceExt as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::dereference::Observed;
use super::names::ANNOTATION_AWAITS_DATA;
use crate::api::backup::JobState;
use crate::api::cluster::data_source::DataSource;
use crate::api::pods::ContainerOptions;
use crate::api::{
    ConditionType, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreSpec, Reason, conditions,
};

/// No instance has data yet, and some are to be brought.
#[must_use]
pub fn awaits_data(observed: &Observed) -> bool {
    let awaits = |claim: &PersistentVolumeClaim| claim.annotations().contains_key(ANNOTATION_AWAITS_DATA);
    let source = observed.cluster.spec.data_source.as_ref();
    // Volumes that are taken over have data.
    source.is_some_and(|source| **source != DataSource::default() && source.volumes.is_none())
        && observed.claims.iter().all(awaits)
        && !observed.bootstraps.iter().any(has_brought)
}

/// The data are there.
fn has_brought(restore: &PerconaPGRestore) -> bool {
    let status = restore.status.as_ref();
    status.is_some_and(|status| conditions::is_true(&status.conditions, ConditionType::DataRestored.as_str()))
}

/// The restore that is still to be made. It works on an instance, so there is none before there is one.
#[must_use]
pub fn missing(observed: &Observed) -> Option<PerconaPGRestore> {
    if observed.stateful_sets.is_empty() || !awaits_data(observed) {
        return None;
    }
    let wanted = restore(&observed.cluster)?;
    let there = observed
        .bootstraps
        .iter()
        .any(|restore| restore.name_any() == wanted.name_any());
    (!there).then_some(wanted)
}

/// What stands in the way of the instances, for their conditions.
#[must_use]
pub fn told(observed: &Observed) -> (Reason, String) {
    let wanted = restore(&observed.cluster);
    let name = wanted.map(|restore| restore.name_any()).unwrap_or_default();
    let made = observed
        .bootstraps
        .iter()
        .find(|restore| restore.name_any() == name);
    let status = made.and_then(|restore| restore.status.as_ref());
    let failed = status.filter(|status| status.state == Some(JobState::Failed));
    let Some(failed) = failed else {
        let what = format!("the first data are brought by PerconaPGRestore {name}");
        return (Reason::AwaitsData, what);
    };
    let error = failed.error.as_deref().unwrap_or("it does not say why");
    let what = format!(
        "PerconaPGRestore {name} could not bring the first data: {}. Delete it to have it tried again, or change spec.dataSource",
        error.trim_end_matches('.')
    );
    (Reason::RestoreFailed, what)
}

/// The restore that brings them. Another source is another restore.
fn restore(cluster: &PerconaPGCluster) -> Option<PerconaPGRestore> {
    let source = cluster.spec.data_source.as_ref()?;
    let (repository, options, container) = match (&source.postgres_cluster, &source.pgbackrest) {
        (Some(other), _) => (
            &other.repo_name,
            &other.options,
            Some(ContainerOptions {
                env: other.env.clone(),
                env_from: other.env_from.clone(),
            }),
        ),
        (None, Some(repository)) => (&repository.repo.name, &repository.options, None),
        (None, None) => return None,
    };
    let digest = Sha256::digest(json!(source).to_string());
    let short = hex::encode(digest.get(..4).unwrap_or_default());
    let name = cluster.name_any();
    let mut restore = PerconaPGRestore::new(
        &format!("{name}-bootstrap-{short}"),
        PerconaPGRestoreSpec {
            pg_cluster: name,
            repo_name: Some(repository.clone()),
            options: options.clone(),
            container_options: container
                .filter(|options| !options.env.is_empty() || !options.env_from.is_empty()),
            bootstrap: Some(true),
            ..PerconaPGRestoreSpec::default()
        },
    );
    restore.metadata.namespace = cluster.namespace();
    restore.metadata.owner_references = cluster.controller_owner_ref(&()).map(|owner| vec![owner]);
    Some(restore)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn cluster(source: Value) -> PerconaPGCluster {
        let mut cluster: PerconaPGCluster = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": {"name": "new", "namespace": "shop", "uid": "u"},
            "spec": {"postgresVersion": 18, "instances": [], "backups": {}},
        }))
        .unwrap();
        cluster.spec.data_source = serde_json::from_value(source).unwrap();
        cluster
    }

    #[test]
    fn the_restore_asks_for_what_the_source_says_and_another_source_is_another_restore() {
        let of_cluster = json!({"postgresCluster": {"clusterName": "old", "repoName": "repo2", "options": ["--type=time"]}});
        let first = restore(&cluster(of_cluster)).unwrap();
        assert_eq!(first.spec.repo_name.as_deref(), Some("repo2"));
        assert_eq!(first.spec.options, ["--type=time"]);
        assert!(first.is_bootstrap() && first.name_any().starts_with("new-bootstrap-"));
        let of_repository =
            json!({"pgbackrest": {"stanza": "db", "repo": {"name": "repo1", "gcs": {"bucket": "b"}}}});
        let second = restore(&cluster(of_repository)).unwrap();
        assert_ne!(first.name_any(), second.name_any());
        assert_eq!(restore(&cluster(json!({"volumes": {}}))), None);
    }
}

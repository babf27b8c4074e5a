//! Whose backups a restore reads: the cluster's own, or for the first data of a new cluster those that its `spec.dataSource` names.
//!
//! A source is read as if it were a cluster, so that all that is known of reading a cluster's repositories holds for it, too. Nothing is ever written to it.

use kube::ResourceExt as _;
use kube::api::Api;

use super::wanted::Refused;
use crate::api::cluster::backups::PgBackRest;
use crate::api::cluster::data_source::{ClusterSource, RepositorySource};
use crate::api::names::STANZA;
use crate::api::repository::Store;
use crate::api::{PerconaPGCluster, PerconaPGRestore, Reason};
use crate::controllers::archive::SOURCE;
use crate::controllers::context::Context;
use crate::controllers::reading::{ReadError, in_time};

/// The cluster whose repositories are read for the first data of `cluster`.
pub async fn of_new(
    context: &Context,
    cluster: &PerconaPGCluster,
) -> Result<Result<PerconaPGCluster, Refused>, ReadError> {
    let source = cluster.spec.data_source.clone().unwrap_or_default();
    if let Some(source) = &source.postgres_cluster {
        return of_cluster(context, cluster, source).await;
    }
    Ok(match &source.pgbackrest {
        Some(source) => of_repository(cluster, source),
        None => Err(Refused::new(
            Reason::InvalidSpecification,
            "spec.dataSource of the cluster names nothing to begin from",
        )),
    })
}

async fn of_cluster(
    context: &Context,
    cluster: &PerconaPGCluster,
    source: &ClusterSource,
) -> Result<Result<PerconaPGCluster, Refused>, ReadError> {
    let own = cluster.namespace().unwrap_or_default();
    let namespace = source.cluster_namespace.as_ref().unwrap_or(&own);
    let name = source.cluster_name.clone().unwrap_or_else(|| cluster.name_any());
    if *namespace == own && name == cluster.name_any() {
        let what = "A new cluster cannot begin from itself: name another cluster, or the repository with \
                    spec.dataSource.pgbackrest";
        return Ok(Err(Refused::new(Reason::InvalidSpecification, what)));
    }
    let clusters: Api<PerconaPGCluster> = Api::namespaced(context.client.clone(), namespace);
    let read = in_time(async {
        let read = clusters.get_opt(&name).await;
        read.map_err(ReadError::of("PerconaPGClusters"))
    });
    let Some(found) = read.await? else {
        let what = format!("There is no PerconaPGCluster {name} in namespace {namespace}");
        return Ok(Err(Refused::new(Reason::ClusterMissing, what)));
    };
    Ok(shared(&found, &own, context.settings.sources_are_open).and_then(|()| has(found, &source.repo_name)))
}

/// Whether a namespace may begin from the backups of a cluster.
fn shared(source: &PerconaPGCluster, namespace: &str, open: bool) -> Result<(), Refused> {
    let of = source.namespace().unwrap_or_default();
    let granted = &source.spec.backups.shared_with;
    if open || of == namespace || granted.iter().any(|to| to == namespace || to == "*") {
        return Ok(());
    }
    let what = format!(
        "PerconaPGCluster {} in namespace {of} does not share its backups with namespace {namespace}",
        source.name_any()
    );
    Err(Refused::new(Reason::SourceNotShared, what))
}

/// It has the repository. It keeps the others: credentials of a repository that is not configured make pgBackRest refuse the number
/// of one that is.
fn has(source: PerconaPGCluster, repository: &str) -> Result<PerconaPGCluster, Refused> {
    if source.spec.backups.repository(repository).is_some() {
        return Ok(source);
    }
    let what = format!(
        "PerconaPGCluster {} has no repository {repository}",
        source.name_any()
    );
    Err(Refused::new(Reason::RepositoryUnknown, what))
}

/// Whose backups a restore reads.
#[must_use]
pub fn stanza<'a>(restore: &PerconaPGRestore, cluster: &'a PerconaPGCluster) -> &'a str {
    let source = cluster.spec.data_source.as_ref();
    let named = source.and_then(|source| Some(source.pgbackrest.as_ref()?.stanza.as_str()));
    named.filter(|_| restore.is_bootstrap()).unwrap_or(STANZA)
}

/// A cluster that has that repository, and nothing else.
fn of_repository(cluster: &PerconaPGCluster, source: &RepositorySource) -> Result<PerconaPGCluster, Refused> {
    // It becomes part of commands.
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if source.stanza.is_empty() || source.stanza.starts_with('-') || !source.stanza.bytes().all(ordinary) {
        let what = format!(
            "spec.dataSource.pgbackrest.stanza: '{}' is no name of a stanza: letters, digits, '-', '_' and '.'",
            source.stanza
        );
        return Err(Refused::new(Reason::InvalidSpecification, what));
    }
    if matches!(source.repo.store(), Some(Store::Volume(_))) {
        let what = "spec.dataSource.pgbackrest: a repository on a volume is reached through its cluster \
                    (spec.dataSource.postgresCluster)";
        return Err(Refused::new(Reason::NotSupported, what));
    }
    let mut reads = cluster.clone();
    reads.status = None;
    // What is known of a repository is kept by the cluster's UID and the repository's name, and the cluster has one of that name itself.
    reads.metadata.uid = cluster.uid().map(|uid| format!("{uid}{SOURCE}"));
    reads.spec.backups.enabled = None;
    reads.spec.backups.pgbackrest = Some(PgBackRest {
        image: cluster
            .spec
            .backups
            .pgbackrest
            .as_ref()
            .and_then(|own| own.image.clone()),
        repos: vec![source.repo.clone()],
        global: source.global.clone(),
        configuration: source.configuration.clone(),
        ..PgBackRest::default()
    });
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::archive;

    fn cluster(namespace: &str, backups: &Value) -> PerconaPGCluster {
        serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": {"name": "shop", "namespace": namespace, "uid": "u"},
            "spec": {"postgresVersion": 18, "instances": [], "backups": backups},
        }))
        .unwrap()
    }

    #[test]
    fn another_namespace_needs_the_owners_word() {
        let closed = cluster("a", &json!({}));
        assert_eq!(shared(&closed, "a", false), Ok(()));
        let refused = shared(&closed, "b", false).unwrap_err();
        assert_eq!(refused.reason, Reason::SourceNotShared);
        assert_eq!(shared(&closed, "b", true), Ok(()));
        for granted in ["b", "*"] {
            let open = cluster("a", &json!({"sharedWith": ["c", granted]}));
            assert_eq!(shared(&open, "b", false), Ok(()), "{granted}");
        }
    }

    #[test]
    fn a_source_has_to_have_the_repository() {
        let repos = json!({"pgbackrest": {"repos": [
            {"name": "repo1", "gcs": {"bucket": "a"}}, {"name": "repo2", "gcs": {"bucket": "b"}}]}});
        assert!(has(cluster("a", &repos), "repo2").is_ok());
        let unknown = has(cluster("a", &repos), "repo3").unwrap_err();
        assert_eq!(unknown.reason, Reason::RepositoryUnknown);
    }

    #[test]
    fn a_repository_without_a_cluster_brings_its_own_credentials_and_nothing_of_the_new_clusters() {
        let own = json!({"pgbackrest": {"global": {"repo1-path": "/new"}, "repos": [{"name": "repo1", "gcs": {"bucket": "new"}}],
            "env": [{"name": "PGBACKREST_REPO1_GCS_KEY", "value": "x"}]}});
        let source: RepositorySource = serde_json::from_value(json!({
            "stanza": "db", "repo": {"name": "repo1", "gcs": {"bucket": "old"}}, "global": {"repo1-path": "/old"}}))
        .unwrap();
        let cluster = cluster("a", &own);
        let read = of_repository(&cluster, &source).unwrap();
        let pgbackrest = read.spec.backups.pgbackrest.clone().unwrap();
        assert_eq!(pgbackrest.global["repo1-path"], "/old");
        assert!(pgbackrest.env.is_empty());
        assert_ne!(read.uid(), cluster.uid());
        for no_name in ["", "-x", "a b", "a;b"] {
            let other = RepositorySource {
                stanza: no_name.to_owned(),
                ..source.clone()
            };
            let refused = of_repository(&cluster, &other).unwrap_err();
            assert_eq!(refused.reason, Reason::InvalidSpecification, "{no_name}");
        }
    }

    #[test]
    fn a_source_may_have_a_stanza_of_another_name_and_only_what_reads_it_uses_that() {
        let mut new = cluster("a", &json!({}));
        let source = json!({"stanza": "shop-main", "repo": {"name": "repo1", "gcs": {"bucket": "old"}}});
        new.spec.data_source = serde_json::from_value(json!({ "pgbackrest": source })).unwrap();
        let read = of_repository(&new, &serde_json::from_value(source).unwrap()).unwrap();
        assert_eq!(
            (archive::stanza(&read), archive::stanza(&new)),
            ("shop-main", "db")
        );
        let restore = |bootstrap: bool| -> PerconaPGRestore {
            serde_json::from_value(json!({
                "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGRestore", "metadata": {"name": "r"},
                "spec": {"pgCluster": "shop", "bootstrap": bootstrap}}))
            .unwrap()
        };
        assert_eq!(stanza(&restore(true), &new), "shop-main");
        assert_eq!(stanza(&restore(false), &new), "db");
    }
}

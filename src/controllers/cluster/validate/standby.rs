//! What a standby follows, as far as the specification alone can say it.

use super::Refusal;
use crate::api::cluster::data_source::DataSource;
use crate::api::repository::Store;
use crate::api::{PerconaPGClusterSpec, Reason};
use crate::controllers::cluster::validated::Standby;

/// Port of PostgreSQL where none is given.
const PORT: i32 = 5432;

/// Nothing for a cluster that is to take writes.
pub(super) fn of(spec: &PerconaPGClusterSpec) -> Result<Option<Standby>, Refusal> {
    let by_hand = spec
        .patroni
        .as_ref()
        .and_then(|patroni| patroni.dynamic_configuration.as_ref())
        .is_some_and(|dynamic| dynamic.contains_key("standby_cluster"));
    if by_hand {
        return refused("patroni.dynamicConfiguration.standby_cluster is not looked at: use spec.standby");
    }
    let Some(standby) = spec.standby.as_ref().filter(|standby| standby.enabled) else {
        return Ok(None);
    };
    if spec
        .data_source
        .as_ref()
        .is_some_and(|source| **source != DataSource::default())
    {
        return refused(
            "spec.standby and spec.dataSource exclude each other: a standby has its first data from what it follows",
        );
    }
    let host = standby.host.clone().filter(|host| !host.is_empty());
    let repository = match standby.repo_name.as_deref() {
        Some(name) => Some(repository(spec, name)?),
        None => None,
    };
    if host.is_none() && repository.is_none() {
        return refused("a standby follows something: set spec.standby.host, spec.standby.repoName, or both");
    }
    Ok(Some(Standby {
        host: host.map(|host| (host, standby.port.unwrap_or(PORT))),
        repository,
    }))
}

fn repository(spec: &PerconaPGClusterSpec, name: &str) -> Result<u8, Refusal> {
    if !spec.backups.is_enabled() {
        return refused("spec.standby.repoName: with spec.backups.enabled false no repository is read");
    }
    let Some(repository) = spec.backups.repository(name) else {
        return refused(&format!(
            "spec.standby.repoName: '{name}' is not among the repositories of this cluster; give it the bucket and path of the cluster to follow"
        ));
    };
    if matches!(repository.store(), Some(Store::Volume(_))) {
        return refused(&format!(
            "spec.standby.repoName: {name} is on a volume, which only its own cluster can reach; use an object store, or spec.standby.host"
        ));
    }
    repository.key().map_or_else(
        || {
            refused(&format!(
                "spec.standby.repoName: '{name}' is no name of a repository"
            ))
        },
        Ok,
    )
}

fn refused<T>(message: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Reason::InvalidSpecification, message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(standby: &Value, more: &Value) -> Result<Option<Standby>, String> {
        let mut spec = json!({
            "postgresVersion": 18, "instances": [], "standby": standby,
            "backups": {"pgbackrest": {"repos": [
                {"name": "repo2", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}},
                {"name": "repo3", "volume": {"volumeClaimSpec": {}}},
            ]}},
        });
        json_patch(&mut spec, more);
        of(&serde_json::from_value(spec).unwrap()).map_err(|refusal| refusal.message)
    }

    fn json_patch(spec: &mut Value, more: &Value) {
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
    }

    #[test]
    fn a_standby_follows_a_repository_of_its_specification_a_host_or_both() {
        let both = json!({"enabled": true, "host": "h", "port": 6000, "repoName": "repo2"});
        let expected = Standby {
            host: Some(("h".to_owned(), 6000)),
            repository: Some(2),
        };
        assert_eq!(judged(&both, &json!({})), Ok(Some(expected)));
        let of_host = judged(&json!({"enabled": true, "host": "h"}), &json!({}));
        assert_eq!(of_host.unwrap().unwrap().host, Some(("h".to_owned(), 5432)));
        let off = json!({"enabled": false, "repoName": "repo9"});
        assert_eq!(judged(&off, &json!({})), Ok(None));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_the_way_out() {
        let of = |repository: &str| json!({"enabled": true, "repoName": repository});
        let source = json!({"dataSource": {"postgresCluster": {"clusterName": "x", "repoName": "repo1"}}});
        for (standby, more, part) in [
            (json!({"enabled": true}), json!({}), "host"),
            (of("repo1"), json!({}), "not among"),
            (of("repo3"), json!({}), "volume"),
            (of("repo2"), source, "exclude each other"),
            (
                json!({"enabled": false}),
                json!({"patroni": {"dynamicConfiguration": {"standby_cluster": {}}}}),
                "use spec.standby",
            ),
        ] {
            let message = judged(&standby, &more).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}

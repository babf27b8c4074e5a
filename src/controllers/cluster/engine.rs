//! From the resource's repositories and the user's options to pgBackRest's files: the way into the engine's renderer.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::names::{Names, paths};
use super::user_files::UserFiles;
use super::validate::Refusal;
use super::validated::{Instance, Repo};
use super::volumes;
use crate::api::repository::{Repository, Store};
use crate::api::{PerconaPGClusterSpec, Reason};
use crate::domain::secret::Secret;
use crate::pgbackrest::access::{self, AccessError, RepositoryAccess, VolumeReader};
use crate::pgbackrest::configuration::{
    ClusterConfiguration, ConfigurationError, INSTANCE_KEY, InstanceHost, JOB_KEY, PostgresLocation,
    REPO_HOST_KEY, RepositorySpec, RepositoryStore, SERVER_KEY,
};
use crate::pgbackrest::user_options::{UserOptions, repository_of};

/// Keys of the Secret of pgBackRest's certificates: the compatible operator's.
pub const AUTHORITY_KEY: &str = "pgbackrest.ca-roots";
/// The certificate of whoever connects to one of pgBackRest's servers.
pub const CLIENT_CERTIFICATE_KEY: &str = "pgbackrest-client.crt";
/// Its key.
pub const CLIENT_KEY_KEY: &str = "pgbackrest-client.key";

/// The repository as the engine knows it; nothing for one without a valid name or a store, which the schema refuses.
#[must_use]
pub fn repository(names: &Names, repository: &Repository) -> Option<RepositorySpec> {
    let store = match repository.store()? {
        Store::S3(s3) => RepositoryStore::S3 {
            bucket: s3.bucket.clone(),
            endpoint: s3.endpoint.clone(),
            region: s3.region.clone(),
        },
        Store::Azure(azure) => RepositoryStore::Azure {
            container: azure.container.clone(),
        },
        Store::Gcs(gcs) => RepositoryStore::Gcs {
            bucket: gcs.bucket.clone(),
        },
        Store::Volume(_) => RepositoryStore::Volume {
            host: names.pod_host(&names.repo_host()),
        },
    };
    Some(RepositorySpec {
        key: u32::from(repository.key()?),
        store,
    })
}

/// Repositories that are acted on, with their keys.
#[must_use]
pub fn repos(spec: &PerconaPGClusterSpec) -> Vec<Repo> {
    spec.backups.repositories().iter().filter_map(repo).collect()
}

/// The same of one.
#[must_use]
pub fn repo(repository: &Repository) -> Option<Repo> {
    repository.store()?;
    Some(Repo {
        name: repository.name.clone(),
        key: repository.key()?,
        suspended: repository.is_suspended(),
    })
}

/// Paths of options for repositories that the cluster does not have: they are left out of what is rendered.
#[must_use]
pub fn left_out(spec: &PerconaPGClusterSpec) -> Vec<String> {
    let there: Vec<u32> = repos(spec).iter().map(|repo| u32::from(repo.key)).collect();
    let pgbackrest = spec.backups.pgbackrest.as_ref();
    pgbackrest
        .into_iter()
        .flat_map(|pgbackrest| pgbackrest.global.keys())
        .filter(|option| repository_of(option).is_some_and(|key| !there.contains(&key)))
        .map(|option| format!("spec.backups.pgbackrest.global.{option}"))
        .collect()
}

/// Renders pgBackRest's files, by `ConfigMap` key.
pub fn files(
    spec: &PerconaPGClusterSpec,
    names: &Names,
    uid: &str,
    instances: &[Instance],
    user: &UserOptions,
) -> Result<BTreeMap<String, String>, Refusal> {
    let configuration = ClusterConfiguration {
        instances: instances
            .iter()
            .map(|instance| InstanceHost {
                host: names.pod_host(&instance.name),
            })
            .collect(),
        repositories: spec
            .backups
            .repositories()
            .iter()
            .filter_map(|candidate| repository(names, candidate))
            .collect(),
        user: user.clone(),
        postgres: PostgresLocation {
            data_directory: paths::data_directory(spec.postgres_version),
            port: u16::try_from(spec.port).unwrap_or(5432),
            socket_directory: paths::SOCKETS.to_owned(),
        },
        client_name: format!("pgbackrest@{uid}"),
        process_max: processes(spec),
        restore_processes: restore_processes(spec),
    };
    let refuse = |error: ConfigurationError| {
        let reason = match error {
            ConfigurationError::Conflict { .. } => Reason::ConfigurationConflict,
            ConfigurationError::Unwritable { .. } => Reason::InvalidSpecification,
        };
        Refusal::new(reason, error.to_string())
    };
    let files = [
        (INSTANCE_KEY, Some(configuration.instance().map_err(refuse)?)),
        (JOB_KEY, Some(configuration.job().map_err(refuse)?)),
        (SERVER_KEY, Some(configuration.server().map_err(refuse)?)),
        (REPO_HOST_KEY, configuration.repo_host().map_err(refuse)?),
    ];
    Ok(files
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), text?)))
        .collect())
}

/// How the operator itself reads a repository. `certificates` is the Secret of pgBackRest's certificates, for a volume,
/// which only its host can show.
pub fn access(
    names: &Names,
    wanted: &Repository,
    user: &UserFiles,
    claims: &[PersistentVolumeClaim],
    certificates: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<RepositoryAccess, AccessError> {
    let specification = repository(names, wanted).ok_or(AccessError::NotYetSupported {
        what: "a repository without a store",
    })?;
    let Some(volume) = volumes::volume_of(wanted) else {
        return access::resolve(&specification, &user.options, &user.others);
    };
    let claim = volumes::claim_name(names, &wanted.name, claims);
    let modes = volume
        .volume_claim_spec
        .access_modes
        .as_deref()
        .unwrap_or_default();
    if !modes.is_empty() && modes.iter().all(|mode| mode == "ReadWriteOncePod") {
        return Err(AccessError::Volume {
            claim,
            problem: "has the access mode ReadWriteOncePod, so no Job can mount it beside the repository host; use \
                      ReadWriteOnce",
        });
    }
    let part = |key: &str| certificates?.get(key).filter(|value| !value.is_empty());
    let text = |key: &str| String::from_utf8(part(key)?.clone()).ok();
    let (Some(authority), Some(certificate), Some(key)) = (
        part(AUTHORITY_KEY),
        text(CLIENT_CERTIFICATE_KEY),
        text(CLIENT_KEY_KEY),
    ) else {
        return Err(AccessError::HostNotReady);
    };
    let reader = VolumeReader {
        claim,
        authority: authority.clone(),
        identity: Secret::new(format!("{certificate}\n{key}")),
    };
    access::resolve_volume(&specification, &user.options, reader)
}

/// Processes of a restore whose instances have no limit: enough that objects are not waited for one by one.
const UNLIMITED: u32 = 4;

/// Processes a backup may use: the whole CPUs of its Job's limit.
fn processes(spec: &PerconaPGClusterSpec) -> u32 {
    let limit = || {
        let jobs = spec.backups.pgbackrest.as_ref()?.jobs.as_ref()?;
        jobs.resources.as_ref()?.limits.as_ref()?.get("cpu").cloned()
    };
    limit().as_ref().and_then(whole_cpus).unwrap_or(1).max(1)
}

/// Processes a restore may use, which runs in place of an instance: the whole CPUs of the smallest limit.
fn restore_processes(spec: &PerconaPGClusterSpec) -> u32 {
    let limits = spec
        .instances
        .iter()
        .filter_map(|set| set.resources.as_ref()?.limits.as_ref()?.get("cpu"));
    let least = limits.filter_map(whole_cpus).min();
    least.unwrap_or(UNLIMITED).max(1)
}

fn whole_cpus(quantity: &Quantity) -> Option<u32> {
    if let Some(thousandths) = quantity.0.strip_suffix('m') {
        return thousandths
            .parse::<u32>()
            .ok()
            .map(|thousandths| thousandths / 1000);
    }
    quantity.0.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_of_repositories_that_do_not_exist_are_named() {
        let spec = json!({"postgresVersion": 18, "instances": [], "backups": {"pgbackrest": {
            "global": {"repo1-path": "/a", "repo2-path": "/b", "compress-type": "gz"},
            "repos": [{"name": "repo1", "gcs": {"bucket": "b"}}]}}});
        let named = left_out(&serde_json::from_value(spec).unwrap());
        assert_eq!(named, ["spec.backups.pgbackrest.global.repo2-path"]);
    }

    #[test]
    fn a_job_has_as_many_processes_as_its_limit_has_cpus_unless_the_user_says_otherwise() {
        let process_max = |backups: serde_json::Value| {
            let spec = json!({"postgresVersion": 18, "instances": [], "backups": {"pgbackrest": backups}});
            let spec = serde_json::from_value(spec).unwrap();
            let names = Names {
                cluster: "app".to_owned(),
                namespace: "shop".to_owned(),
                dns_suffix: "cluster.local".to_owned(),
            };
            let user = UserOptions {
                global: spec_global(&spec),
                ..UserOptions::default()
            };
            let files = files(&spec, &names, "uid", &[], &user).unwrap();
            let lines = files[JOB_KEY]
                .lines()
                .filter(|line| line.starts_with("process-max="));
            lines.collect::<Vec<_>>().join(" ")
        };
        let limit = json!({"resources": {"limits": {"cpu": "3500m"}}});
        assert_eq!(process_max(json!({"jobs": limit, "repos": []})), "process-max=3");
        assert_eq!(process_max(json!({"repos": []})), "process-max=1");
        let own = json!({"jobs": limit, "global": {"process-max": "7"}, "repos": []});
        assert_eq!(process_max(own), "process-max=7");
    }

    fn spec_global(spec: &PerconaPGClusterSpec) -> BTreeMap<String, String> {
        spec.backups.pgbackrest.clone().unwrap_or_default().global
    }

    #[test]
    fn the_limit_is_read_in_whole_cpus() {
        for (text, expected) in [
            ("2", Some(2)),
            ("1500m", Some(1)),
            ("3.7", Some(3)),
            ("500m", Some(0)),
            ("x", None),
        ] {
            assert_eq!(whole_cpus(&Quantity(text.to_owned())), expected, "{text}");
        }
    }
}

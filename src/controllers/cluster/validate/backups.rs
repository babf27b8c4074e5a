//! Repositories and what their pods need.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::VolumeProjection;

use super::{Existence, jobs, pods};
use crate::api::PerconaPGClusterSpec;
use crate::controllers::cluster::engine;
use crate::controllers::cluster::names::Names;
use crate::controllers::cluster::validated::{Backups, RepoHost, RepositoryVolume};
use crate::controllers::cluster::volumes;

/// With pgBackRest's files, by `ConfigMap` key, and the repositories that may be given a stanza.
pub fn of(
    spec: &PerconaPGClusterSpec,
    names: &Names,
    existence: &Existence,
    files: BTreeMap<String, String>,
    cleared: BTreeSet<String>,
) -> Backups {
    let pgbackrest = spec.backups.pgbackrest.clone().unwrap_or_default();
    let no_jobs = jobs::problem(&pgbackrest);
    let paused = spec.pause.unwrap_or(false);
    let mut instances = existence.instances.values().flatten();
    Backups {
        metadata: pods::metadata(pgbackrest.metadata.as_ref()),
        repos: engine::repos(spec),
        configuration: pgbackrest.configuration.into_iter().map(if_there).collect(),
        env: pgbackrest.env,
        env_from: pgbackrest.env_from,
        files,
        cleared,
        volumes: self::volumes(names, spec, existence),
        repo_host: RepoHost {
            pod: pods::repo_host(spec),
            running: !paused || instances.any(|instance| instance.present),
        },
        no_jobs,
    }
}

fn volumes(names: &Names, spec: &PerconaPGClusterSpec, existence: &Existence) -> Vec<RepositoryVolume> {
    let repositories = spec.backups.repositories().iter();
    repositories
        .filter_map(|repository| {
            let wanted = &volumes::volume_of(repository)?.volume_claim_spec;
            let claims = &existence.volume_claims;
            Some(RepositoryVolume {
                repo: engine::repo(repository)?,
                claim: volumes::claim_name(names, &repository.name, claims),
                spec: volumes::claim_spec(wanted, volumes::find(names, &repository.name, claims)),
            })
        })
        .collect()
}

/// A database must start without the Secret of its repository: what is missing is told, and mounted once it is there.
fn if_there(mut projection: VolumeProjection) -> VolumeProjection {
    if let Some(secret) = &mut projection.secret {
        secret.optional = Some(true);
    }
    if let Some(map) = &mut projection.config_map {
        map.optional = Some(true);
    }
    projection
}

//! Repositories, and how backups are taken into them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, VolumeProjection};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drills::Drill;
use super::jobs::{BackupJobs, ManualBackup, RestoreInPlace};
use super::objectives::Objectives;
use super::repo_host::RepoHost;
use super::snapshots::VolumeSnapshots;
use crate::api::pods::{ContainerResources, InitContainer, Metadata};
use crate::api::repository::Repository;
use crate::api::rules;
use crate::api::schedules::Blackout;

/// Repositories and backups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "(has(self.enabled) && self.enabled == false) || (has(self.pgbackrest) && has(self.pgbackrest.repos) && size(self.pgbackrest.repos) > 0)",
    "At least one repository must be configured when backups are enabled"))]
#[x_kube(validation = rules::archiving_goes_on())]
pub struct Backups {
    /// Whether WAL is archived and backups are taken. On when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether the status of backups tells how far each can be recovered. On when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_latest_restorable_time: Option<bool>,
    /// pgBackRest and its repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbackrest: Option<PgBackRest>,
    /// What may be lost at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,
    /// Times in which no scheduled backup begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub blackouts: Vec<Blackout>,
    /// Rehearsals of restores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub drills: Vec<Drill>,
    /// Namespaces whose clusters may begin from these repositories (`spec.dataSource.postgresCluster`); `*` is every one. Those of the
    /// cluster's own namespace always may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub shared_with: Vec<String>,
    /// Backups by volume snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_snapshots: Option<VolumeSnapshots>,
}

impl Backups {
    /// Whether WAL is archived and backups are taken.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// The configured repositories; none when backups are switched off.
    #[must_use]
    pub fn repositories(&self) -> &[Repository] {
        match &self.pgbackrest {
            Some(pgbackrest) if self.is_enabled() => &pgbackrest.repos,
            _ => &[],
        }
    }

    /// The repository of that name, if it is configured and backups are on.
    #[must_use]
    pub fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories()
            .iter()
            .find(|repository| repository.name == name)
    }
}

/// pgBackRest and its repositories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBackRest {
    /// Labels and annotations of pgBackRest's objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Image with pgBackRest; the cluster's image when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Options of the section `[global]`, by pgBackRest's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub global: BTreeMap<String, String>,
    /// Files that appear in `/etc/pgbackrest/conf.d`; those named `*.conf` are read as configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<VolumeProjection>,
    /// The repositories, at most four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub repos: Vec<Repository>,
    /// The pod that serves a repository on a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_host: Option<Box<RepoHost>>,
    /// Settings of backup and restore Jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Box<BackupJobs>>,
    /// A backup on request. Accepted for compatibility: create a `PerconaPGBackup` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<ManualBackup>,
    /// A restore on request. Accepted for compatibility: create a `PerconaPGRestore` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreInPlace>,
    /// Environment variables of pgBackRest's containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Sources of environment variables of pgBackRest's containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
    /// The container that copies the agent into the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_container: Option<Box<InitContainer>>,
    /// Resources of the pgBackRest containers in instance pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<Box<PgBackRestContainers>>,
    /// Former name of `containers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<Box<PgBackRestContainers>>,
}

/// The pgBackRest containers in instance pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PgBackRestContainers {
    /// The container with pgBackRest's TLS server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbackrest: Option<ContainerResources>,
    /// The container that reloads its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbackrest_config: Option<ContainerResources>,
}

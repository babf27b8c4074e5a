//! The proof types: what `build` may see. Every value here has been computed or checked; nothing is optional that
//! has a default.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, LocalObjectReference, PersistentVolumeClaimSpec,
    PodSecurityContext, ResourceRequirements, SecurityContext, Toleration, TopologySpreadConstraint, Volume,
    VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::names::Names;

/// A cluster that can be built.
#[derive(Debug, Clone)]
pub struct ValidatedCluster {
    pub names: Names,
    pub uid: String,
    pub owner: OwnerReference,
    pub images: Images,
    /// Major version of PostgreSQL.
    pub postgres_version: i32,
    /// Port of PostgreSQL, in Pods and Services.
    pub port: i32,
    /// `spec.metadata`: goes onto every object.
    pub metadata: Metadata,
    pub paused: bool,
    /// Why no instance runs, where that is not the user's wish.
    pub stopped: Option<Stopped>,
    pub sets: Vec<InstanceSet>,
    /// Every instance, those of one set beside each other.
    pub instances: Vec<Instance>,
    pub patroni: Patroni,
    /// What it follows, where it takes no writes.
    pub standby: Option<Standby>,
    pub hba: Vec<String>,
    pub extensions: Extensions,
    pub users: Vec<User>,
    pub create_user_schema: bool,
    pub expose: Exposure,
    pub expose_replicas: Exposure,
    pub pooler: Option<Pooler>,
    /// Nothing when `backups.enabled` is false.
    pub backups: Option<Backups>,
    pub init_container: InitContainer,
}

/// Why no instance of a cluster runs that is not paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// A restore works on a volume.
    Restoring,
    /// The first data are yet to be brought.
    AwaitsData,
}

/// What a standby follows: a host, a repository, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standby {
    /// Name and TCP port.
    pub host: Option<(String, i32)>,
    /// Number of the repository.
    pub repository: Option<u8>,
}

#[derive(Debug, Clone)]
pub struct Images {
    pub postgres: String,
    pub pgbackrest: String,
    pub pgbouncer: String,
    /// Our own: what the init container copies the binary out of.
    pub holdfast: String,
    pub pull_policy: Option<String>,
    pub pull_secrets: Vec<LocalObjectReference>,
}

#[derive(Debug, Clone, Default)]
pub struct Metadata {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
pub struct InitContainer {
    pub resources: Option<ResourceRequirements>,
    pub security: Option<SecurityContext>,
}

/// One entry of `spec.instances`.
#[derive(Debug, Clone, Default)]
pub struct InstanceSet {
    pub name: String,
    pub replicas: i32,
    pub min_available: Option<IntOrString>,
    pub metadata: Metadata,
    pub data_claim: PersistentVolumeClaimSpec,
    pub wal_claim: Option<PersistentVolumeClaimSpec>,
    /// Volumes for tablespaces, by name.
    pub tablespaces: Vec<(String, PersistentVolumeClaimSpec)>,
    pub pod: PodSettings,
    /// Resources of the `pgbackrest` container.
    pub pgbackrest_resources: Option<ResourceRequirements>,
}

/// What users may set on a Pod, whichever part of the cluster it belongs to.
#[derive(Debug, Clone, Default)]
pub struct PodSettings {
    pub resources: Option<ResourceRequirements>,
    pub affinity: Option<Affinity>,
    pub tolerations: Vec<Toleration>,
    pub topology_spread: Option<Vec<TopologySpreadConstraint>>,
    pub priority_class: Option<String>,
    pub security: Option<PodSecurityContext>,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    pub sidecars: Vec<Container>,
    pub volumes: Vec<Volume>,
    /// Mounts added to the main container.
    pub mounts: Vec<VolumeMount>,
    pub init_containers: Vec<Container>,
}

/// One PostgreSQL server: a `StatefulSet` of one Pod and its claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub name: String,
    /// Index into [`ValidatedCluster::sets`].
    pub set: usize,
    /// Whether the `StatefulSet` asks for its Pod: false while paused, once its turn has come.
    pub running: bool,
    /// Remembered on the `StatefulSet`: it led when the cluster was stopped, and must start first.
    pub led_last: bool,
    /// Name of the claim with its data.
    pub data_claim: String,
    /// Name of the claim with its WAL, where that has one.
    pub wal_claim: String,
    /// What of those volumes was taken over is not in its place: names of the directories with data and WAL.
    pub adopted: Option<(Option<String>, Option<String>)>,
    /// Claim specs as they exist already: most of a claim cannot be changed.
    pub existing_claims: BTreeMap<String, PersistentVolumeClaimSpec>,
}

#[derive(Debug, Clone)]
pub struct Patroni {
    /// Seconds a leader lives without renewing.
    pub ttl: i32,
    /// Seconds between two loops.
    pub loop_wait: i32,
    /// REST port.
    pub port: i32,
    /// `patroni.dynamicConfiguration`, an object.
    pub dynamic: Value,
    /// `createReplicaMethods` that we support, in order.
    pub track_commit_timestamp: bool,
    /// The data come from somewhere (`spec.dataSource`): no empty database is ever made.
    pub has_source: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// Created in every database.
    pub create: Vec<String>,
    /// Must be in `shared_preload_libraries`.
    pub preload: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub databases: Vec<String>,
    pub options: String,
    pub secret: String,
    pub alphanumeric: bool,
    pub grant_public_schema_access: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Exposure {
    /// Service type; `ClusterIP` when empty.
    pub service_type: Option<String>,
    pub metadata: Metadata,
    pub node_port: Option<i32>,
    pub load_balancer_class: Option<String>,
    pub load_balancer_source_ranges: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Pooler {
    pub replicas: i32,
    pub port: i32,
    pub min_available: Option<IntOrString>,
    pub metadata: Metadata,
    pub pod: PodSettings,
    pub expose: Exposure,
    pub global: BTreeMap<String, String>,
    pub databases: BTreeMap<String, String>,
    pub users: BTreeMap<String, String>,
    pub expose_superusers: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Backups {
    pub metadata: Metadata,
    pub repos: Vec<Repo>,
    /// `configuration[]`, as the user wrote it.
    pub configuration: Vec<VolumeProjection>,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    /// The files of `pgbackrest.conf`'s family, rendered by the engine: `ConfigMap` key to text.
    pub files: BTreeMap<String, String>,
    /// Repositories that may be given a stanza: reachable, and empty or ours.
    pub cleared: BTreeSet<String>,
    /// Volumes of repositories, in the order of the specification; with any there is a repository host.
    pub volumes: Vec<RepositoryVolume>,
    pub repo_host: RepoHost,
    /// Why no Job can be made as the user wants it. Nothing else depends on that.
    pub no_jobs: Option<String>,
}

/// The volume of one repository.
#[derive(Debug, Clone, PartialEq)]
pub struct RepositoryVolume {
    pub repo: Repo,
    /// Name of its claim.
    pub claim: String,
    /// What to apply: of a claim that exists, all but its size is repeated.
    pub spec: PersistentVolumeClaimSpec,
}

/// The pod that mounts the volumes.
#[derive(Debug, Clone, Default)]
pub struct RepoHost {
    pub pod: PodSettings,
    /// False while paused, once no instance is left that could send WAL.
    pub running: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// `repo1` to `repo4`.
    pub name: String,
    /// 1 to 4.
    pub key: u8,
    /// The user keeps WAL from it.
    pub suspended: bool,
}

impl Backups {
    /// The repositories that the user keeps WAL from.
    pub fn suspended(&self) -> impl Iterator<Item = &Repo> {
        self.repos.iter().filter(|repo| repo.suspended)
    }
}

impl ValidatedCluster {
    /// The set an instance belongs to.
    #[must_use]
    pub fn set_of(&self, instance: &Instance) -> Option<&InstanceSet> {
        self.sets.get(instance.set)
    }

    /// Every database that some user is given, sorted.
    #[must_use]
    pub fn databases(&self) -> Vec<String> {
        self.users
            .iter()
            .flat_map(|user| user.databases.iter().cloned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Common name of the certificate with which backup Jobs and instances reach pgBackRest's servers.
    #[must_use]
    pub fn pgbackrest_client(&self) -> String {
        format!("pgbackrest@{}", self.uid)
    }
}

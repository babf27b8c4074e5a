//! `PerconaPGCluster`: a PostgreSQL cluster, its repositories and its backups.
//!
//! One file per concern. Fields that are accepted for compatibility but not acted on yet are named to the user
//! by `api::unsupported`.

use k8s_openapi::api::core::v1::LocalObjectReference;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::pods::{InitContainer, Metadata};
use super::{defaults, rules};

pub mod access;
pub mod backups;
pub mod data_source;
pub mod drills;
pub mod extensions;
pub mod instances;
pub mod jobs;
pub mod logical_replicas;
pub mod objectives;
pub mod observability;
pub mod patroni;
pub mod proxy;
pub mod recovery;
pub mod repo_host;
pub mod retention;
pub mod services;
pub mod snapshots;
pub mod standby;
pub mod status;
pub mod tls;
pub mod users;

pub use status::PerconaPGClusterStatus;

/// What the cluster is to be.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "pgv2.percona.com",
    version = "v2",
    kind = "PerconaPGCluster",
    plural = "perconapgclusters",
    shortname = "pg",
    namespaced,
    doc = "A PostgreSQL cluster with its repositories and backups.",
    status = "PerconaPGClusterStatus",
    derive = "PartialEq",
    validation = rules::cluster_name(),
    validation = rules::cluster_name_length(),
    printcolumn = r#"{"name":"Endpoint","type":"string","jsonPath":".status.host"}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Postgres","type":"string","jsonPath":".status.postgres.ready"}"#,
    printcolumn = r#"{"name":"PGBouncer","type":"string","jsonPath":".status.pgbouncer.ready"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "!has(self.extensions) || !has(self.extensions.pg_tde) || !has(self.extensions.pg_tde.enabled) || !self.extensions.pg_tde.enabled || self.postgresVersion >= 16",
    "pg_tde is only supported for PG16 and above"))]
#[x_kube(validation = rules::rule(
    "!has(self.users) || self.postgresVersion >= 15 || self.users.all(u, !has(u.grantPublicSchemaAccess) || !u.grantPublicSchemaAccess)",
    "PostgresVersion must be >= 15 if grantPublicSchemaAccess exists and is true"))]
#[x_kube(validation = rules::rule(
    "!has(self.logicalReplicas) || size(self.logicalReplicas) == 0 || self.postgresVersion >= 17",
    "spec.logicalReplicas requires spec.postgresVersion >= 17"))]
#[x_kube(validation = rules::rule(
    "!has(self.logicalReplicas) || size(self.logicalReplicas) == 0 || !has(self.backups) || !has(self.backups.enabled) || self.backups.enabled || self.logicalReplicas.all(r, has(r.bootstrapMethod) && r.bootstrapMethod == 'pg_basebackup')",
    "spec.logicalReplicas[].bootstrapMethod must be 'pg_basebackup' when spec.backups.enabled is false"))]
#[x_kube(validation = rules::rule(
    "!has(self.logicalReplicas) || self.logicalReplicas.all(r, !self.instances.exists(i, i.name == r.name))",
    "spec.logicalReplicas[].name must differ from every name of spec.instances"))]
pub struct PerconaPGClusterSpec {
    /// Version of the resource definition that this object was written for, for example `3.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::rule(
        r#"self == "" || self.matches('^[0-9]+\\.[0-9]+\\.[0-9]+([-+][a-zA-Z0-9.+-]+)?$')"#,
        "CRVersion must be a valid semantic version"))]
    pub cr_version: Option<String>,
    /// Labels and annotations for every object that the operator creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Image with PostgreSQL, pgBackRest and Patroni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When images are pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "Never", "IfNotPresent"]))]
    pub image_pull_policy: Option<String>,
    /// Secrets with which images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Major version of PostgreSQL.
    #[schemars(range(min = 12, max = 18))]
    pub postgres_version: i32,
    /// TCP port of PostgreSQL.
    #[serde(default = "defaults::postgres_port")]
    #[schemars(range(min = 1024))]
    pub port: i32,
    /// The cluster runs on `OpenShift`; recognised by itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openshift: Option<bool>,
    /// DNS suffix of Services, for example `cluster.local`.
    #[serde(
        default,
        rename = "clusterServiceDNSSuffix",
        skip_serializing_if = "Option::is_none"
    )]
    pub cluster_service_dns_suffix: Option<String>,
    /// The container that copies the agent into every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_container: Option<Box<InitContainer>>,
    /// Refuse connections that are not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_only: Option<bool>,
    /// Lifetimes and issuer of the certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<tls::Tls>,
    /// Certificates that the user brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<tls::CustomSecrets>,
    /// Stop every pod, keeping the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<bool>,
    /// Leave this cluster alone: nothing is created, changed or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged: Option<bool>,
    /// Give each user a schema of its own in each of its databases. On when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_create_user_schema: Option<bool>,
    /// SQL that is run once, after the cluster came up for the first time.
    #[serde(default, rename = "databaseInitSQL", skip_serializing_if = "Option::is_none")]
    pub database_init_sql: Option<users::InitSql>,
    /// Service of the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose: Option<services::Expose>,
    /// Service of the replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_replicas: Option<services::Expose>,
    /// Files and parameters for PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<access::Config>,
    /// Who may connect from where, and how they prove who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<access::Authentication>,
    /// Database users. One user and database named after the cluster when absent; none when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub users: Option<Vec<users::User>>,
    /// Settings of Patroni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patroni: Option<patroni::Patroni>,
    /// The cluster follows another one instead of taking writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<standby::Standby>,
    /// Sets of PostgreSQL instances.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub instances: Vec<instances::InstanceSet>,
    /// Replicas by logical replication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(rules::by_name()))]
    pub logical_replicas: Vec<logical_replicas::LogicalReplica>,
    /// The connection pooler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Box<proxy::Proxy>>,
    /// Repositories and backups.
    pub backups: backups::Backups,
    /// Where the data of a new cluster come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_source: Option<Box<data_source::DataSource>>,
    /// Percona Monitoring and Management.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pmm: Option<Box<observability::Pmm>>,
    /// Log shipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logcollector: Option<Box<observability::LogCollector>>,
    /// PostgreSQL extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Box<extensions::Extensions>>,
}

impl PerconaPGCluster {
    /// It follows another cluster, or did so and is not promoted yet: what is in its repositories is another's.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        let wanted = self.spec.standby.as_ref().is_some_and(|standby| standby.enabled);
        wanted
            || self
                .status
                .as_ref()
                .is_some_and(|status| status.standby.is_some())
    }

    /// The identity of its database, as far as it was ever known.
    #[must_use]
    pub fn system_identifier(&self) -> Option<u64> {
        let patroni = self.status.as_ref()?.patroni.as_ref()?;
        patroni.status.as_ref()?.system_identifier.as_ref()?.parse().ok()
    }
}

impl Default for PerconaPGClusterSpec {
    /// An empty specification with the schema's defaults. It has no version and no instances, so the API
    /// server would not accept it: for tests and for the comparison with what a user set.
    fn default() -> Self {
        Self {
            cr_version: None,
            metadata: None,
            image: None,
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            postgres_version: 0,
            port: defaults::postgres_port(),
            openshift: None,
            cluster_service_dns_suffix: None,
            init_container: None,
            tls_only: None,
            tls: None,
            secrets: None,
            pause: None,
            unmanaged: None,
            auto_create_user_schema: None,
            database_init_sql: None,
            expose: None,
            expose_replicas: None,
            config: None,
            authentication: None,
            users: None,
            patroni: None,
            standby: None,
            instances: Vec::new(),
            logical_replicas: Vec::new(),
            proxy: None,
            backups: backups::Backups::default(),
            data_source: None,
            pmm: None,
            logcollector: None,
            extensions: None,
        }
    }
}

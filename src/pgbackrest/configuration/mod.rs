//! The ini files that we give to pgBackRest, as pure functions of one description of a cluster.
//!
//! | function | `ConfigMap` key | mounted | read by |
//! |---|---|---|---|
//! | [`ClusterConfiguration::instance`] | `pgbackrest_instance.conf` | instance pods, `conf.d/~holdfast.conf` | `archive-push`, `archive-get`, stanza commands, `server` |
//! | [`ClusterConfiguration::server`] | `pgbackrest-server.conf` | instance pods and the repository host, `conf.d/~holdfast_server.conf` | `server` |
//! | [`ClusterConfiguration::job`] | `pgbackrest_repo.conf` | backup Jobs, `conf.d/~holdfast.conf` | `backup`, `expire`, `info` |
//! | [`ClusterConfiguration::repo_host`] | `pgbackrest_repo_host.conf` | the repository host, `conf.d/~holdfast.conf` | `server`, and a person in the pod |
//!
//! pgBackRest joins every file of `conf.d`, with those of the user, and refuses to start when one key stands
//! twice in one section, even with equal values. So: the user's `global` replaces our defaults; a key that the
//! user's own files set is not rendered; a key in both `global` and a file is an error here, with its name.
//! Nothing here knows a credential: those stand in the user's files, unless the user wrote one into `global`.

mod render;
mod section;

#[cfg(test)]
mod tests;

use super::user_options::UserOptions;

/// Key of the instances' file in the cluster's `ConfigMap`.
pub const INSTANCE_KEY: &str = "pgbackrest_instance.conf";
/// Key of the Jobs' file in the cluster's `ConfigMap`.
pub const JOB_KEY: &str = "pgbackrest_repo.conf";
/// Key of the repository host's file in the cluster's `ConfigMap`; only with a repository on a volume.
pub const REPO_HOST_KEY: &str = "pgbackrest_repo_host.conf";
/// Key of the TLS server's file in the cluster's `ConfigMap`.
pub const SERVER_KEY: &str = "pgbackrest-server.conf";

/// Directory of pgBackRest's configuration in every pod of ours.
pub const CONFIGURATION_DIRECTORY: &str = "/etc/pgbackrest";
/// Directory of the files that pgBackRest joins; the user's projected files end in it.
pub const INCLUDE_DIRECTORY: &str = "/etc/pgbackrest/conf.d";
/// Name of our file in [`INCLUDE_DIRECTORY`]: after the user's, in the order of names.
pub const FILE_NAME: &str = "~holdfast.conf";
/// Name of the TLS server's file in [`INCLUDE_DIRECTORY`].
pub const SERVER_FILE_NAME: &str = "~holdfast_server.conf";
/// Directory of the certificates for pgBackRest's own TLS.
pub const TLS_DIRECTORY: &str = "/etc/pgbackrest-tls";
/// Private directory of the agents in every instance pod, on an emptyDir: copies of the configuration for one command.
pub const SCRATCH_DIRECTORY: &str = "/tmp/holdfast";
/// Configuration for `archive-push` while repositories are suspended, in every instance pod: all but theirs.
pub const ARCHIVING_DIRECTORY: &str = "/tmp/holdfast/archiving";
/// Where asynchronous archiving keeps its state, on the data volume.
pub const SPOOL_PATH: &str = "/pgdata/pgbackrest-spool";
/// Lock files of the instance, on the data volume: here is what keeps two backups apart.
pub const INSTANCE_LOCK_PATH: &str = "/pgdata/pgbackrest-lock";
/// Lock files of a Job, with the progress that its agent reads.
pub const JOB_LOCK_PATH: &str = "/tmp/pgbackrest";
/// Directory below which a repository host and the Jobs mount the volume of each repository, by its name.
pub const VOLUMES_DIRECTORY: &str = "/pgbackrest";
/// Port of `pgbackrest server`: its default.
pub const SERVER_PORT: u16 = 8432;

/// Where a repository keeps its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryStore {
    /// An S3-compatible store.
    S3 {
        /// The bucket.
        bucket: String,
        /// Host name, or URL, as the user wrote it.
        endpoint: String,
        /// The region; any word for most stores that are not AWS.
        region: String,
    },
    /// Google Cloud Storage.
    Gcs {
        /// The bucket.
        bucket: String,
    },
    /// Azure Blob Storage.
    Azure {
        /// The container.
        container: String,
    },
    /// A volume behind a repository host.
    Volume {
        /// DNS name of the repository host.
        host: String,
    },
}

impl RepositoryStore {
    /// pgBackRest's word for the kind (`repoN-type`).
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::S3 { .. } => "s3",
            Self::Gcs { .. } => "gcs",
            Self::Azure { .. } => "azure",
            Self::Volume { .. } => "posix",
        }
    }
}

/// One entry of `spec.backups.pgbackrest.repos`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySpec {
    /// N of `repoN`.
    pub key: u32,
    /// Its store.
    pub store: RepositoryStore,
}

impl RepositorySpec {
    /// `repoN`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("repo{}", self.key)
    }

    /// Whether it is on a volume.
    #[must_use]
    pub fn is_on_volume(&self) -> bool {
        matches!(self.store, RepositoryStore::Volume { .. })
    }

    /// The path in the store while the user does not set `repoN-path`. A volume is mounted there.
    #[must_use]
    pub fn default_path(&self) -> String {
        format!("/pgbackrest/repo{}", self.key)
    }
}

/// A pod that runs PostgreSQL and pgBackRest's TLS server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceHost {
    /// DNS name that its server certificate carries.
    pub host: String,
}

/// PostgreSQL as the instance pods see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresLocation {
    /// The data directory.
    pub data_directory: String,
    /// The port, which is part of the socket's name.
    pub port: u16,
    /// The directory of the unix socket.
    pub socket_directory: String,
}

/// Lock files of a Job and of the repository host for a repository on a volume: on the volume itself, so that they see
/// each other's.
#[must_use]
pub fn lock_path_on_volume(repository: &str) -> String {
    format!("{VOLUMES_DIRECTORY}/{repository}/lock")
}

/// All that the files depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfiguration {
    /// The instances; rendered in the order of their names whatever the order here.
    pub instances: Vec<InstanceHost>,
    /// The repositories of the spec.
    pub repositories: Vec<RepositorySpec>,
    /// What the user says.
    pub user: UserOptions,
    /// PostgreSQL.
    pub postgres: PostgresLocation,
    /// Common name of the certificate that Jobs present to the instances.
    pub client_name: String,
    /// Processes that a Job may use at once, from its CPU limit; at least 1 is rendered.
    pub process_max: u32,
    /// Processes that bring data back, from the CPU limit of the instances; at least 1 is rendered.
    pub restore_processes: u32,
}

/// Why no configuration can be rendered. Public text: names options, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// pgBackRest refuses an option that is given twice.
    #[error(
        "option '{option}' is set both in spec.backups.pgbackrest.global and in a file of \
         spec.backups.pgbackrest.configuration: pgBackRest refuses to start with that; remove one of the two"
    )]
    Conflict {
        /// The option.
        option: String,
    },
    /// A name or a value that would break the file.
    #[error(
        "option '{option}' of spec.backups.pgbackrest.global cannot be written to a configuration file: {reason}"
    )]
    Unwritable {
        /// The option.
        option: String,
        /// Why.
        reason: &'static str,
    },
}

impl ConfigurationError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "configuration-conflict",
            Self::Unwritable { .. } => "invalid-configuration",
        }
    }
}

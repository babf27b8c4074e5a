//! How to reach a repository: the spec, `global`, the user's files and variables, resolved as pgBackRest does.
//!
//! A configuration that pgBackRest can use, the controller can read with, and the other way round. The exceptions
//! are told as errors: a file that exists in the instance's image only, and identities that are given to another pod.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    STANZA,
    configuration::{RepositorySpec, RepositoryStore, VOLUMES_DIRECTORY},
    user_options::UserOptions,
};
use crate::{
    domain::secret::Secret,
    storage::{
        ObjectStore, StorageError,
        azure::{AzureCredentials, AzureSettings, AzureStore},
        careful,
        gcs::{GcsCredentials, GcsSettings, GcsStore},
        posix::PosixStore,
        repo_host::{self, RepoHostSettings, RepoHostStore},
        s3::{S3Credentials, S3Settings, S3Store},
    },
};

mod azure;
mod error;
mod gcs;
mod options;
mod s3;

pub use error::AccessError;
use options::Options;
pub(crate) use options::split_endpoint;

/// Everything that reading a repository needs. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryAccess {
    /// N of `repoN`.
    pub key: u32,
    /// The store.
    pub store: StoreAccess,
    /// Path in the store, as configured, with a leading slash.
    pub path: String,
    /// Whose backups and WAL are read.
    pub stanza: String,
    /// The passphrase of an encrypted repository.
    pub cipher: Option<Secret>,
}

/// The kinds of stores that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAccess {
    /// S3.
    S3(S3Settings),
    /// S3, as it stood at an earlier time.
    S3At(S3Settings, DateTime<Utc>),
    /// Azure Blob Storage.
    Azure(AzureSettings),
    /// Google Cloud Storage.
    Gcs(GcsSettings),
    /// A directory of this machine or pod: its root, below which the path of the repository lies.
    Posix(PathBuf),
    /// A volume, by the agent of the repository host that mounts it.
    RepoHost(RepoHostSettings),
}

impl StoreAccess {
    /// Makes a client, with its bounds and retries. No request is sent yet.
    pub async fn open(&self) -> Result<Arc<dyn ObjectStore>, StorageError> {
        Ok(match self {
            Self::S3(settings) => careful(S3Store::new(settings).await?),
            Self::S3At(settings, time) => careful(S3Store::new(settings).await?.at(*time)),
            Self::Azure(settings) => careful(AzureStore::new(settings)?),
            Self::Gcs(settings) => careful(GcsStore::new(settings)?),
            Self::Posix(root) => careful(PosixStore::new(root)),
            Self::RepoHost(settings) => careful(RepoHostStore::new(settings)?),
        })
    }
}

impl RepositoryAccess {
    /// Where the repository is, as in `status.destination`: `s3://bucket/path`, `pvc://claim/path`; the path alone for a
    /// directory.
    #[must_use]
    pub fn destination(&self) -> String {
        let store = match &self.store {
            StoreAccess::S3(settings) | StoreAccess::S3At(settings, _) => format!("s3://{}", settings.bucket),
            StoreAccess::Azure(settings) => format!("azure://{}", settings.container),
            StoreAccess::Gcs(settings) => format!("gs://{}", settings.bucket),
            StoreAccess::Posix(_) => String::new(),
            StoreAccess::RepoHost(settings) => format!("pvc://{}", settings.claim),
        };
        format!("{store}{}", self.path)
    }

    /// The same repository as it stood at an earlier time (pgBackRest's `repo-target-time`); nothing where that cannot be read.
    #[must_use]
    pub fn at(self, time: DateTime<Utc>) -> Option<Self> {
        match self.store {
            StoreAccess::S3(settings) => Some(Self {
                store: StoreAccess::S3At(settings, time),
                ..self
            }),
            _ => None,
        }
    }

    /// A repository in a directory of this machine or pod: what `repoN-type=posix` means where it is mounted.
    #[must_use]
    pub fn directory(key: u32, path: &str, cipher: Option<Secret>) -> Self {
        Self {
            key,
            store: StoreAccess::Posix(PathBuf::from("/")),
            path: path.to_owned(),
            stanza: STANZA.to_owned(),
            cipher,
        }
    }
}

/// Resolves a repository. `files` are the projected files that are no ini files, by name in `conf.d`; or files of this
/// machine, by their whole path.
pub fn resolve(
    repository: &RepositorySpec,
    user: &UserOptions,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<RepositoryAccess, AccessError> {
    let options = Options {
        prefix: repository.name(),
        user,
        files,
    };
    let store = match &repository.store {
        RepositoryStore::S3 {
            bucket,
            endpoint,
            region,
        } => StoreAccess::S3(options.s3(bucket, endpoint, region)?),
        RepositoryStore::Azure { container } => StoreAccess::Azure(options.azure(container)?),
        RepositoryStore::Gcs { bucket } => StoreAccess::Gcs(options.gcs(bucket)?),
        RepositoryStore::Volume { .. } => {
            return Err(AccessError::OtherPod);
        }
    };
    let path = options
        .get("path")
        .map_or_else(|| repository.default_path(), str::to_owned);
    if !path.starts_with('/') {
        return Err(options.wrong("path", "must begin with '/'"));
    }
    Ok(RepositoryAccess {
        key: repository.key,
        store,
        path,
        stanza: STANZA.to_owned(),
        cipher: options.cipher()?,
    })
}

/// What proves to a repository host who asks, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeReader {
    /// The claim that holds the repository, for people.
    pub claim: String,
    /// The cluster's authority, as PEM.
    pub authority: Vec<u8>,
    /// The client's certificate and its key, as PEM.
    pub identity: Secret,
}

/// Resolves a repository on a volume, for one who asks its host.
pub fn resolve_volume(
    repository: &RepositorySpec,
    user: &UserOptions,
    reader: VolumeReader,
) -> Result<RepositoryAccess, AccessError> {
    let RepositoryStore::Volume { host } = &repository.store else {
        return Err(AccessError::OtherPod);
    };
    let files = BTreeMap::new();
    let options = Options {
        prefix: repository.name(),
        user,
        files: &files,
    };
    let mount = format!("{VOLUMES_DIRECTORY}/{}", repository.name());
    let path = options.get("path").unwrap_or(&mount);
    let path = path
        .strip_prefix(&mount)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .ok_or_else(|| {
            options.wrong(
                "path",
                "must be the directory where the volume is mounted, /pgbackrest/repoN, or lie below it",
            )
        })?;
    Ok(RepositoryAccess {
        key: repository.key,
        store: StoreAccess::RepoHost(RepoHostSettings {
            host: host.clone(),
            port: repo_host::PORT,
            repository: repository.name(),
            claim: reader.claim,
            authority: reader.authority,
            identity: reader.identity,
        }),
        path: path.trim_end_matches('/').to_owned(),
        stanza: STANZA.to_owned(),
        cipher: options.cipher()?,
    })
}

#[cfg(test)]
mod tests;

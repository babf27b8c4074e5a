//! How to reach a repository: the spec, `global`, the user's files and variables, resolved as pgBackRest does.
//!
//! A configuration that pgBackRest can use, the controller can read with, and the other way round. The exceptions
//! are told as errors: a file that exists in the instance's image only, and identities that are given to another pod.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    STANZA,
    configuration::{INCLUDE_DIRECTORY, RepositorySpec, RepositoryStore, VOLUMES_DIRECTORY},
    failure::FailureKind,
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
        trust::Trust,
    },
};

mod azure;
mod gcs;
mod s3;

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

/// Why a repository cannot be reached with what is configured. Names options and files, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No access key.
    #[error(
        "no credentials are set: {missing} is missing in the files of spec.backups.pgbackrest.configuration"
    )]
    CredentialsMissing {
        /// The option.
        missing: String,
    },
    /// A cipher is configured without a passphrase.
    #[error("{option} is missing, so the repository cannot be decrypted")]
    PassphraseMissing {
        /// The option.
        option: String,
    },
    /// An option has a value that cannot work.
    #[error("option {option} {problem}")]
    Option {
        /// The option.
        option: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// An option names a file that the operator cannot read.
    #[error(
        "option {option} names a file that is not projected by spec.backups.pgbackrest.configuration, so the operator \
         cannot read it"
    )]
    FileNotProjected {
        /// The option.
        option: String,
    },
    /// The repository is on a volume, which only the pod that mounts it can read.
    #[error(
        "a volume repository is read on its repository host, which mounts the volume, and not by the operator"
    )]
    OtherPod,
    /// The claim of a volume cannot be used by host and Jobs.
    #[error("the claim {claim} {problem}")]
    Volume {
        /// Its name.
        claim: String,
        /// Why.
        problem: &'static str,
    },
    /// The repository is on a volume whose host has no certificates yet.
    #[error("the repository host has no certificates yet")]
    HostNotReady,
    /// An option names a file, and its content cannot be used. Says what is wrong, and nothing of the content.
    #[error("the file that option {option} names {problem}")]
    File {
        /// The option.
        option: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// This kind of store, or of credentials, comes with a later version.
    #[error("{what} is not supported yet")]
    NotYetSupported {
        /// Repositories of which kind.
        what: &'static str,
    },
}

impl AccessError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        self.failure().as_str()
    }

    /// What it means for the repository.
    #[must_use]
    pub fn failure(&self) -> FailureKind {
        match self {
            Self::CredentialsMissing { .. } => FailureKind::CredentialsMissing,
            Self::PassphraseMissing { .. } => FailureKind::CipherMissing,
            Self::Option { .. } | Self::File { .. } | Self::FileNotProjected { .. } | Self::Volume { .. } => {
                FailureKind::RepositoryMisconfigured
            }
            Self::NotYetSupported { .. } | Self::OtherPod => FailureKind::NotSupported,
            Self::HostNotReady => FailureKind::RepoHostNotReady,
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

/// Where to connect to.
struct Server {
    host: String,
    port: u16,
    /// `storage-host` stands in for the endpoint.
    replaced: bool,
}

/// The options of one repository.
struct Options<'a> {
    prefix: String,
    user: &'a UserOptions,
    files: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Options<'a> {
    fn name(&self, key: &str) -> String {
        format!("{}-{key}", self.prefix)
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.user.get(&self.name(key)).filter(|value| !value.is_empty())
    }

    /// The first that is set of an option and its older names.
    fn any(&self, keys: &[&str]) -> Option<&'a str> {
        keys.iter().find_map(|key| self.get(key))
    }

    fn wrong(&self, key: &str, problem: &'static str) -> AccessError {
        AccessError::Option {
            option: self.name(key),
            problem,
        }
    }

    /// A credential that there is no way around.
    fn needed(&self, key: &str) -> Result<Secret, AccessError> {
        self.get(key)
            .map(Secret::from)
            .ok_or_else(|| AccessError::CredentialsMissing {
                missing: self.name(key),
            })
    }

    /// Where to connect to: the endpoint, or what replaces it.
    fn server(&self, endpoint: &str, old: &str) -> Result<Server, AccessError> {
        let option = format!("{old}-endpoint");
        let (host, port) = split_endpoint(self.get(&option).unwrap_or(endpoint))
            .map_err(|problem| self.wrong(&option, problem))?;
        let (old_host, old_port) = (format!("{old}-host"), format!("{old}-port"));
        let other = match self.any(&["storage-host", &old_host]) {
            Some(host) => Some(split_endpoint(host).map_err(|problem| self.wrong("storage-host", problem))?),
            None => None,
        };
        let replaced = other.is_some();
        let (host, port) = other.unwrap_or((host, port));
        let other_port = match self.any(&["storage-port", &old_port]) {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| self.wrong("storage-port", "is no port number"))?,
            ),
            None => None,
        };
        Ok(Server {
            host,
            port: other_port.or(port).unwrap_or(443),
            replaced,
        })
    }

    fn trust(&self) -> Result<Trust, AccessError> {
        match self.any(&[
            "storage-verify-tls",
            "s3-verify-tls",
            "s3-verify-ssl",
            "azure-verify-tls",
        ]) {
            Some("n") => return Ok(Trust::Anyone),
            None | Some("y") => {}
            Some(_) => return Err(self.wrong("storage-verify-tls", "must be y or n")),
        }
        for key in ["storage-ca-file", "s3-ca-file", "azure-ca-file"] {
            if let Some(path) = self.get(key) {
                let content = self.projected(path).ok_or(AccessError::FileNotProjected {
                    option: self.name(key),
                })?;
                return Ok(Trust::Authority(content.clone()));
            }
        }
        for key in ["storage-ca-path", "s3-ca-path", "azure-ca-path"] {
            if self.get(key).is_some() {
                return Err(AccessError::FileNotProjected {
                    option: self.name(key),
                });
            }
        }
        Ok(Trust::System)
    }

    fn projected(&self, path: &str) -> Option<&'a Vec<u8>> {
        let in_directory = || {
            path.strip_prefix(INCLUDE_DIRECTORY)
                .map(|name| name.trim_start_matches('/'))
        };
        self.files.get(path).or_else(|| self.files.get(in_directory()?))
    }

    fn cipher(&self) -> Result<Option<Secret>, AccessError> {
        match self.get("cipher-type") {
            None | Some("none") => Ok(None),
            Some("aes-256-cbc") => match self.get("cipher-pass") {
                Some(passphrase) => Ok(Some(passphrase.into())),
                None => Err(AccessError::PassphraseMissing {
                    option: self.name("cipher-pass"),
                }),
            },
            Some(_) => Err(self.wrong("cipher-type", "must be none or aes-256-cbc")),
        }
    }
}

/// `host`, `host:port`, `https://host:port/`, `[::1]:port`.
pub(crate) fn split_endpoint(endpoint: &str) -> Result<(String, Option<u16>), &'static str> {
    let bare = endpoint.trim();
    let bare = bare
        .strip_prefix("https://")
        .unwrap_or(bare)
        .trim_end_matches('/');
    if bare.contains("://") {
        return Err("must be reached over https");
    }
    if bare.is_empty() || bare.contains(['/', '@', '?', ' ']) {
        return Err("must be a host name with an optional port");
    }
    match bare.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse().map_err(|_| "has no valid port after the colon")?;
            Ok((host.to_owned(), Some(port)))
        }
        _ => Ok((bare.to_owned(), None)),
    }
}

#[cfg(test)]
mod tests;

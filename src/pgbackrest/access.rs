//! How to reach a repository: the spec, `global`, the user's files and variables, resolved as pgBackRest does.
//!
//! A configuration that pgBackRest can use, the controller can read with, and the other way round. The exceptions
//! are told as errors: a file that exists in the instance's image only, and identities that are given to another pod.

use std::collections::BTreeMap;

use super::{
    configuration::{INCLUDE_DIRECTORY, RepositorySpec, RepositoryStore},
    failure::FailureKind,
    user_options::UserOptions,
};
use crate::{
    domain::secret::Secret,
    storage::s3::{S3Credentials, S3Settings, Trust},
};

/// Everything that reading a repository needs. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryAccess {
    /// N of `repoN`.
    pub key: u32,
    /// The store.
    pub store: StoreAccess,
    /// Path in the store, as configured, with a leading slash.
    pub path: String,
    /// The passphrase of an encrypted repository.
    pub cipher: Option<Secret>,
}

/// The kinds of stores that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAccess {
    /// S3.
    S3(S3Settings),
}

impl RepositoryAccess {
    /// Where the repository is, as in `status.destination`: `s3://bucket/path`.
    #[must_use]
    pub fn destination(&self) -> String {
        let StoreAccess::S3(settings) = &self.store;
        format!("s3://{}{}", settings.bucket, self.path)
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
            Self::Option { .. } | Self::FileNotProjected { .. } => FailureKind::RepositoryMisconfigured,
            Self::NotYetSupported { .. } => FailureKind::NotSupported,
        }
    }
}

/// Resolves a repository. `files` are the projected files that are no ini files, by name in `conf.d`.
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
        RepositoryStore::Gcs { .. } => {
            return Err(AccessError::NotYetSupported {
                what: "a repository on GCS",
            });
        }
        RepositoryStore::Azure { .. } => {
            return Err(AccessError::NotYetSupported {
                what: "a repository on Azure",
            });
        }
        RepositoryStore::Volume { .. } => {
            return Err(AccessError::NotYetSupported {
                what: "a volume repository",
            });
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
        cipher: options.cipher()?,
    })
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

    fn s3(&self, bucket: &str, endpoint: &str, region: &str) -> Result<S3Settings, AccessError> {
        let (host, port) = split_endpoint(self.get("s3-endpoint").unwrap_or(endpoint))
            .map_err(|problem| self.wrong("s3-endpoint", problem))?;
        let other_host = self.any(&["storage-host", "s3-host"]);
        let other_port = match self.any(&["storage-port", "s3-port"]) {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| self.wrong("storage-port", "is no port number"))?,
            ),
            None => None,
        };
        let path_style = match self.get("s3-uri-style") {
            None | Some("host") => false,
            Some("path") => true,
            Some(_) => return Err(self.wrong("s3-uri-style", "must be host or path")),
        };
        Ok(S3Settings {
            bucket: self.get("s3-bucket").unwrap_or(bucket).to_owned(),
            region: self.get("s3-region").unwrap_or(region).to_owned(),
            // pgBackRest connects to this host and still asks for the endpoint by name; here the bucket then goes into
            // the path, which every server behind such an address understands.
            path_style: path_style || other_host.is_some(),
            host: other_host.map_or(host, str::to_owned),
            port: other_port.or(port).unwrap_or(443),
            trust: self.trust()?,
            credentials: self.s3_credentials()?,
        })
    }

    fn s3_credentials(&self) -> Result<S3Credentials, AccessError> {
        let needed = |key: &str| {
            self.get(key)
                .map(Secret::from)
                .ok_or_else(|| AccessError::CredentialsMissing {
                    missing: self.name(key),
                })
        };
        match self.get("s3-key-type") {
            None | Some("shared") => Ok(S3Credentials::Shared {
                key: needed("s3-key")?,
                secret: needed("s3-key-secret")?,
                token: self.get("s3-token").map(Secret::from),
            }),
            Some("auto" | "web-id") => Ok(S3Credentials::Ambient),
            Some("process") => Err(AccessError::NotYetSupported {
                what: "repoN-s3-key-type=process",
            }),
            Some(_) => Err(self.wrong("s3-key-type", "must be shared, auto or web-id")),
        }
    }

    fn trust(&self) -> Result<Trust, AccessError> {
        match self.any(&["storage-verify-tls", "s3-verify-tls", "s3-verify-ssl"]) {
            Some("n") => return Ok(Trust::Anyone),
            None | Some("y") => {}
            Some(_) => return Err(self.wrong("storage-verify-tls", "must be y or n")),
        }
        for key in ["storage-ca-file", "s3-ca-file"] {
            if let Some(path) = self.get(key) {
                let content = self.projected(path).ok_or(AccessError::FileNotProjected {
                    option: self.name(key),
                })?;
                return Ok(Trust::Authority(content.clone()));
            }
        }
        for key in ["storage-ca-path", "s3-ca-path"] {
            if self.get(key).is_some() {
                return Err(AccessError::FileNotProjected {
                    option: self.name(key),
                });
            }
        }
        Ok(Trust::System)
    }

    fn projected(&self, path: &str) -> Option<&'a Vec<u8>> {
        self.files
            .get(path.strip_prefix(INCLUDE_DIRECTORY)?.trim_start_matches('/'))
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
fn split_endpoint(endpoint: &str) -> Result<(String, Option<u16>), &'static str> {
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

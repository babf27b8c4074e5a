//! The options of one repository, with their older names, as pgBackRest's manual lists them: where to connect to, whom to
//! trust, the cipher.

use std::collections::BTreeMap;

use super::AccessError;
use crate::{
    domain::secret::Secret,
    pgbackrest::{configuration::INCLUDE_DIRECTORY, user_options::UserOptions},
    storage::trust::Trust,
};

/// Where to connect to.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// `storage-host` stands in for the endpoint.
    pub(super) replaced: bool,
}

/// The options of one repository.
pub(super) struct Options<'a> {
    pub(super) prefix: String,
    pub(super) user: &'a UserOptions,
    pub(super) files: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Options<'a> {
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}-{key}", self.prefix)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.user.get(&self.name(key)).filter(|value| !value.is_empty())
    }

    /// The first that is set of an option and its older names.
    pub(super) fn any(&self, keys: &[&str]) -> Option<&'a str> {
        keys.iter().find_map(|key| self.get(key))
    }

    pub(super) fn wrong(&self, key: &str, problem: &'static str) -> AccessError {
        AccessError::Option {
            option: self.name(key),
            problem,
        }
    }

    /// A credential that there is no way around.
    pub(super) fn needed(&self, key: &str) -> Result<Secret, AccessError> {
        self.get(key)
            .map(Secret::from)
            .ok_or_else(|| AccessError::CredentialsMissing {
                missing: self.name(key),
            })
    }

    /// Where to connect to: the endpoint, or what replaces it.
    pub(super) fn server(&self, endpoint: &str, old: &str) -> Result<Server, AccessError> {
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

    pub(super) fn trust(&self) -> Result<Trust, AccessError> {
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

    pub(super) fn projected(&self, path: &str) -> Option<&'a Vec<u8>> {
        let in_directory = || {
            path.strip_prefix(INCLUDE_DIRECTORY)
                .map(|name| name.trim_start_matches('/'))
        };
        self.files.get(path).or_else(|| self.files.get(in_directory()?))
    }

    pub(super) fn cipher(&self) -> Result<Option<Secret>, AccessError> {
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

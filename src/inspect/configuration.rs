//! A repository by pgBackRest's configuration files and `PGBACKREST_…` variables.
//!
//! Resolved as pgBackRest does: variables, then the stanza's section, then `[global]`. Files that options name are read
//! from this machine.

use std::collections::BTreeMap;

use super::{Environment, InspectError, Located, Request, location::read};
use crate::{
    pgbackrest::{
        access::{RepositoryAccess, resolve},
        configuration::{RepositorySpec, RepositoryStore},
        ini::Ini,
        user_options::UserOptions,
    },
    policy,
    survey::ArchiveRetention,
};

/// Where pgBackRest looks for its configuration.
const USUAL_FILE: &str = "/etc/pgbackrest.conf";
/// `repoN-path` while nothing else is said.
const USUAL_PATH: &str = "/var/lib/pgbackrest";
/// Options that name files which we need.
const FILES: [&str; 4] = ["storage-ca-file", "s3-ca-file", "azure-ca-file", "gcs-key"];

/// The options of one repository.
struct Options {
    prefix: String,
    merged: UserOptions,
}

/// Finds the repository that the configuration names.
pub(super) fn locate(request: &Request, environment: &Environment) -> Result<Located, InspectError> {
    let usual = [USUAL_FILE.into()];
    let paths = if request.configuration.is_empty() {
        &usual[..]
    } else {
        &request.configuration
    };
    let mut files = Vec::new();
    for path in paths {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        files.push(Ini::parse(&text).map_err(|error| InspectError::File {
            path: path.display().to_string(),
            problem: error.to_string(),
        })?);
    }
    let options = Options {
        prefix: format!("repo{}", request.key.unwrap_or(1)),
        merged: UserOptions {
            global: merged(&files, &request.stanza),
            files: Vec::new(),
            environment: environment.pgbackrest(),
        },
    };
    let retention = options.retention()?;
    let access = options.access(request.key.unwrap_or(1))?;
    Ok(Located { access, retention })
}

/// The stanza's section stands above `[global]`.
fn merged(files: &[Ini], stanza: &str) -> BTreeMap<String, String> {
    let mut merged = BTreeMap::new();
    for section in [stanza, "global"] {
        for file in files {
            for (_, key) in file.keys().filter(|(name, _)| *name == section) {
                if let Some(value) = file.get(section, key) {
                    merged.entry(key.to_owned()).or_insert_with(|| value.to_owned());
                }
            }
        }
    }
    merged
}

impl Options {
    fn name(&self, key: &str) -> String {
        format!("{}-{key}", self.prefix)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.merged.get(&self.name(key)).filter(|value| !value.is_empty())
    }

    fn needed(&self, key: &str) -> Result<String, InspectError> {
        let missing = || InspectError::Usage(format!("{} is missing in the configuration", self.name(key)));
        self.get(key).map(str::to_owned).ok_or_else(missing)
    }

    fn access(mut self, key: u32) -> Result<RepositoryAccess, InspectError> {
        let store = match self.get("type").unwrap_or("posix") {
            "posix" | "cifs" => return self.directory(key),
            "s3" => RepositoryStore::S3 {
                bucket: self.needed("s3-bucket")?,
                endpoint: self.needed("s3-endpoint")?,
                region: self.needed("s3-region")?,
            },
            "azure" => RepositoryStore::Azure {
                container: self.needed("azure-container")?,
            },
            "gcs" => RepositoryStore::Gcs {
                bucket: self.needed("gcs-bucket")?,
            },
            _ => {
                let name = self.name("type");
                return Err(InspectError::Usage(format!(
                    "{name} must be posix, cifs, s3, azure or gcs to be read by this program"
                )));
            }
        };
        let mut files = BTreeMap::new();
        for path in FILES.iter().filter_map(|option| self.get(option)) {
            // A token stands in the place of a key file.
            if path.starts_with('/') {
                files.insert(path.to_owned(), read(path.as_ref())?);
            }
        }
        let path = self.name("path");
        if self.get("path").is_none() {
            self.merged.global.insert(path, USUAL_PATH.to_owned());
        }
        Ok(resolve(&RepositorySpec { key, store }, &self.merged, &files)?)
    }

    fn directory(&self, key: u32) -> Result<RepositoryAccess, InspectError> {
        if let Some(host) = self.get("host") {
            return Err(InspectError::Usage(format!(
                "{} is a directory on host {host}: inspect it there",
                self.prefix
            )));
        }
        let cipher = match self.get("cipher-type") {
            None | Some("none") => None,
            Some(_) => Some(self.needed("cipher-pass")?.as_str().into()),
        };
        Ok(RepositoryAccess::directory(
            key,
            self.get("path").unwrap_or(USUAL_PATH),
            cipher,
        ))
    }

    fn retention(&self) -> Result<Option<ArchiveRetention>, InspectError> {
        let get = |option: &str| {
            let value = self.merged.get(option);
            value.filter(|value| !value.is_empty())
        };
        let (policy, archive) =
            policy::retention(&self.prefix, get).map_err(|error| InspectError::Usage(error.to_string()))?;
        Ok(Some(ArchiveRetention {
            policy,
            archive,
            ..ArchiveRetention::default()
        }))
    }
}

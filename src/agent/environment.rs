//! The environment variables that the controller gives to our containers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::options::refused_variable;
use crate::domain::secret::Secret;

/// A variable that must be there is not, or cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("environment variable {name} is missing or not valid")]
pub struct EnvironmentError {
    /// The variable.
    pub name: &'static str,
}

impl EnvironmentError {
    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "environment"
    }
}

/// What an instance pod's containers know about themselves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InstanceEnvironment {
    /// `HOLDFAST_CLUSTER`: the cluster's name.
    pub cluster: String,
    /// `HOLDFAST_NAMESPACE`.
    pub namespace: String,
    /// `POD_NAME`.
    pub pod: String,
    /// `POD_UID`.
    pub pod_uid: String,
    /// `PGDATA`, by default `/pgdata`.
    pub data_directory: PathBuf,
    /// Where tablespaces belong, of `HOLDFAST_TABLESPACES`, the mounts of their volumes with `:` between.
    pub tablespaces: Vec<PathBuf>,
    /// `PGHOST`: directory of PostgreSQL's Unix socket.
    pub socket_directory: PathBuf,
    /// `PGPORT`.
    pub port: u16,
    /// `HOLDFAST_PATRONI_URL`, by default `https://localhost:8008`.
    pub patroni_url: String,
}

impl InstanceEnvironment {
    /// Reads the variables through `read`, which is `std::env::var` outside tests.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        Ok(Self {
            cluster: required(&read, "HOLDFAST_CLUSTER")?,
            namespace: required(&read, "HOLDFAST_NAMESPACE")?,
            pod: required(&read, "POD_NAME")?,
            pod_uid: required(&read, "POD_UID")?,
            data_directory: PathBuf::from(optional(&read, "PGDATA").unwrap_or_else(|| "/pgdata".to_owned())),
            tablespaces: tablespaces(&read),
            socket_directory: PathBuf::from(
                optional(&read, "PGHOST").unwrap_or_else(|| "/tmp/postgres".to_owned()),
            ),
            port: match optional(&read, "PGPORT") {
                None => 5432,
                Some(port) => port.parse().map_err(|_| EnvironmentError { name: "PGPORT" })?,
            },
            patroni_url: optional(&read, "HOLDFAST_PATRONI_URL")
                .unwrap_or_else(|| "https://localhost:8008".to_owned()),
        })
    }
}

/// The directory on each volume of a tablespace that is to be its place.
#[must_use]
pub fn tablespaces(read: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let volumes = optional(read, "HOLDFAST_TABLESPACES").unwrap_or_default();
    let named = volumes.split(':').filter(|volume| !volume.is_empty());
    // A file system's own lost+found is beside it, where PostgreSQL would not accept it.
    named.map(|volume| Path::new(volume).join("data")).collect()
}

/// A variable of the process; empty counts as missing.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// pgBackRest's options among the variables of the process.
#[must_use]
pub fn options() -> BTreeMap<String, Secret> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("PGBACKREST_"))
        .map(|(name, value)| (name, Secret::new(value)))
        .collect()
}

/// The first of these variables that would turn pgBackRest elsewhere, with the reason why it may not be there.
#[must_use]
pub fn refused<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<(&'a str, &'static str)> {
    names.find_map(|name| Some((name.as_str(), refused_variable(name)?)))
}

/// Value of a variable that must be there and not be empty.
pub fn required(
    read: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, EnvironmentError> {
    optional(read, name).ok_or(EnvironmentError { name })
}

/// Value of a variable, if it is there and not empty.
pub fn optional(read: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    read(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        let value = match name {
            "HOLDFAST_CLUSTER" => "c",
            "HOLDFAST_NAMESPACE" => "n",
            "POD_NAME" => "c-set-abcd-0",
            "POD_UID" => "u",
            "PGPORT" => "5433",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let environment = InstanceEnvironment::read(complete).unwrap();
        assert_eq!(environment.port, 5433);
        assert_eq!(environment.socket_directory, PathBuf::from("/tmp/postgres"));
        assert_eq!(environment.patroni_url, "https://localhost:8008");
    }

    #[test]
    fn a_missing_or_bad_variable_is_named() {
        let missing = InstanceEnvironment::read(|n| complete(n).filter(|_| n != "POD_NAME"));
        assert_eq!(missing, Err(EnvironmentError { name: "POD_NAME" }));
        let bad = InstanceEnvironment::read(|n| {
            if n == "PGPORT" {
                Some("x".into())
            } else {
                complete(n)
            }
        });
        assert_eq!(bad, Err(EnvironmentError { name: "PGPORT" }));
    }
}

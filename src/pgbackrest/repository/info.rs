//! Contents of `backup.info` and `archive.info`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::BackupEntry;
use crate::{
    domain::secret::Secret,
    pgbackrest::{
        annotations,
        info_file::{InfoFile, InfoFileError},
    },
};

/// A PostgreSQL cluster that the stanza has been for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseIdentity {
    /// pgBackRest's count, from 1. Not the identity: an upgrade raises it and can come back to an older system.
    pub id: u32,
    /// `system_identifier`.
    pub system_id: u64,
    /// Major version, `18`.
    pub version: String,
}

impl DatabaseIdentity {
    /// Name of its directory under `archive/<stanza>`: `18-1`.
    #[must_use]
    pub fn archive_id(&self) -> String {
        format!("{}-{}", self.version, self.id)
    }
}

/// What is used of `backup.info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupInfo {
    /// The PostgreSQL cluster that the stanza is for now.
    pub database: DatabaseIdentity,
    /// All it has been for, by id.
    pub history: BTreeMap<u32, DatabaseIdentity>,
    /// The backups, by label.
    pub backups: Vec<BackupEntry>,
    /// What opens the manifests, where the repository is encrypted.
    pub cipher: Option<Secret>,
}

#[derive(Deserialize)]
struct BackupHistory {
    #[serde(rename = "db-system-id")]
    system_id: u64,
    #[serde(rename = "db-version")]
    version: String,
}

#[derive(Deserialize)]
struct ArchiveHistory {
    // Here the system identifier goes by this name.
    #[serde(rename = "db-id")]
    system_id: u64,
    #[serde(rename = "db-version")]
    version: String,
}

fn current(file: &InfoFile) -> Result<DatabaseIdentity, InfoFileError> {
    Ok(DatabaseIdentity {
        id: file.value("db", "db-id")?,
        system_id: file.value("db", "db-system-id")?,
        version: file.value("db", "db-version")?,
    })
}

/// The passphrase of the files that this one leads to; it is not the user's.
pub(super) fn cipher(file: &InfoFile) -> Result<Option<Secret>, InfoFileError> {
    if file.section("cipher").next().is_none() {
        return Ok(None);
    }
    let passphrase: String = file.value("cipher", "cipher-pass")?;
    Ok(Some(Secret::new(passphrase)))
}

fn history<T>(
    file: &InfoFile,
    parts: impl Fn(T) -> (u64, String),
) -> Result<BTreeMap<u32, DatabaseIdentity>, InfoFileError>
where
    T: serde::de::DeserializeOwned,
{
    file.section("db:history")
        .map(|(key, value)| {
            let wrong = || InfoFileError::Value {
                section: "db:history".to_owned(),
                key: key.to_owned(),
            };
            let id: u32 = key.parse().map_err(|_| wrong())?;
            let (system_id, version) = serde_json::from_str(value).map(&parts).map_err(|_| wrong())?;
            Ok((
                id,
                DatabaseIdentity {
                    id,
                    system_id,
                    version,
                },
            ))
        })
        .collect()
}

impl BackupInfo {
    pub(super) fn read(file: &InfoFile) -> Result<Self, InfoFileError> {
        Ok(Self {
            database: current(file)?,
            history: history(file, |entry: BackupHistory| (entry.system_id, entry.version))?,
            backups: file
                .section("backup:current")
                .map(|(label, value)| BackupEntry::read(label, value))
                .collect::<Result<_, _>>()?,
            cipher: cipher(file)?,
        })
    }

    /// The backup that a Job of ours made.
    #[must_use]
    pub fn backup_with_job(&self, job: &str) -> Option<&BackupEntry> {
        self.backups.iter().find(|backup| {
            backup
                .annotation
                .get(annotations::JOB_NAME)
                .is_some_and(|name| name == job)
        })
    }
}

/// What is used of `archive.info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveInfo {
    /// The PostgreSQL cluster that the stanza is for now.
    pub database: DatabaseIdentity,
    /// All it has been for, by id.
    pub history: BTreeMap<u32, DatabaseIdentity>,
    /// What opens the WAL, where the repository is encrypted.
    pub cipher: Option<Secret>,
}

impl ArchiveInfo {
    pub(super) fn read(file: &InfoFile) -> Result<Self, InfoFileError> {
        Ok(Self {
            database: current(file)?,
            history: history(file, |entry: ArchiveHistory| (entry.system_id, entry.version))?,
            cipher: cipher(file)?,
        })
    }
}

//! `pgbackrest info --output=json`, for those who run next to pgBackRest: agents.
//!
//! It exits 0 whatever happened, and with a wrong passphrase its output is no JSON. So: one call per repository with
//! `--repo`, an answer that cannot be read is "unreadable", and the status codes are what counts. Its messages carry
//! whole HTTP exchanges and are not read here.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::annotations;

/// The answer could not be read; its text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer of pgbackrest info cannot be read")]
pub struct UnreadableInfo;

impl UnreadableInfo {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "unreadable-info"
    }
}

/// All stanzas of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Info {
    /// The stanzas.
    pub stanzas: Vec<Stanza>,
}

/// One stanza.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Stanza {
    /// Its name.
    pub name: String,
    /// Its backups, oldest first.
    pub backup: Vec<Backup>,
    /// The PostgreSQL clusters that it has been for.
    pub db: Vec<Database>,
    /// The repositories that were asked.
    pub repo: Vec<RepositoryStatus>,
    /// The stanza's own status.
    pub status: Status,
}

/// A PostgreSQL cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Database {
    /// pgBackRest's count, from 1.
    pub id: u32,
    /// The repository that says so.
    pub repo_key: u32,
    /// `system_identifier`.
    pub system_id: u64,
    /// Major version.
    pub version: String,
}

/// One repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RepositoryStatus {
    /// N of `repoN`.
    pub key: u32,
    /// `none` or the cipher.
    pub cipher: String,
    /// Its status.
    pub status: Status,
}

/// A code; the message is left out on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// 0 ok, 1 and 3 no stanza, 2 no backups, 6 no such backup, 99 anything else; for a stanza also 4 and 5.
    pub code: u32,
}

impl Status {
    /// The repository was read, with or without backups in it.
    #[must_use]
    pub fn is_readable(self) -> bool {
        matches!(self.code, 0..=3 | 6)
    }
}

/// One backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// The label.
    pub label: String,
    /// `full`, `diff`, `incr`.
    #[serde(rename = "type")]
    pub backup_type: String,
    /// The backup that it is directly based on.
    pub prior: Option<String>,
    /// All backups that a restore of it needs besides itself.
    pub reference: Option<Vec<String>>,
    /// `--annotation`s.
    pub annotation: BTreeMap<String, String>,
    /// Sizes.
    pub info: Sizes,
    /// Begin and end.
    pub timestamp: Times,
    /// The WAL it needs to be consistent.
    pub archive: Wal,
    /// Page checksum errors were found.
    pub error: bool,
}

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Sizes {
    /// The database.
    pub size: u64,
    /// Copied by this backup.
    pub delta: u64,
    /// In the repository.
    pub repository: RepositorySizes,
}

/// Sizes in the repository, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RepositorySizes {
    /// With all that it refers to; absent with block incremental backups.
    pub size: Option<u64>,
    /// Written by this backup.
    pub delta: u64,
}

/// Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Times {
    /// Begin.
    pub start: i64,
    /// End.
    pub stop: i64,
}

/// Names of segments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Wal {
    /// First.
    pub start: Option<String>,
    /// Last.
    pub stop: Option<String>,
}

impl Info {
    /// Reads an answer.
    pub fn parse(output: &[u8]) -> Result<Self, UnreadableInfo> {
        serde_json::from_slice(output).map_err(|_| UnreadableInfo)
    }

    /// The backup that a Job of ours made.
    #[must_use]
    pub fn backup_with_job(&self, job: &str) -> Option<&Backup> {
        let mut backups = self.stanzas.iter().flat_map(|stanza| &stanza.backup);
        backups.find(|backup| {
            backup
                .annotation
                .get(annotations::JOB_NAME)
                .is_some_and(|name| name == job)
        })
    }

    /// True when every repository that was asked could be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.stanzas
            .iter()
            .flat_map(|stanza| &stanza.repo)
            .all(|repository| repository.status.is_readable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] = include_bytes!("../../tests/fixtures/pgbackrest/plain/info.json");

    #[test]
    fn the_backup_of_a_job_is_found() {
        let info = Info::parse(INFO).unwrap();
        let backup = info.backup_with_job("job-2").unwrap();
        assert_eq!(
            (backup.label.as_str(), backup.backup_type.as_str()),
            ("20261121-022154F_20261121-022155I", "incr")
        );
        assert_eq!(backup.info.size, 24_226_465);
        assert_eq!(info.backup_with_job("job-3"), None);
        assert!(info.is_readable());
    }

    #[test]
    fn control_characters_of_a_wrong_passphrase_are_unreadable() {
        assert_eq!(
            Info::parse(b"[{\"status\":{\"message\":\"\x01\xff\"}}]"),
            Err(UnreadableInfo)
        );
    }

    #[test]
    fn other_fields_and_missing_fields_do_no_harm() {
        let info =
            Info::parse(br#"[{"name":"db","new":{},"repo":[{"key":1,"status":{"code":99,"message":"m"}}]}]"#);
        assert!(!info.unwrap().is_readable());
    }
}

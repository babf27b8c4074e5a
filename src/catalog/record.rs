//! What is kept of a repository. All of it can be read from the repository again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    pgbackrest::repository::RepositoryError,
    storage::{StorageError, StorageErrorKind},
    survey::{KnownRepository, Picture},
};

/// All that is kept of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepositoryRecord {
    /// What the next look goes on from, so that it lists only what is new.
    pub known: KnownRepository,
    /// The last picture that could be had, with backups, windows, gaps and sizes. It is as old as its look.
    pub picture: Option<Picture>,
    /// Why no newer picture can be had.
    pub failure: Option<Failure>,
    /// Whether the store takes the credentials.
    pub credentials: Credentials,
}

impl RepositoryRecord {
    /// After a look that gave a picture.
    pub fn looked(&mut self, known: &KnownRepository, picture: &Picture) {
        self.known = known.clone();
        self.picture = Some(picture.clone());
        self.failure = None;
        self.credentials.answered(Ok(()), picture.looked_at);
    }

    /// After a look that failed. The picture stays, and so does what was found out before it failed.
    pub fn failed(&mut self, known: &KnownRepository, error: &RepositoryError, now: DateTime<Utc>) {
        self.known = known.clone();
        let since = self.failure.as_ref().map_or(now, |failure| failure.since);
        self.failure = Some(Failure {
            since,
            category: error.category().to_owned(),
            message: error.to_string(),
        });
        match error {
            RepositoryError::Storage(error) => self.credentials.answered(Err(error), now),
            // Something was read, and it was wrong.
            _ => self.credentials.answered(Ok(()), now),
        }
    }
}

/// Looking at a repository fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Since when.
    pub since: DateTime<Utc>,
    /// The category of the last error.
    pub category: String,
    /// The last error, for people.
    pub message: String,
}

/// What the store thinks of the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialsState {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It takes them.
    Accepted,
    /// They are wrong, unknown or expired.
    Refused,
    /// They are right, and may not do what is needed.
    Insufficient,
}

/// Credentials, as far as the store told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// What it thinks of them.
    pub state: CredentialsState,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

impl Credentials {
    /// After an answer of the store. A store that cannot be reached says nothing about them.
    pub fn answered(&mut self, answer: Result<(), &StorageError>, now: DateTime<Utc>) {
        let state = match answer.map_err(|error| error.kind) {
            Ok(()) | Err(StorageErrorKind::NotFound | StorageErrorKind::TooLarge) => {
                CredentialsState::Accepted
            }
            Err(StorageErrorKind::CredentialsRefused) => CredentialsState::Refused,
            Err(StorageErrorKind::PermissionMissing) => CredentialsState::Insufficient,
            Err(_) => return,
        };
        if state != self.state {
            *self = Self {
                state,
                since: Some(now),
            };
        }
    }
}

/// Sizes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// All backups in the repository.
    pub backups: u64,
    /// All files of WAL in the repository.
    pub wal: u64,
    /// Whole WAL segments, by their number.
    pub segments: u64,
    /// The database, at its last backup.
    pub database: u64,
}

impl Sizes {
    /// From a picture.
    #[must_use]
    pub fn of(picture: &Picture) -> Self {
        let last = picture.backups.iter().max_by_key(|backup| backup.stopped);
        Self {
            backups: picture.backups.iter().map(|backup| backup.repository.delta).sum(),
            wal: picture.archives.iter().map(|archive| archive.bytes).sum(),
            segments: picture.archives.iter().map(|archive| archive.segments).sum(),
            database: last.map_or(0, |backup| backup.size),
        }
    }

    /// All that is in the repository.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.backups.saturating_add(self.wal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn error(kind: StorageErrorKind) -> RepositoryError {
        RepositoryError::Storage(StorageError::new(kind, "list x", "y"))
    }

    #[test]
    fn a_store_that_does_not_answer_says_nothing_about_credentials() {
        let mut record = RepositoryRecord::default();
        let mut failed = |error: RepositoryError, second| {
            record.failed(&KnownRepository::default(), &error, at(second));
            (record.credentials.state, record.credentials.since)
        };
        assert_eq!(
            failed(error(StorageErrorKind::Unreachable), 1),
            (CredentialsState::Unknown, None)
        );
        let damaged = RepositoryError::Missing {
            file: "backup.info".into(),
        };
        let accepted = (CredentialsState::Accepted, Some(at(2)));
        assert_eq!(failed(damaged, 2), accepted);
        assert_eq!(failed(error(StorageErrorKind::Throttled), 3), accepted);
        assert_eq!(failed(error(StorageErrorKind::NotFound), 4), accepted);
        let refused = (CredentialsState::Refused, Some(at(5)));
        assert_eq!(failed(error(StorageErrorKind::CredentialsRefused), 5), refused);
        assert_eq!(failed(error(StorageErrorKind::CredentialsRefused), 6), refused);
        let insufficient = (CredentialsState::Insufficient, Some(at(7)));
        assert_eq!(
            failed(error(StorageErrorKind::PermissionMissing), 7),
            insufficient
        );
    }

    #[test]
    fn a_failure_keeps_its_beginning() {
        let mut record = RepositoryRecord::default();
        for (kind, second) in [
            (StorageErrorKind::Unreachable, 3),
            (StorageErrorKind::Throttled, 4),
        ] {
            record.failed(&KnownRepository::default(), &error(kind), at(second));
        }
        let failure = record.failure.unwrap();
        assert_eq!((failure.since, failure.category.as_str()), (at(3), "throttled"));
    }
}

//! The state of a repository, from one look at it: what conditions are made of.
//!
//! Two small reads over signed requests say what pgBackRest's exit codes cannot: whether it is the key, the bucket,
//! the certificate, the passphrase, or another database's repository.

use std::{fmt, time::Duration};

use super::{
    access::{AccessError, RepositoryAccess},
    failure::FailureKind,
    repository::{BackupEntry, DatabaseIdentity, Repository, RepositoryError},
};
use crate::{api::reasons::Reason, storage::StorageError};

/// A look at a repository ends within this time, so that a fault has a condition within half a minute.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// What a look at a repository found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryState {
    /// It can be used.
    Ready {
        /// The stanza in it.
        stanza: StanzaState,
        /// Its backups, by label.
        backups: Vec<BackupEntry>,
    },
    /// It cannot.
    Problem(Problem),
}

/// The stanza of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StanzaState {
    /// Not created yet.
    Absent,
    /// Created, for this PostgreSQL cluster.
    Present(DatabaseIdentity),
}

/// Why a repository cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind.
    pub kind: FailureKind,
    /// What happened, in one sentence without a secret.
    pub what: String,
}

impl Problem {
    /// The reason for conditions and Events.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.kind.reason()
    }
}

/// What happened, what it means for the data, what to do.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason().explain(&self.what))
    }
}

impl From<&AccessError> for Problem {
    fn from(error: &AccessError) -> Self {
        Self {
            kind: error.failure(),
            what: error.to_string(),
        }
    }
}

impl From<&StorageError> for Problem {
    fn from(error: &StorageError) -> Self {
        Self {
            kind: error.failure(),
            what: error.to_string(),
        }
    }
}

impl From<&RepositoryError> for Problem {
    fn from(error: &RepositoryError) -> Self {
        Self {
            kind: error.failure(),
            what: error.to_string(),
        }
    }
}

/// Looks at a repository. `expected` is the system identifier of the cluster, where it is known: a repository of
/// another database is a problem before anything is written to it.
pub async fn check(access: &RepositoryAccess, expected: Option<u64>) -> RepositoryState {
    let look = async {
        let repository = Repository::open(access)
            .await
            .map_err(|error| Problem::from(&error))?;
        examine(&repository, expected).await
    };
    match tokio::time::timeout(DEADLINE, look).await {
        Ok(Ok(state)) => state,
        Ok(Err(problem)) => RepositoryState::Problem(problem),
        Err(_) => RepositoryState::Problem(Problem {
            kind: FailureKind::EndpointUnreachable,
            what: format!(
                "{} gave no whole answer within {} s",
                access.destination(),
                DEADLINE.as_secs()
            ),
        }),
    }
}

/// The same for a repository that is open already, without a deadline of its own.
pub async fn examine(repository: &Repository, expected: Option<u64>) -> Result<RepositoryState, Problem> {
    let (archive, backup) = futures::join!(repository.archive_info(), repository.backup_info());
    let archive = present(archive)?;
    let backup = present(backup)?;
    let identities = [
        archive.as_ref().map(|info| &info.database),
        backup.as_ref().map(|info| &info.database),
    ];
    for identity in identities.into_iter().flatten() {
        if let Some(expected) = expected.filter(|expected| *expected != identity.system_id) {
            let what = format!(
                "The stanza is of system identifier {}, and this cluster's is {expected}",
                identity.system_id
            );
            return Err(Problem {
                kind: FailureKind::SystemIdentifierMismatch,
                what,
            });
        }
    }
    // The two files are made one after the other: with one of them the stanza is about to be there.
    let stanza = match (archive, &backup) {
        (Some(archive), Some(_)) => StanzaState::Present(archive.database),
        _ => StanzaState::Absent,
    };
    Ok(RepositoryState::Ready {
        stanza,
        backups: backup.map(|info| info.backups).unwrap_or_default(),
    })
}

fn present<T>(read: Result<T, RepositoryError>) -> Result<Option<T>, Problem> {
    match read {
        Ok(content) => Ok(Some(content)),
        Err(RepositoryError::Missing { .. }) => Ok(None),
        Err(error) => Err(Problem::from(&error)),
    }
}

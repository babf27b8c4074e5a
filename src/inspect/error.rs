//! Why a repository cannot be inspected, and the exit code for that.

use crate::{
    pgbackrest::{access::AccessError, repository::RepositoryError},
    storage::StorageError,
};

/// Names what is wrong and what to set; never a value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The arguments or the environment do not name a repository.
    #[error("{0}")]
    Usage(String),
    /// A file that was named cannot be used.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The options of pgBackRest's configuration do not lead to a repository.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The repository cannot be read.
    #[error("{0}")]
    Repository(#[from] RepositoryError),
}

impl From<StorageError> for InspectError {
    fn from(error: StorageError) -> Self {
        Self::Repository(error.into())
    }
}

impl InspectError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::File { .. } => "usage",
            Self::Access(error) => error.category(),
            Self::Repository(error) => error.category(),
        }
    }

    /// 2: what was asked for makes no sense. 3: the store cannot be reached, or refuses. 4: what the store holds is no
    /// repository that can be read: no such stanza, damaged, or of another passphrase.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Access(_) => 2,
            Self::Repository(RepositoryError::Storage(_)) => 3,
            Self::Repository(_) => 4,
        }
    }

    /// What to do about it, where that is not plain from the text.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Repository(RepositoryError::Missing { .. }) => {
                Some("Is the path right, and the stanza (--stanza)?")
            }
            Self::Repository(
                RepositoryError::WrongPassphrase { .. } | RepositoryError::CipherMissing { .. },
            ) => Some("Set the passphrase in HOLDFAST_CIPHER_PASS, or name a file with --cipher-pass-file."),
            Self::Repository(RepositoryError::NotEncrypted { .. }) => {
                Some("Leave the passphrase out: the repository has none.")
            }
            _ => None,
        }
    }
}

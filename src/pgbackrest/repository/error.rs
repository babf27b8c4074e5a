//! Why a repository cannot be read.

use crate::{pgbackrest::failure::FailureKind, storage::StorageError};

/// Names files and what is wrong with them; never a passphrase or a content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// The file is not there, nor is its copy.
    #[error("{file} is not there")]
    Missing {
        /// The object's name.
        file: String,
    },
    /// The passphrase does not open it.
    #[error("the passphrase does not open {file}")]
    WrongPassphrase {
        /// The object's name.
        file: String,
    },
    /// It is encrypted, and no cipher is configured.
    #[error("{file} is encrypted, and no cipher is configured")]
    CipherMissing {
        /// The object's name.
        file: String,
    },
    /// A cipher is configured, and it is not encrypted.
    #[error("{file} is not encrypted, but a cipher is configured")]
    NotEncrypted {
        /// The object's name.
        file: String,
    },
    /// It and its copy are damaged.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// The object's name.
        file: String,
        /// In which way.
        what: String,
    },
    /// The store refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl RepositoryError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.category(),
            other => other.failure().as_str(),
        }
    }

    /// What it means.
    #[must_use]
    pub fn failure(&self) -> FailureKind {
        match self {
            Self::Missing { .. } => FailureKind::StanzaMissing,
            Self::WrongPassphrase { .. } => FailureKind::WrongCipherPassphrase,
            Self::CipherMissing { .. } => FailureKind::CipherMissing,
            Self::NotEncrypted { .. } => FailureKind::RepositoryNotEncrypted,
            Self::Damaged { .. } => FailureKind::RepositoryDamaged,
            Self::Storage(error) => error.failure(),
        }
    }

    /// True when only this file is bad, so that its copy may be good. A file that is being replaced in the middle of a
    /// write looks like that too.
    pub(super) fn the_copy_may_help(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Damaged { .. } | Self::WrongPassphrase { .. }
        )
    }
}

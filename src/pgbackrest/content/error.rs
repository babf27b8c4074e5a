//! What can be wrong with the content of a file.

use crate::{domain::xlog::XlogError, storage::StorageError};

/// Why content could not be read, or is not what it should be. No text holds a passphrase or any content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The file is not there.
    #[error("it is not there")]
    Missing,
    /// The store refused, or could not be asked. Says nothing about the content.
    #[error(transparent)]
    Unreadable(StorageError),
    /// The file is shorter than it was listed, or than the manifest says.
    #[error("it ends after {found} of {expected} bytes")]
    Short {
        /// In bytes, as stored.
        expected: u64,
        /// In bytes, as stored.
        found: u64,
    },
    /// The passphrase does not open it.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    /// It is encrypted, and no cipher is configured.
    #[error("it is encrypted, and no cipher is configured")]
    CipherMissing,
    /// A cipher is configured, and it is not encrypted.
    #[error("it is not encrypted, but a cipher is configured")]
    NotEncrypted,
    /// It does not end as an encrypted file does. Another passphrase looks like that too where nothing is known of the
    /// content's beginning, as without compression.
    #[error("it cannot be decrypted to its end: it was cut off or changed")]
    Undecryptable,
    /// It cannot be decompressed.
    #[error("it cannot be decompressed: {0}")]
    Undecompressible(String),
    /// It is larger or smaller than it should be.
    #[error("it has {found} bytes instead of {expected}")]
    WrongSize {
        /// In bytes, without compression.
        expected: u64,
        /// In bytes, without compression.
        found: u64,
    },
    /// Its checksum is not the one that pgBackRest wrote down.
    #[error("its SHA-1 is {found} instead of {expected}")]
    WrongChecksum {
        /// In hex.
        expected: String,
        /// In hex.
        found: String,
    },
    /// The content is what was archived, but it is no WAL that is known here.
    #[error("its content is no WAL: {0}")]
    NoWal(XlogError),
}

impl ContentError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Missing => "not-found",
            Self::Unreadable(error) => error.category(),
            Self::WrongPassphrase => "wrong-passphrase",
            Self::CipherMissing => "cipher-missing",
            Self::NotEncrypted => "not-encrypted",
            Self::Undecompressible(_) => "not-decompressible",
            Self::WrongChecksum { .. } => "wrong-checksum",
            Self::Short { .. } | Self::Undecryptable | Self::WrongSize { .. } => "damaged",
            Self::NoWal(error) => error.category(),
        }
    }

    /// True when the file itself is at fault; false when it could not be judged, because the store did not answer. The
    /// passphrase of content comes from a catalogue that was right, so a file that it does not open is damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::Unreadable(_) | Self::NoWal(XlogError::UnknownVersion(_))
        )
    }
}

impl From<StorageError> for ContentError {
    fn from(error: StorageError) -> Self {
        if error.is_not_found() {
            Self::Missing
        } else {
            Self::Unreadable(error)
        }
    }
}

//! What can be wrong with a repository or with a pgBackRest command: one closed list of kinds.
//!
//! Finer than the reasons of conditions and Events, which are public API: [`FailureKind::reason`].

use std::fmt;

use crate::api::reasons::Reason;

/// Whether the same thing may work later without any change by a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permanence {
    /// A retry is pointless before somebody changes something.
    Permanent,
    /// A retry may work.
    Transient,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $permanence:ident,)+) => {
        /// The kinds of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FailureKind { $($(#[$doc])* $name,)+ }

        impl FailureKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name, as in conditions.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// Whether a retry may work.
            #[must_use]
            pub fn permanence(self) -> Permanence {
                match self { $(Self::$name => Permanence::$permanence,)+ }
            }
        }
    };
}

kinds! {
    /// The store refuses the access key or its signature, or the key may not do this.
    CredentialsRefused => Permanent,
    /// The credentials are right but may not do what is needed.
    PermissionMissing => Permanent,
    /// No credentials are given for the repository.
    CredentialsMissing => Permanent,
    /// The bucket or container does not exist.
    BucketMissing => Permanent,
    /// The store's certificate is not signed by a trusted authority, expired, or for another name.
    CertificateUntrusted => Permanent,
    /// The name does not resolve, nothing listens, or nothing answers in time.
    EndpointUnreachable => Transient,
    /// The pod that mounts a repository's volume is not ready.
    RepoHostNotReady => Transient,
    /// The store answers, but with errors of its own (5xx) or asks to slow down.
    StoreUnavailable => Transient,
    /// The store or the repository's volume has no space left: tries in the next minutes would only hide the cause.
    StoreFull => Permanent,
    /// The options of a repository do not fit together, or one is missing.
    RepositoryMisconfigured => Permanent,
    /// The repository is encrypted with another passphrase.
    WrongCipherPassphrase => Permanent,
    /// The repository is encrypted, and no cipher is configured.
    CipherMissing => Permanent,
    /// A cipher is configured, and the repository is not encrypted.
    RepositoryNotEncrypted => Permanent,
    /// This version cannot read this kind of repository.
    NotSupported => Permanent,
    /// The stanza is not in the repository.
    StanzaMissing => Transient,
    /// An info file and its copy are both damaged.
    RepositoryDamaged => Permanent,
    /// The repository belongs to another PostgreSQL.
    SystemIdentifierMismatch => Permanent,
    /// Another command works on the repository.
    RepositoryBusy => Transient,
    /// No PostgreSQL primary could be reached through the instances' TLS servers.
    PrimaryUnreachable => Transient,
    /// The connection to an instance or the store broke in the middle.
    ConnectionLost => Transient,
    /// An option is unknown, has a wrong value, or is missing.
    InvalidOptions => Permanent,
    /// Archiving is off or does not go through pgBackRest.
    ArchivingDisabled => Permanent,
    /// The WAL that the backup needs did not arrive in time.
    ArchiveTimeout => Transient,
    /// Somebody ran `pgbackrest stop`.
    StopFilePresent => Permanent,
    /// The command was ended by a signal.
    Interrupted => Transient,
    /// A restore has no space left on the data volume.
    DiskFull => Permanent,
    /// The chosen backup does not exist, or none fits the target.
    BackupSetInvalid => Permanent,
    /// The chosen backup is not on the target's timeline.
    TimelineMismatch => Permanent,
    /// The directory to restore into is not empty, or PostgreSQL runs in it.
    DataDirectoryInUse => Permanent,
    /// Any other failure of pgBackRest.
    EngineFailed => Transient,
}

impl FailureKind {
    /// The reason that conditions and Events give. Several kinds share one where the remedy is the same.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::CredentialsRefused => Reason::CredentialsRefused,
            Self::PermissionMissing => Reason::PermissionMissing,
            Self::CredentialsMissing => Reason::CredentialsMissing,
            Self::BucketMissing => Reason::BucketMissing,
            Self::CertificateUntrusted => Reason::CertificateUntrusted,
            Self::EndpointUnreachable => Reason::EndpointUnreachable,
            Self::RepoHostNotReady => Reason::RepoHostNotReady,
            Self::StoreUnavailable => Reason::StoreThrottled,
            Self::StoreFull => Reason::StoreFull,
            Self::RepositoryMisconfigured => Reason::InvalidSpecification,
            Self::WrongCipherPassphrase => Reason::WrongCipherPassphrase,
            Self::CipherMissing | Self::RepositoryNotEncrypted => Reason::CipherMissing,
            Self::NotSupported => Reason::NotSupported,
            Self::StanzaMissing => Reason::StanzaMissing,
            Self::RepositoryDamaged => Reason::RepositoryDamaged,
            Self::SystemIdentifierMismatch => Reason::SystemIdentifierMismatch,
            Self::RepositoryBusy => Reason::RepositoryBusy,
            Self::PrimaryUnreachable => Reason::PrimaryUnreachable,
            Self::ConnectionLost | Self::Interrupted => Reason::Interrupted,
            Self::InvalidOptions => Reason::InvalidOptions,
            Self::ArchiveTimeout => Reason::WalMissing,
            Self::ArchivingDisabled
            | Self::StopFilePresent
            | Self::DiskFull
            | Self::BackupSetInvalid
            | Self::TimelineMismatch
            | Self::DataDirectoryInUse
            | Self::EngineFailed => Reason::BackupFailed,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Why a repository cannot be reached with what is configured.

use crate::pgbackrest::failure::FailureKind;

/// Why a repository cannot be reached with what is configured. Names options and files, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No access key.
    #[error(
        "no credentials are set: {missing} is missing in the files of spec.backups.pgbackrest.configuration"
    )]
    CredentialsMissing {
        /// The option.
        missing: String,
    },
    /// A cipher is configured without a passphrase.
    #[error("{option} is missing, so the repository cannot be decrypted")]
    PassphraseMissing {
        /// The option.
        option: String,
    },
    /// An option has a value that cannot work.
    #[error("option {option} {problem}")]
    Option {
        /// The option.
        option: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// An option names a file that the operator cannot read.
    #[error(
        "option {option} names a file that is not projected by spec.backups.pgbackrest.configuration, so the operator \
         cannot read it"
    )]
    FileNotProjected {
        /// The option.
        option: String,
    },
    /// The repository is on a volume, which only the pod that mounts it can read.
    #[error(
        "a volume repository is read on its repository host, which mounts the volume, and not by the operator"
    )]
    OtherPod,
    /// The claim of a volume cannot be used by host and Jobs.
    #[error("the claim {claim} {problem}")]
    Volume {
        /// Its name.
        claim: String,
        /// Why.
        problem: &'static str,
    },
    /// The repository is on a volume whose host has no certificates yet.
    #[error("the repository host has no certificates yet")]
    HostNotReady,
    /// An option names a file, and its content cannot be used. Says what is wrong, and nothing of the content.
    #[error("the file that option {option} names {problem}")]
    File {
        /// The option.
        option: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// This kind of store, or of credentials, comes with a later version.
    #[error("{what} is not supported yet")]
    NotYetSupported {
        /// Repositories of which kind.
        what: &'static str,
    },
}

impl AccessError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        self.failure().as_str()
    }

    /// What it means for the repository.
    #[must_use]
    pub fn failure(&self) -> FailureKind {
        match self {
            Self::CredentialsMissing { .. } => FailureKind::CredentialsMissing,
            Self::PassphraseMissing { .. } => FailureKind::CipherMissing,
            Self::Option { .. } | Self::File { .. } | Self::FileNotProjected { .. } | Self::Volume { .. } => {
                FailureKind::RepositoryMisconfigured
            }
            Self::NotYetSupported { .. } | Self::OtherPod => FailureKind::NotSupported,
            Self::HostNotReady => FailureKind::RepoHostNotReady,
        }
    }
}

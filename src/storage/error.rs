//! What a store refused, in words that do not depend on the kind of store.

use std::time::Duration;

use crate::pgbackrest::failure::FailureKind;

/// The kinds that lead to different reasons and remedies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageErrorKind {
    /// No object of that name.
    NotFound,
    /// No bucket or container of that name.
    BucketMissing,
    /// The credentials are wrong, unknown or expired.
    CredentialsRefused,
    /// The credentials are right but may not do this.
    PermissionMissing,
    /// The request goes to the wrong region or is not understood: the configuration is wrong.
    Misconfigured,
    /// The store asks to slow down.
    Throttled,
    /// The store answers with an error of its own.
    Unavailable,
    /// The name does not resolve, nothing listens, or nothing answers in time.
    Unreachable,
    /// The certificate is not trusted.
    Untrusted,
    /// No space left.
    Full,
    /// An object is larger than what is read whole.
    TooLarge,
    /// Anything else.
    Unexpected,
}

impl StorageErrorKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::NotFound,
        Self::BucketMissing,
        Self::CredentialsRefused,
        Self::PermissionMissing,
        Self::Misconfigured,
        Self::Throttled,
        Self::Unavailable,
        Self::Unreachable,
        Self::Untrusted,
        Self::Full,
        Self::TooLarge,
        Self::Unexpected,
    ];

    /// A stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::BucketMissing => "bucket-missing",
            Self::CredentialsRefused => "credentials-refused",
            Self::PermissionMissing => "permission-missing",
            Self::Misconfigured => "misconfigured",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Full => "full",
            Self::TooLarge => "too-large",
            Self::Unexpected => "unexpected",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

/// A failed request. The text names the request and what the store called the error; it has no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{request}: {detail}")]
pub struct StorageError {
    /// The kind.
    pub kind: StorageErrorKind,
    /// `list s3://bucket/prefix`
    pub request: String,
    /// HTTP status and the store's own code, or what the network said.
    pub detail: String,
    /// How long the store asks to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl StorageError {
    /// An error of a store that does not say when to come back.
    #[must_use]
    pub fn new(kind: StorageErrorKind, request: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            request: request.into(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// True when the same request may succeed a moment later. What the store decided is not asked for again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self.kind,
            StorageErrorKind::Throttled
                | StorageErrorKind::Unavailable
                | StorageErrorKind::Unreachable
                | StorageErrorKind::Unexpected
        )
    }

    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        self.kind.as_str()
    }

    /// True when the object is simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == StorageErrorKind::NotFound
    }

    /// What it means for a repository.
    #[must_use]
    pub fn failure(&self) -> FailureKind {
        match self.kind {
            StorageErrorKind::BucketMissing => FailureKind::BucketMissing,
            StorageErrorKind::CredentialsRefused => FailureKind::CredentialsRefused,
            StorageErrorKind::PermissionMissing => FailureKind::PermissionMissing,
            StorageErrorKind::Misconfigured => FailureKind::RepositoryMisconfigured,
            StorageErrorKind::Unreachable => FailureKind::EndpointUnreachable,
            StorageErrorKind::Untrusted => FailureKind::CertificateUntrusted,
            StorageErrorKind::Full => FailureKind::StoreFull,
            StorageErrorKind::NotFound | StorageErrorKind::TooLarge => FailureKind::RepositoryDamaged,
            StorageErrorKind::Throttled | StorageErrorKind::Unavailable | StorageErrorKind::Unexpected => {
                FailureKind::StoreUnavailable
            }
        }
    }
}

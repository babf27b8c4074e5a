//! As whom requests are sent: a key file, a token, or what the pod is given. Texts name no part of a key.

use std::sync::{Mutex, PoisonError};

use ::http::{HeaderMap, HeaderValue, header};
use google_cloud_auth::credentials::{
    self, CacheableResource, Credentials,
    service_account::{self, AccessSpecifier},
};
use tokio::time::timeout;

use crate::{
    domain::secret::Secret,
    storage::{StorageError, StorageErrorKind, http::ATTEMPT},
};

/// All that a reader may do.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";

/// How requests are authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcsCredentials {
    /// A service account's key file: the JSON text.
    Service(Secret),
    /// The value of the `Authorization` header, with its scheme: `Bearer …`.
    Token(Secret),
    /// What this process is given by its surroundings: workload identity, the metadata server.
    Ambient,
}

/// Who asks.
pub(super) enum Identity {
    /// The same header each time.
    Header(HeaderValue),
    /// Tokens that are asked for and expire.
    Service {
        credentials: Box<Credentials>,
        /// The last headers, which are told only when they change.
        last: Mutex<HeaderMap>,
    },
}

impl Identity {
    /// No network yet. The error names no part of a key.
    pub(super) fn new(settings: &GcsCredentials) -> Result<Self, String> {
        // The identity crate signs with the process-wide provider; `main` installs the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let credentials = match settings {
            GcsCredentials::Token(token) => {
                let mut value = HeaderValue::try_from(token.expose().trim())
                    .map_err(|_| "the token has characters that no header may have".to_owned())?;
                value.set_sensitive(true);
                return Ok(Self::Header(value));
            }
            GcsCredentials::Service(key) => {
                let key = serde_json::from_str(key.expose())
                    .map_err(|_| "the key file is no JSON text".to_owned())?;
                service_account::Builder::new(key)
                    .with_access_specifier(AccessSpecifier::from_scopes([SCOPE]))
                    .build()
                    .map_err(|_| "the key file is no service account's key".to_owned())?
            }
            GcsCredentials::Ambient => credentials::Builder::default()
                .with_scopes([SCOPE])
                .build()
                .map_err(|_| "the identity of this pod cannot be used".to_owned())?,
        };
        Ok(Self::Service {
            credentials: Box::new(credentials),
            last: Mutex::default(),
        })
    }

    /// What authorises the next request; asks the token service where the last answer has expired.
    pub(super) async fn headers(&self, request: &str) -> Result<HeaderMap, StorageError> {
        let (credentials, last) = match self {
            Self::Header(value) => {
                return Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value.clone())]));
            }
            Self::Service { credentials, last } => (credentials, last),
        };
        let last = || last.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |kind, detail| Err(StorageError::new(kind, request, detail));
        match timeout(ATTEMPT, credentials.headers(::http::Extensions::new())).await {
            Ok(Ok(CacheableResource::New { data, .. })) => {
                last().clone_from(&data);
                Ok(data)
            }
            Ok(Ok(CacheableResource::NotModified)) => Ok(last().clone()),
            Ok(Err(error)) if error.is_transient() => {
                failed(StorageErrorKind::Unavailable, "no token for the identity now")
            }
            Ok(Err(_)) => failed(
                StorageErrorKind::CredentialsRefused,
                "no token for the identity: the key is not usable, or this pod has none",
            ),
            Err(_) => failed(
                StorageErrorKind::Unreachable,
                "the token service does not answer in time",
            ),
        }
    }
}

//! S3 and what speaks its protocol, over the AWS SDK.
//!
//! Repositories that trust the same authority share connections. Addressing follows pgBackRest: always TLS, `bucket.endpoint` unless the path style is asked for, and `storage-host`/`storage-port` replace
//! where to connect to.

mod classify;
mod insecure;
mod versions;

use std::ops::Range;

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    types::ObjectLockLegalHoldStatus,
};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use chrono::DateTime;
use futures::{StreamExt as _, future::BoxFuture, stream};

pub use super::trust::Trust;
use super::{
    Body, Head, LARGEST_READ, ObjectInfo, ObjectStore, Page, StorageError, StorageErrorKind, body,
    http::{ATTEMPT, CONNECT, IDLE, IDLE_CONNECTIONS, READ},
    trust::{self, Clients},
};
use crate::domain::secret::Secret;

static CLIENTS: Clients<SharedHttpClient> = Clients::new();

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Credentials {
    /// An access key.
    Shared {
        /// Its id.
        key: Secret,
        /// Its secret.
        secret: Secret,
        /// A session's token.
        token: Option<Secret>,
    },
    /// What this process is given by its surroundings: instance role, web identity.
    Ambient,
}

/// All that is needed to reach a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Host to connect to, without scheme.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// `host/bucket/name` instead of `bucket.host/name`.
    pub path_style: bool,
    /// Whom to trust.
    pub trust: Trust,
    /// How to sign.
    pub credentials: S3Credentials,
}

/// A bucket.
#[derive(Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    /// It is read as it stood then.
    at: Option<chrono::DateTime<chrono::Utc>>,
}

impl S3Store {
    /// Makes a client; no request is sent. Fails when the authority is no PEM certificate.
    pub async fn new(settings: &S3Settings) -> Result<Self, StorageError> {
        let http = CLIENTS.get(&settings.trust, || http_client(&settings.trust));
        let http = http.map_err(|detail| {
            let request = format!("connect to s3://{}", settings.bucket);
            StorageError::new(StorageErrorKind::Misconfigured, request, detail)
        })?;
        let endpoint = if settings.port == 443 {
            format!("https://{}", settings.host)
        } else {
            format!("https://{}:{}", settings.host, settings.port)
        };
        let region = Region::new(settings.region.clone());
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .operation_attempt_timeout(ATTEMPT)
            .build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(region.clone())
            .endpoint_url(endpoint)
            .force_path_style(settings.path_style)
            .timeout_config(timeouts.clone())
            // `storage::retry` asks again: the SDK repeats a refused certificate, and not a 429 without a body.
            .retry_config(RetryConfig::disabled())
            // Many compatible servers know no checksums of the newer kinds.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let config = match &settings.credentials {
            S3Credentials::Shared { key, secret, token } => config.credentials_provider(Credentials::new(
                key.expose(),
                secret.expose(),
                token.as_ref().map(|token| token.expose().to_owned()),
                None,
                "repository",
            )),
            S3Credentials::Ambient => {
                // With the default client: the services behind it have public or plain addresses.
                let ambient = aws_config::defaults(BehaviorVersion::latest())
                    .region(region)
                    .timeout_config(timeouts)
                    .load()
                    .await;
                match ambient.credentials_provider() {
                    Some(provider) => config.credentials_provider(provider),
                    None => config,
                }
            }
        };
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket.clone(),
            at: None,
        })
    }

    /// The same bucket as it stood at an earlier time. One that keeps no versions holds what has not been written since.
    #[must_use]
    pub fn at(self, time: chrono::DateTime<chrono::Utc>) -> Self {
        Self {
            at: Some(time),
            ..self
        }
    }

    /// The version of an object to ask for; nothing for the present one.
    async fn version(&self, name: &str) -> Result<Option<String>, StorageError> {
        match self.at {
            Some(at) => self.version_at(name, at).await.map(Some),
            None => Ok(None),
        }
    }

    fn error<E>(&self, verb: &str, name: &str, error: &SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (kind, detail) = classify::classify(error, !name.is_empty() && verb != "list");
        StorageError {
            retry_after: classify::retry_after(error),
            ..StorageError::new(kind, self.request(verb, name), detail)
        }
    }

    fn request(&self, verb: &str, name: &str) -> String {
        format!("{verb} s3://{}/{name}", self.bucket)
    }

    /// A body, and how long it is said to be.
    async fn read(&self, name: &str, range: Option<String>) -> Result<(u64, Body<'static>), StorageError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(name)
            .set_version_id(self.version(name).await?)
            .set_range(range)
            .send()
            .await;
        let answer = match answer {
            // Nothing is behind the end, as with every store.
            Err(error)
                if error
                    .raw_response()
                    .is_some_and(|answer| answer.status().as_u16() == 416) =>
            {
                return Ok((0, stream::empty().boxed()));
            }
            answer => answer.map_err(|error| self.error("get", name, &error))?,
        };
        let length = u64::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default();
        let request = self.request("get", name);
        let pieces = stream::unfold(answer.body, move |mut body| {
            let request = request.clone();
            async move {
                let piece = body.next().await?.map_err(|error| {
                    StorageError::new(StorageErrorKind::Unreachable, request, error.to_string())
                });
                Some((piece, body))
            }
        });
        Ok((length, pieces.boxed()))
    }

    async fn collect(&self, name: &str, range: Option<String>, limit: u64) -> Result<Vec<u8>, StorageError> {
        let request = || self.request("get", name);
        let (length, pieces) = self.read(name, range).await?;
        if length > limit {
            let detail = format!("more than {limit} bytes");
            return Err(StorageError::new(StorageErrorKind::TooLarge, request(), detail));
        }
        body::collect(pieces, limit, request).await
    }
}

impl ObjectStore for S3Store {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
            if let Some(at) = self.at {
                return self.list_at(prefix, after, at).await;
            }
            let answer = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_start_after(after.map(str::to_owned))
                .send()
                .await
                .map_err(|error| self.error("list", prefix, &error))?;
            let more = answer.is_truncated().unwrap_or_default();
            let objects: Vec<_> = answer
                .contents
                .unwrap_or_default()
                .into_iter()
                .filter_map(|object| {
                    Some(ObjectInfo {
                        name: object.key?,
                        size: u64::try_from(object.size.unwrap_or_default()).unwrap_or_default(),
                        modified: object.last_modified.and_then(|time| to_utc(&time)),
                    })
                })
                // Whatever the server makes of start-after.
                .filter(|object| after.is_none_or(|after| object.name.as_str() > after))
                .collect();
            let next = objects.last().filter(|_| more).map(|last| last.name.clone());
            Ok(Page { objects, next })
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(self.collect(name, None, LARGEST_READ))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            if range.is_empty() {
                return Ok(Vec::new());
            }
            let limit = (range.end - range.start).min(LARGEST_READ);
            let range = format!("bytes={}-{}", range.start, range.end - 1);
            self.collect(name, Some(range), limit).await
        })
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let range = (from > 0).then(|| format!("bytes={from}-"));
            let (_, pieces) = self.read(name, range).await?;
            Ok(pieces)
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            let answer = self
                .client
                .head_object()
                .bucket(&self.bucket)
                .key(name)
                .set_version_id(self.version(name).await?)
                .send()
                .await;
            let answer = answer.map_err(|error| self.error("head", name, &error))?;
            Ok(Head {
                object: ObjectInfo {
                    name: name.to_owned(),
                    size: u64::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default(),
                    modified: answer.last_modified.and_then(|time| to_utc(&time)),
                },
                // Without versioning some servers say `null`.
                version: answer.version_id.filter(|version| version != "null"),
                retain_until: answer
                    .object_lock_retain_until_date
                    .and_then(|time| to_utc(&time)),
                legal_hold: answer
                    .object_lock_legal_hold_status
                    .map(|status| status == ObjectLockLegalHoldStatus::On),
            })
        })
    }

    fn location(&self) -> String {
        format!("s3://{}", self.bucket)
    }
}

fn to_utc(time: &aws_sdk_s3::primitives::DateTime) -> Option<chrono::DateTime<chrono::Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

fn http_client(trust: &Trust) -> Result<SharedHttpClient, String> {
    let store = match trust {
        Trust::System => TrustStore::empty().with_native_roots(true),
        Trust::Authority(pem) => {
            trust::check_authority(pem)?;
            TrustStore::empty().with_pem_certificate(pem.clone())
        }
        Trust::Anyone => return insecure::client(),
    };
    let context = TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build_https())
}

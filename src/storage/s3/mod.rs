//! S3 and what speaks its protocol, over the AWS SDK.
//!
//! One client per repository, since the trusted authority is the repository's own. Addressing follows pgBackRest:
//! always TLS, `bucket.endpoint` unless the path style is asked for, and `storage-host`/`storage-port` replace
//! where to connect to.

mod classify;
mod insecure;
mod trust;

use std::{ops::Range, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use chrono::DateTime;
use futures::future::BoxFuture;

use super::{LARGEST_READ, ObjectInfo, ObjectStore, Page, StorageError, StorageErrorKind};
use crate::domain::secret::Secret;

/// Until the connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(3);
/// Without any byte of an answer.
const READ: Duration = Duration::from_secs(8);
/// One try.
const ATTEMPT: Duration = Duration::from_secs(12);
/// A call with all its tries, so that a fault is told within half a minute of being looked for.
const CALL: Duration = Duration::from_secs(20);
/// The body of an answer, after the call itself.
const BODY: Duration = Duration::from_mins(1);
/// Tries of a call.
const TRIES: u32 = 3;

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

/// Whose certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authorities of the system.
    System,
    /// These authorities, as PEM, and no other.
    Authority(Vec<u8>),
    /// Any: the user set `repoN-storage-verify-tls=n`.
    Anyone,
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
}

impl S3Store {
    /// Makes a client; no request is sent. Fails when the authority is no PEM certificate.
    pub async fn new(settings: &S3Settings) -> Result<Self, StorageError> {
        let http = http_client(&settings.trust).map_err(|detail| StorageError {
            kind: StorageErrorKind::Misconfigured,
            request: format!("connect to s3://{}", settings.bucket),
            detail,
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
            .operation_timeout(CALL)
            .build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(region.clone())
            .endpoint_url(endpoint)
            .force_path_style(settings.path_style)
            .timeout_config(timeouts.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .retry_classifier(classify::RetryRules)
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
        })
    }

    fn error<E>(&self, verb: &str, name: &str, error: &SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (kind, detail) = classify::classify(error, !name.is_empty() && verb != "list");
        StorageError {
            kind,
            request: self.request(verb, name),
            detail,
        }
    }

    fn request(&self, verb: &str, name: &str) -> String {
        format!("{verb} s3://{}/{name}", self.bucket)
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let request = self.client.get_object().bucket(&self.bucket).key(name);
        let request = match &range {
            Some(range) => request.range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1))),
            None => request,
        };
        let answer = request
            .send()
            .await
            .map_err(|error| self.error("get", name, &error))?;
        let length = u64::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default();
        let limit = range.map_or(LARGEST_READ, |range| (range.end - range.start).min(LARGEST_READ));
        self.body(name, answer.body, length, limit).await
    }

    /// Collects a body in bounded time and size: a store may say one length and send another.
    async fn body(
        &self,
        name: &str,
        mut body: ByteStream,
        length: u64,
        limit: u64,
    ) -> Result<Vec<u8>, StorageError> {
        let failed = |kind, detail: String| StorageError {
            kind,
            request: self.request("get", name),
            detail,
        };
        let too_large = || failed(StorageErrorKind::TooLarge, format!("more than {limit} bytes"));
        if length > limit {
            return Err(too_large());
        }
        let collect = async {
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            while let Some(chunk) = body.next().await {
                let chunk =
                    chunk.map_err(|error| failed(StorageErrorKind::Unreachable, error.to_string()))?;
                bytes.extend_from_slice(&chunk);
                if bytes.len() as u64 > limit {
                    return Err(too_large());
                }
            }
            Ok(bytes)
        };
        tokio::time::timeout(BODY, collect).await.map_err(|_| {
            failed(
                StorageErrorKind::Unreachable,
                format!("no end of the content in {BODY:?}"),
            )
        })?
    }
}

impl ObjectStore for S3Store {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
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
        Box::pin(self.read(name, None))
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
            self.read(name, Some(range)).await
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ObjectInfo, StorageError>> {
        Box::pin(async move {
            let answer = self
                .client
                .head_object()
                .bucket(&self.bucket)
                .key(name)
                .send()
                .await;
            let answer = answer.map_err(|error| self.error("head", name, &error))?;
            Ok(ObjectInfo {
                name: name.to_owned(),
                size: u64::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default(),
                modified: answer.last_modified.and_then(|time| to_utc(&time)),
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
        Trust::Anyone => return insecure::client(CONNECT, READ),
    };
    let context = TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

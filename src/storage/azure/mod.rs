//! Azure Blob Storage and what speaks its protocol, over the official SDK.
//!
//! The SDK has no account keys and keeps the signature of a SAS in its URLs, which its errors print: both kinds of
//! signing are policies here (`sign`), and no error text is made from an address. Addressing follows pgBackRest: always
//! TLS, `account.endpoint` or, in path style, `endpoint/account`.

mod classify;
mod sign;

use std::{collections::VecDeque, num::NonZero, ops::Range, sync::Arc};

use azure_core::{
    credentials::TokenCredential,
    http::{ClientOptions, RetryOptions, StatusCode, Transport, Url, policies::Policy},
};
use azure_storage_blob::{
    BlobContainerClient, BlobContainerClientOptions,
    models::{
        BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders as _,
        BlobContainerClientListBlobsOptions, HttpRange, ListBlobsResponse,
    },
};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use tokio::time::timeout;

use super::{
    Body, Head, ObjectInfo, ObjectStore, Page, StorageError, StorageErrorKind, body,
    http::{self, ATTEMPT},
    trust::Trust,
};
use crate::domain::secret::Secret;

/// The version that pgBackRest speaks, so every server that holds its repositories does too.
const COMMON_VERSION: &str = "2021-06-08";
/// Parts of listings that can be gone on with by the service's own marker.
const CONTINUATIONS: usize = 8;

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureCredentials {
    /// The key of the account, in base64.
    Shared(Secret),
    /// A shared access signature: a query string.
    Sas(Secret),
    /// What this process is given by its surroundings: workload identity where a federated token is projected,
    /// managed identity elsewhere.
    Ambient,
}

/// All that is needed to reach a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureSettings {
    /// The container.
    pub container: String,
    /// The account.
    pub account: String,
    /// Host to connect to, without scheme and without the account.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// `host/account/container/name` instead of `account.host/container/name`.
    pub path_style: bool,
    /// Whom to trust.
    pub trust: Trust,
    /// How to sign.
    pub credentials: AzureCredentials,
}

impl AzureSettings {
    /// The service itself, and no emulator or gateway.
    fn is_microsoft(&self) -> bool {
        [
            ".core.windows.net",
            ".core.usgovcloudapi.net",
            ".core.chinacloudapi.cn",
        ]
        .iter()
        .any(|domain| self.host.ends_with(domain))
    }

    fn url(&self) -> Result<Url, String> {
        let port = if self.port == 443 {
            String::new()
        } else {
            format!(":{}", self.port)
        };
        let Self {
            account,
            host,
            container,
            ..
        } = self;
        let text = if self.path_style {
            format!("https://{host}{port}/{account}/{container}")
        } else {
            format!("https://{account}.{host}{port}/{container}")
        };
        Url::parse(&text).map_err(|error| error.to_string())
    }
}

/// A container.
pub struct AzureStore {
    client: BlobContainerClient,
    container: String,
    is_microsoft: bool,
    page_size: Option<i32>,
    continuations: std::sync::Mutex<VecDeque<Continuation>>,
}

/// Where a listing can be gone on with: the service starts at a name only in its newest versions, and emulators do not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Continuation {
    prefix: String,
    last: String,
    marker: String,
}

impl AzureStore {
    /// Makes a client; no request is sent. Fails when the key, the authority or the names cannot be used.
    pub fn new(settings: &AzureSettings) -> Result<Self, StorageError> {
        let misconfigured = |detail: String| {
            let request = format!("connect to azure://{}", settings.container);
            StorageError::new(StorageErrorKind::Misconfigured, request, detail)
        };
        let http = http::client(&settings.trust).map_err(misconfigured)?;
        let mut client_options = ClientOptions {
            transport: Some(Transport::new(Arc::new(http))),
            // `storage::retry` asks again: the SDK repeats a refused certificate.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        let signing: Option<Arc<dyn Policy>> = match &settings.credentials {
            AzureCredentials::Shared(key) => Some(Arc::new(
                sign::SharedKey::new(&settings.account, key).map_err(misconfigured)?,
            )),
            AzureCredentials::Sas(signature) => Some(Arc::new(
                sign::SharedAccess::new(signature).map_err(misconfigured)?,
            )),
            AzureCredentials::Ambient => None,
        };
        client_options.per_try_policies.extend(signing);
        let mut options = BlobContainerClientOptions {
            client_options,
            ..BlobContainerClientOptions::default()
        };
        if !settings.is_microsoft() {
            COMMON_VERSION.clone_into(&mut options.version);
        }
        let token = match settings.credentials {
            AzureCredentials::Ambient => Some(ambient().map_err(|error| {
                let request = format!("connect to azure://{}", settings.container);
                let (_, detail, _) = classify::classify(&error, false, true);
                StorageError::new(StorageErrorKind::CredentialsRefused, request, detail)
            })?),
            _ => None,
        };
        let url = settings.url().map_err(misconfigured)?;
        let client = BlobContainerClient::new(url, token, Some(options))
            .map_err(|_| misconfigured("the address cannot be used".to_owned()))?;
        Ok(Self {
            client,
            container: settings.container.clone(),
            is_microsoft: settings.is_microsoft(),
            page_size: None,
            continuations: std::sync::Mutex::default(),
        })
    }

    /// Asks for so many names at once, instead of the 5000 that the service gives.
    #[must_use]
    pub fn with_page_size(mut self, names: i32) -> Self {
        self.page_size = Some(names);
        self
    }

    fn request(&self, verb: &str, name: &str) -> String {
        format!("{verb} azure://{}/{name}", self.container)
    }

    fn error(&self, verb: &str, name: &str, error: &azure_core::Error) -> StorageError {
        let (kind, detail, retry_after) = classify::classify(error, verb != "list", self.is_microsoft);
        StorageError {
            retry_after,
            ..StorageError::new(kind, self.request(verb, name), detail)
        }
    }

    /// One try, in bounded time.
    async fn within<T>(
        &self,
        verb: &str,
        name: &str,
        answer: impl Future<Output = azure_core::Result<T>>,
    ) -> Result<T, StorageError> {
        match timeout(ATTEMPT, answer).await {
            Ok(answer) => answer.map_err(|error| self.error(verb, name, &error)),
            Err(_) => Err(StorageError::new(
                StorageErrorKind::Unreachable,
                self.request(verb, name),
                "no answer in time",
            )),
        }
    }

    /// One page as the service gives it.
    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        marker: Option<String>,
    ) -> Result<ListBlobsResponse, StorageError> {
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty()),
            start_from: after.filter(|_| marker.is_none()).map(str::to_owned),
            marker,
            maxresults: self.page_size,
            ..BlobContainerClientListBlobsOptions::default()
        };
        let answer = async {
            let mut pages = self.client.list_blobs(Some(options))?.into_pages();
            match pages.try_next().await? {
                Some(page) => page.into_model(),
                None => Ok(ListBlobsResponse::default()),
            }
        };
        self.within("list", prefix, answer).await
    }

    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Page, StorageError> {
        let mut marker = after.and_then(|after| self.continuation(prefix, after));
        loop {
            let known = marker.is_some();
            let page = match self.page(prefix, after, marker.take()).await {
                // A marker may have expired; without it the answer is the same, later.
                Err(error) if known && error.kind == StorageErrorKind::Misconfigured => {
                    self.page(prefix, after, None).await?
                }
                page => page?,
            };
            let next = page.next_marker.filter(|marker| !marker.is_empty());
            let objects: Vec<_> = page
                .blob_items
                .into_iter()
                .filter_map(object)
                // The service begins with the name itself, an emulator with the first name of all.
                .filter(|object| after.is_none_or(|after| object.name.as_str() > after))
                .collect();
            match (objects.last(), next) {
                (_, None) => return Ok(Page { objects, next: None }),
                (None, Some(next)) => marker = Some(next),
                (Some(last), Some(next)) => {
                    let last = last.name.clone();
                    self.keep(prefix, &last, next);
                    return Ok(Page {
                        objects,
                        next: Some(last),
                    });
                }
            }
        }
    }

    fn continuation(&self, prefix: &str, after: &str) -> Option<String> {
        self.with(|known| {
            known
                .iter()
                .find(|known| known.prefix == prefix && known.last == after)
                .map(|known| known.marker.clone())
        })
    }

    fn keep(&self, prefix: &str, last: &str, marker: String) {
        let continuation = Continuation {
            prefix: prefix.to_owned(),
            last: last.to_owned(),
            marker,
        };
        self.with(|known| {
            known.retain(|known| known.prefix != continuation.prefix || known.last != continuation.last);
            if known.len() >= CONTINUATIONS {
                known.pop_front();
            }
            known.push_back(continuation);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Continuation>) -> T) -> T {
        // A panic elsewhere leaves the list as whole as it was.
        act(&mut self
            .continuations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    async fn read(&self, name: &str, range: HttpRange) -> Result<Body<'static>, StorageError> {
        let options = BlobClientDownloadOptions {
            range: Some(range),
            // One request for all, and its body as it arrives.
            parallel: Some(NonZero::<usize>::MIN),
            partition_size: NonZero::new(usize::MAX >> 2),
            ..BlobClientDownloadOptions::default()
        };
        let blob = self.client.blob_client(name);
        let answer = async {
            match blob.download(Some(options)).await {
                // Nothing is behind the end, as with every store.
                Err(error) if error.http_status() == Some(StatusCode::RequestedRangeNotSatisfiable) => {
                    Ok(None)
                }
                answer => answer.map(Some),
            }
        };
        let Some(answer) = self.within("get", name, answer).await? else {
            return Ok(stream::empty().boxed());
        };
        let request = self.request("get", name);
        let pieces = answer.body.map_err(move |error| {
            let (kind, detail, _) = classify::classify(&error, true, true);
            StorageError::new(kind, request.clone(), detail)
        });
        Ok(pieces.boxed())
    }
}

impl ObjectStore for AzureStore {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(self.list_after(prefix, after))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(body::whole(self.read(name, (0_u64..).into()), move || {
            self.request("get", name)
        }))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        let read = move |range: Range<u64>| self.read(name, range.into());
        Box::pin(body::part(range, read, move || self.request("get", name)))
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move { self.read(name, (from..).into()).await })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            let blob = self.client.blob_client(name);
            let answer = async {
                let answer = blob.get_properties(None).await?;
                Ok(Head {
                    object: ObjectInfo {
                        name: name.to_owned(),
                        size: answer.content_length()?.unwrap_or_default(),
                        modified: answer.last_modified()?.and_then(to_utc),
                    },
                    version: answer.version_id()?,
                    retain_until: answer.immutability_policy_expires_on()?.and_then(to_utc),
                    legal_hold: answer.legal_hold()?,
                })
            };
            self.within("head", name, answer).await
        })
    }

    fn location(&self) -> String {
        format!("azure://{}", self.container)
    }
}

fn object(item: azure_storage_blob::models::BlobItem) -> Option<ObjectInfo> {
    let properties = item.properties.unwrap_or_default();
    Some(ObjectInfo {
        name: item.name?,
        size: properties.content_length.unwrap_or_default(),
        modified: properties.last_modified.and_then(to_utc),
    })
}

fn to_utc(time: azure_core::time::OffsetDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())
}

/// The identity of the surroundings. The token services have public addresses, or the node's own.
fn ambient() -> azure_core::Result<Arc<dyn TokenCredential>> {
    if std::env::var_os("AZURE_FEDERATED_TOKEN_FILE").is_some() {
        return Ok(azure_identity::WorkloadIdentityCredential::new(None)?);
    }
    Ok(azure_identity::ManagedIdentityCredential::new(None)?)
}

#[cfg(test)]
mod tests;

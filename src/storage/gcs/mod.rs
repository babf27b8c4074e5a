//! Google Cloud Storage, by its JSON API.
//!
//! The official storage crate lists over gRPC only, takes no private authority and can hang; its identity crate is used.
//! Format: Cloud Storage JSON API v1, `objects.list` and `objects.get`. Sizes and generations are texts there. A 404
//! does not tell a missing object from a missing bucket, so the bucket is asked for until it was seen once.

mod answer;
mod classify;
mod identity;

pub use identity::GcsCredentials;

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use ::http::{HeaderValue, header};
use answer::{Listing, Object};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use identity::Identity;
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    Body, Head, ObjectStore, Page, StorageError, StorageErrorKind, body,
    http::{self as network, ATTEMPT},
    trust::Trust,
};

/// Names of one answer.
const PAGE: &str = "1000";
/// Largest part of a refusal that is read.
const LARGEST_REFUSAL: u64 = 64 << 10;
/// Largest answer with names: a thousand of the longest names and more.
const LARGEST_ANSWER: u64 = 16 << 20;

/// All that is needed to reach a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcsSettings {
    /// The bucket.
    pub bucket: String,
    /// Host to connect to, without scheme.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// Project that is charged, for buckets whose owner lets the reader pay.
    pub user_project: Option<String>,
    /// Whom to trust.
    pub trust: Trust,
    /// How to authorise.
    pub credentials: GcsCredentials,
}

/// A bucket.
pub struct GcsStore {
    client: Client,
    base: Url,
    bucket: String,
    user_project: Option<String>,
    identity: Identity,
    /// The bucket answered once, so it exists.
    seen: AtomicBool,
}

impl GcsStore {
    /// Makes a client; no request is sent. Fails when the key file or the authority cannot be used.
    pub fn new(settings: &GcsSettings) -> Result<Self, StorageError> {
        let misconfigured = |detail: String| {
            let request = format!("connect to gs://{}", settings.bucket);
            StorageError::new(StorageErrorKind::Misconfigured, request, detail)
        };
        let client = network::client(&settings.trust).map_err(misconfigured)?;
        let base = Url::parse(&format!("https://{}:{}/", settings.host, settings.port))
            .map_err(|error| misconfigured(error.to_string()))?;
        Ok(Self {
            client,
            base,
            bucket: settings.bucket.clone(),
            user_project: settings.user_project.clone(),
            identity: Identity::new(&settings.credentials).map_err(misconfigured)?,
            seen: AtomicBool::new(false),
        })
    }

    fn request(&self, verb: &str, name: &str) -> String {
        format!("{verb} gs://{}/{name}", self.bucket)
    }

    /// The address of the bucket's objects, or of one.
    fn url(&self, name: Option<&str>, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["storage", "v1", "b", &self.bucket, "o"])
                .extend(name);
        }
        let project = self
            .user_project
            .as_deref()
            .map(|project| ("userProject", project));
        if !query.is_empty() || project.is_some() {
            url.query_pairs_mut().extend_pairs(query).extend_pairs(project);
        }
        url
    }

    /// One try of a request, until its answer begins. A refusal is an error.
    async fn send(
        &self,
        verb: &str,
        name: &str,
        url: Url,
        range: Option<String>,
    ) -> Result<Response, StorageError> {
        let request = self.request(verb, name);
        let mut headers = self.identity.headers(&request).await?;
        if let Some(range) = range {
            let value = HeaderValue::try_from(range).map_err(|error| {
                StorageError::new(StorageErrorKind::Unexpected, request.as_str(), error.to_string())
            })?;
            headers.insert(header::RANGE, value);
        }
        let sent = timeout(ATTEMPT, self.client.get(url).headers(headers).send()).await;
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failed(request, &error)),
            Err(_) => {
                return Err(StorageError::new(
                    StorageErrorKind::Unreachable,
                    request,
                    "no answer in time",
                ));
            }
        };
        if answer.status().is_success() {
            self.seen.store(true, Ordering::Relaxed);
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let wait = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let text = body::collect(pieces(answer, request.clone()), LARGEST_REFUSAL, || {
            request.clone()
        })
        .await
        .unwrap_or_default();
        let (kind, detail) = classify::classify(status, &text, verb != "list");
        Err(StorageError {
            retry_after: network::retry_after(wait.as_deref()),
            ..StorageError::new(kind, request, detail)
        })
    }

    /// The same for one object, where a 404 is told apart from a missing bucket.
    async fn object(
        &self,
        verb: &str,
        name: &str,
        query: &[(&str, &str)],
        range: Option<String>,
    ) -> Result<Response, StorageError> {
        match self.send(verb, name, self.url(Some(name), query), range).await {
            Err(error) if error.is_not_found() && !self.seen.load(Ordering::Relaxed) => {
                let any = self.url(None, &[("maxResults", "1"), ("fields", "nextPageToken")]);
                match self.send("list", "", any, None).await {
                    Err(other) if other.kind == StorageErrorKind::BucketMissing => Err(StorageError {
                        kind: StorageErrorKind::BucketMissing,
                        ..error
                    }),
                    // Who may read objects need not be allowed to list them.
                    _ => Err(error),
                }
            }
            answer => answer,
        }
    }

    async fn json<T: for<'d> Deserialize<'d>>(
        &self,
        verb: &str,
        name: &str,
        answer: Response,
    ) -> Result<T, StorageError> {
        let request = || self.request(verb, name);
        let text = body::collect(pieces(answer, request()), LARGEST_ANSWER, request).await?;
        serde_json::from_slice(&text).map_err(|_| {
            let detail = "an answer that is not Cloud Storage's";
            StorageError::new(StorageErrorKind::Unexpected, request(), detail)
        })
    }

    async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Page, StorageError> {
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![
                ("prefix", prefix),
                ("fields", "nextPageToken,items(name,size,updated)"),
                // What the service gives anyway; others may give all names at once.
                ("maxResults", PAGE),
            ];
            query.extend(after.map(|after| ("startOffset", after)));
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let answer = self.send("list", prefix, self.url(None, &query), None).await?;
            let listing: Listing = self.json("list", prefix, answer).await?;
            let objects: Vec<_> = listing
                .items
                .into_iter()
                .map(Object::info)
                // The offset itself is part of the answer.
                .filter(|object| after.is_none_or(|after| object.name.as_str() > after))
                .collect();
            token = listing.next_page_token.filter(|token| !token.is_empty());
            if token.is_none() || !objects.is_empty() {
                let next = objects
                    .last()
                    .filter(|_| token.is_some())
                    .map(|last| last.name.clone());
                return Ok(Page { objects, next });
            }
        }
    }

    async fn read(&self, name: &str, range: Option<String>) -> Result<Body<'static>, StorageError> {
        match self.object("get", name, &[("alt", "media")], range).await {
            Ok(answer) => Ok(pieces(answer, self.request("get", name))),
            // Nothing is behind the end, as with every store.
            Err(error) if classify::is_behind_the_end(&error) => Ok(stream::empty().boxed()),
            Err(error) => Err(error),
        }
    }
}

impl ObjectStore for GcsStore {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(self.list_after(prefix, after))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(body::whole(self.read(name, None), move || {
            self.request("get", name)
        }))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        let read = move |range: Range<u64>| {
            let header = format!("bytes={}-{}", range.start, range.end - 1);
            self.read(name, Some(header))
        };
        Box::pin(body::part(range, read, move || self.request("get", name)))
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let range = (from > 0).then(|| format!("bytes={from}-"));
            self.read(name, range).await
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            let fields =
                "name,size,updated,generation,retention,retentionExpirationTime,temporaryHold,eventBasedHold";
            let answer = self.object("head", name, &[("fields", fields)], None).await?;
            let object: Object = self.json("head", name, answer).await?;
            Ok(object.head())
        })
    }

    fn location(&self) -> String {
        format!("gs://{}", self.bucket)
    }
}

fn pieces(answer: Response, request: String) -> Body<'static> {
    answer
        .bytes_stream()
        .map_err(move |error| failed(request.clone(), &error))
        .boxed()
}

fn failed(request: String, error: &reqwest::Error) -> StorageError {
    let (kind, detail) = network::network(error);
    StorageError::new(kind, request, detail)
}

#[cfg(test)]
mod tests;

//! A repository on a volume, by the agent on its repository host: for the controller, which cannot mount the claim.
//!
//! The agent shows the bytes as they are on the volume; who reads an encrypted repository decrypts it himself. Both
//! sides prove who they are with certificates of the cluster's own authority.

pub mod format;

use std::ops::Range;

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use reqwest::{Client, Response, Url};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use self::format::{Entry, ListQuery, Listing, NameQuery, Refusal};
use super::{
    Body, Head, ObjectStore, Page, StorageError, StorageErrorKind, body,
    http::{self as network, ATTEMPT},
    trust::Trust,
};
use crate::domain::secret::Secret;

/// Port of the agent on the repository host; pgBackRest's own server has the one before.
pub const PORT: u16 = 8433;
/// Largest part of a refusal that is read.
const LARGEST_REFUSAL: u64 = 64 << 10;
/// Largest answer with names.
const LARGEST_ANSWER: u64 = 16 << 20;

/// All that is needed to reach a repository on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoHostSettings {
    /// DNS name of the repository host's pod, as its certificate has it.
    pub host: String,
    /// Port of the agent.
    pub port: u16,
    /// `repo1` to `repo4`.
    pub repository: String,
    /// The claim that holds it, for people.
    pub claim: String,
    /// The cluster's authority, as PEM.
    pub authority: Vec<u8>,
    /// A client's certificate and its key, as PEM, one after the other.
    pub identity: Secret,
}

/// The volume of one repository.
pub struct RepoHostStore {
    client: Client,
    base: Url,
    claim: String,
}

impl RepoHostStore {
    /// Makes a client; no request is sent. Fails when a certificate cannot be used.
    pub fn new(settings: &RepoHostSettings) -> Result<Self, StorageError> {
        let misconfigured = |detail: String| {
            let request = format!("connect to pvc://{}", settings.claim);
            StorageError::new(StorageErrorKind::Misconfigured, request, detail)
        };
        let trust = Trust::Authority(settings.authority.clone());
        let client = network::client_with(&trust, Some(&settings.identity)).map_err(misconfigured)?;
        let base = format!(
            "https://{}:{}/v1/{}/",
            settings.host, settings.port, settings.repository
        );
        Ok(Self {
            client,
            base: Url::parse(&base).map_err(|error| misconfigured(error.to_string()))?,
            claim: settings.claim.clone(),
        })
    }

    fn request(&self, verb: &str, name: &str) -> String {
        format!("{verb} pvc://{}/{name}", self.claim)
    }

    /// One try of a request, until its answer begins. A refusal is an error.
    async fn send(&self, verb: &str, name: &str, query: &impl Serialize) -> Result<Response, StorageError> {
        let request = self.request(verb, name);
        let error = |kind, detail: String| StorageError::new(kind, request.as_str(), detail);
        let path = if verb == "get" { "content" } else { verb };
        let url = self
            .base
            .join(path)
            .map_err(|wrong| error(StorageErrorKind::Misconfigured, wrong.to_string()))?;
        let answer = match timeout(ATTEMPT, self.client.get(url).query(query).send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failed)) => {
                let (kind, detail) = network::network(&failed);
                return Err(error(kind, detail));
            }
            Err(_) => {
                return Err(error(
                    StorageErrorKind::Unreachable,
                    "no answer in time".to_owned(),
                ));
            }
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let text = body::collect(pieces(answer, request.clone()), LARGEST_REFUSAL, || {
            request.clone()
        })
        .await
        .unwrap_or_default();
        let (kind, detail) = Refusal::read(status, &text);
        Err(error(kind, detail))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        verb: &str,
        name: &str,
        query: &impl Serialize,
    ) -> Result<T, StorageError> {
        let answer = self.send(verb, name, query).await?;
        let request = || self.request(verb, name);
        let text = body::collect(pieces(answer, request()), LARGEST_ANSWER, request).await?;
        serde_json::from_slice(&text).map_err(|_| {
            let detail = "an answer that is not a repository host's";
            StorageError::new(StorageErrorKind::Unexpected, request(), detail)
        })
    }

    async fn read(&self, name: &str, from: u64, to: Option<u64>) -> Result<Body<'static>, StorageError> {
        let query = NameQuery {
            name: name.to_owned(),
            from,
            to,
        };
        let answer = self.send("get", name, &query).await?;
        Ok(pieces(answer, self.request("get", name)))
    }
}

impl ObjectStore for RepoHostStore {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
            let query = ListQuery {
                prefix: prefix.to_owned(),
                after: after.map(str::to_owned),
            };
            let listing: Listing = self.json("list", prefix, &query).await?;
            Ok(listing.into())
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(body::whole(self.read(name, 0, None), move || {
            self.request("get", name)
        }))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        let read = move |range: Range<u64>| self.read(name, range.start, Some(range.end));
        Box::pin(body::part(range, read, move || self.request("get", name)))
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move { self.read(name, from, None).await })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            let query = NameQuery {
                name: name.to_owned(),
                ..NameQuery::default()
            };
            let entry: Entry = self.json("head", name, &query).await?;
            Ok(Head::from(super::ObjectInfo::from(entry)))
        })
    }

    fn location(&self) -> String {
        format!("pvc://{}", self.claim)
    }
}

fn pieces(answer: Response, request: String) -> Body<'static> {
    answer
        .bytes_stream()
        .map_err(move |error| {
            let (kind, detail) = network::network(&error);
            StorageError::new(kind, request.clone(), detail)
        })
        .boxed()
}

//! Read-only access to the object stores that hold repositories.
//!
//! What is read here is the truth about backups, and what a store answers to these signed requests is better
//! evidence than any exit code. Names are full object names without a leading slash. Every call ends in bounded
//! time. Nothing here writes: pgBackRest does, under the Lease of the repository.
//!
//! A backend asks once. [`careful`] puts [`bounded`] and [`retry`] around it, and is what readers of repositories use.

pub mod azure;
mod body;
pub mod bounded;
pub mod error;
pub mod faults;
pub mod gcs;
mod http;
pub mod posix;
pub mod repo_host;
pub mod retry;
pub mod s3;
pub mod trust;

pub use axum::body::Bytes;
pub use body::Body;
pub use error::{StorageError, StorageErrorKind};

use std::{ops::Range, sync::Arc};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, future::BoxFuture, stream};

/// Largest object that is read whole. `backup.info` of thousands of backups is a few MiB.
pub const LARGEST_READ: u64 = 64 << 20;

/// What is read at once where an object is read in parts.
const PART: u64 = 4 << 20;

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The full name.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// When the store last wrote it, where the store tells.
    pub modified: Option<DateTime<Utc>>,
}

/// An object with what protects it from being changed or removed. What a store does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Name, size and time.
    pub object: ObjectInfo,
    /// The store's own name of this version of the object, where the bucket keeps versions.
    pub version: Option<String>,
    /// Until when the store refuses to remove this version.
    pub retain_until: Option<DateTime<Utc>>,
    /// A hold without an end, which somebody has to take away.
    pub legal_hold: Option<bool>,
}

impl From<ObjectInfo> for Head {
    fn from(object: ObjectInfo) -> Self {
        Self {
            object,
            version: None,
            retain_until: None,
            legal_hold: None,
        }
    }
}

/// A part of a listing, in the order of names: the order of their bytes, `-` before `/` before `0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects.
    pub objects: Vec<ObjectInfo>,
    /// Pass it as `after` for the part that follows; `None` at the end.
    pub next: Option<String>,
}

/// A store. A trait object, since the four kinds share no more than this.
pub trait ObjectStore: Send + Sync {
    /// Lists objects whose names begin with `prefix` and sort behind `after`, which need not exist.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>>;

    /// Reads an object whole; refuses one larger than [`LARGEST_READ`].
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>>;

    /// Reads some bytes of an object; fewer where it ends before.
    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>>;

    /// Reads an object from a byte on, as it arrives: for content that need not fit the memory. The stream ends with
    /// the object, or with its first error. Here: part by part, for stores that have no better way.
    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let size = self.head(name).await?.object.size;
            let parts = stream::unfold(from, move |from| async move {
                if from >= size {
                    return None;
                }
                let part = self.get_range(name, from..size.min(from + PART)).await;
                let next = match &part {
                    Ok(bytes) if !bytes.is_empty() => from + bytes.len() as u64,
                    _ => size,
                };
                Some((part.map(Bytes::from), next))
            });
            Ok(parts.boxed())
        })
    }

    /// What is known of one object, without its content.
    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>>;

    /// Where it is, for people: `s3://bucket`. No credential.
    fn location(&self) -> String;
}

/// A shared store is a store: wrappers go around either.
impl<S: ObjectStore + ?Sized> ObjectStore for Arc<S> {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        (**self).list(prefix, after)
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        (**self).get(name)
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        (**self).get_range(name, range)
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        (**self).open(name, from)
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        (**self).head(name)
    }

    fn location(&self) -> String {
        (**self).location()
    }
}

/// The store as readers use it: a bounded number of requests at once, and again what a moment may heal.
pub fn careful(store: impl ObjectStore + 'static) -> Arc<dyn ObjectStore> {
    Arc::new(retry::Retrying::new(bounded::Bounded::new(store)))
}

/// Lists all parts. For prefixes that are known to be small.
pub async fn list_all(store: &dyn ObjectStore, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
    let mut objects = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list(prefix, after.as_deref()).await?;
        objects.extend(page.objects);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(objects),
        }
    }
}

//! Read-only access to the object stores that hold repositories.
//!
//! What is read here is the truth about backups, and what a store answers to these signed requests is better
//! evidence than any exit code. Names are full object names without a leading slash. Every call ends in bounded
//! time. Nothing here writes: pgBackRest does, under the Lease of the repository.

pub mod error;
pub mod s3;

pub use error::{StorageError, StorageErrorKind};

use std::ops::Range;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// Largest object that is read whole. `backup.info` of thousands of backups is a few MiB.
pub const LARGEST_READ: u64 = 64 << 20;

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

/// A part of a listing, in the order of names.
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

    /// What is known of one object, without its content.
    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ObjectInfo, StorageError>>;

    /// Where it is, for people: `s3://bucket`. No credential.
    fn location(&self) -> String;
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

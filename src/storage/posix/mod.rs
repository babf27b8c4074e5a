//! A directory: a volume repository as the pod sees it that mounts it, or one that a person names.
//!
//! Names are the paths below the directory, in the order that object stores have: that of the bytes of whole names, so
//! `a-b` comes before `a/b`. Listings have regular files only: pgBackRest's link `latest` would show a backup twice.
//! Reading resolves links, and refuses what lies outside of the directory. A file system can hang, so every call has its
//! time, and the thread that hangs is left behind.

mod walk;

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, future::BoxFuture, stream};
use tokio::{task::spawn_blocking, time::timeout};

use super::{Body, Bytes, Head, LARGEST_READ, ObjectInfo, ObjectStore, Page, StorageError, StorageErrorKind};

/// Objects of one part of a listing.
const PAGE: usize = 1000;
/// What is read at once of a file.
const PIECE: usize = 256 << 10;
/// One call, and each piece of a file.
const CALL: Duration = Duration::from_secs(20);

/// A directory.
#[derive(Debug, Clone)]
pub struct PosixStore {
    root: Arc<Path>,
}

impl PosixStore {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: Arc::from(root.into()),
        }
    }

    /// The same as [`ObjectStore::open`], for a body that outlives the caller's store.
    pub async fn read(self, name: String, from: u64) -> Result<Body<'static>, StorageError> {
        let wanted = name.clone();
        let file = self
            .work("get", &name, move |root| {
                let (mut file, _) = open(root, &wanted)?;
                file.seek(SeekFrom::Start(from))?;
                Ok(file)
            })
            .await?;
        let pieces = stream::try_unfold((self, name, file), |(store, name, mut file)| async move {
            let piece = store
                .work("get", &name, move |_| {
                    let mut piece = Vec::with_capacity(PIECE);
                    let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
                    Ok((read > 0).then(|| (Bytes::from(piece), file)))
                })
                .await?;
            Ok(piece.map(|(piece, file)| (piece, (store, name, file))))
        });
        Ok(pieces.boxed())
    }

    fn request(&self, verb: &str, name: &str) -> String {
        format!("{verb} {}/{name}", self.root.display())
    }

    fn error(&self, verb: &str, name: &str, error: &io::Error) -> StorageError {
        let kind = match error.kind() {
            // The mount is away: nothing can be said of what should be in it.
            ErrorKind::NotFound | ErrorKind::NotADirectory if !self.root.is_dir() => {
                StorageErrorKind::BucketMissing
            }
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                StorageErrorKind::NotFound
            }
            ErrorKind::PermissionDenied => StorageErrorKind::PermissionMissing,
            ErrorKind::FileTooLarge => StorageErrorKind::TooLarge,
            ErrorKind::InvalidFilename | ErrorKind::InvalidInput => StorageErrorKind::NotFound,
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                StorageErrorKind::Unreachable
            }
            _ => StorageErrorKind::Unavailable,
        };
        StorageError::new(kind, self.request(verb, name), error.to_string())
    }

    /// Does file system work on a thread that may block, in bounded time.
    async fn work<T: Send + 'static>(
        &self,
        verb: &str,
        name: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let root = Arc::clone(&self.root);
        match timeout(CALL, spawn_blocking(move || work(&root))).await {
            Ok(Ok(done)) => done.map_err(|error| self.error(verb, name, &error)),
            Ok(Err(_)) => Err(StorageError::new(
                StorageErrorKind::Unexpected,
                self.request(verb, name),
                "the work was given up",
            )),
            Err(_) => Err(StorageError::new(
                StorageErrorKind::Unreachable,
                self.request(verb, name),
                "the file system does not answer in time",
            )),
        }
    }
}

impl ObjectStore for PosixStore {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
            let (from, behind) = (prefix.to_owned(), after.map(str::to_owned));
            self.work("list", prefix, move |root| {
                walk::page(root, &from, behind.as_deref(), PAGE)
            })
            .await
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            let wanted = name.to_owned();
            self.work("get", name, move |root| {
                let mut content = Vec::new();
                let limit = LARGEST_READ;
                let (file, _) = open(root, &wanted)?;
                file.take(limit + 1).read_to_end(&mut content)?;
                if content.len() as u64 > limit {
                    return Err(io::Error::new(
                        ErrorKind::FileTooLarge,
                        format!("more than {limit} bytes"),
                    ));
                }
                Ok(content)
            })
            .await
        })
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
            let wanted = name.to_owned();
            self.work("get", name, move |root| {
                let (mut file, _) = open(root, &wanted)?;
                file.seek(SeekFrom::Start(range.start))?;
                let mut content = Vec::new();
                let length = (range.end - range.start).min(LARGEST_READ);
                file.take(length).read_to_end(&mut content)?;
                Ok(content)
            })
            .await
        })
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let body: Body<'a> = self.clone().read(name.to_owned(), from).await?;
            Ok(body)
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            let wanted = name.to_owned();
            self.work("head", name, move |root| {
                let (_, metadata) = open(root, &wanted)?;
                Ok(Head::from(ObjectInfo {
                    name: wanted,
                    size: metadata.len(),
                    modified: metadata.modified().ok().map(DateTime::<Utc>::from),
                }))
            })
            .await
        })
    }

    fn location(&self) -> String {
        self.root.display().to_string()
    }
}

/// Opens a regular file that lies below the root once all links are resolved.
fn open(root: &Path, name: &str) -> io::Result<(File, std::fs::Metadata)> {
    let absent = || io::Error::new(ErrorKind::NotFound, "no file of that name in the directory");
    let path = root.join(name.trim_start_matches('/')).canonicalize()?;
    let metadata = path.metadata()?;
    // Opening a pipe would wait for who writes into it.
    if !path.starts_with(root.canonicalize()?) || !metadata.is_file() {
        return Err(absent());
    }
    Ok((File::open(path)?, metadata))
}

#[cfg(test)]
mod tests;

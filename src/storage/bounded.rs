//! At most so many requests of one store at once.
//!
//! A body that is being read counts until it is dropped. So nobody may hold bodies unread while waiting for another
//! request of the same store.

use std::{ops::Range, sync::Arc};

use futures::{StreamExt as _, future::BoxFuture};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Body, Head, ObjectStore, Page, StorageError};

/// Requests of one store at once. More gains little against one bucket, and costs connections on both sides.
pub const AT_ONCE: usize = 16;

/// A store with a bound.
pub struct Bounded<S> {
    inner: S,
    permits: Arc<Semaphore>,
}

impl<S: ObjectStore> Bounded<S> {
    /// With the usual bound.
    pub fn new(inner: S) -> Self {
        Self::with(inner, AT_ONCE)
    }

    /// With a bound of the caller's.
    pub fn with(inner: S, at_once: usize) -> Self {
        Self {
            inner,
            permits: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// The semaphore is never closed, so there is always one in the end.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }
}

impl<S: ObjectStore> ObjectStore for Bounded<S> {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
            let _permit = self.permit().await;
            self.inner.list(prefix, after).await
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            let _permit = self.permit().await;
            self.inner.get(name).await
        })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            let _permit = self.permit().await;
            self.inner.get_range(name, range).await
        })
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let permit = self.permit().await;
            let body = self.inner.open(name, from).await?;
            Ok(body
                .map(move |piece| {
                    let _held = &permit;
                    piece
                })
                .boxed())
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            let _permit = self.permit().await;
            self.inner.head(name).await
        })
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

//! Asks again where a moment may heal it: reads only, a few times, in bounded time.
//!
//! What the store decided (not there, not allowed, not trusted) is told at once. `Retry-After` is honoured when it
//! fits the time of the call; when it does not, the refusal is the answer. A body that breaks off goes on from the byte
//! it had come to.

use std::{ops::Range, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream};
use rand::RngExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::{Body, Head, ObjectStore, Page, StorageError, StorageErrorKind};

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries of one call, and of a body without a new byte.
    pub tries: u32,
    /// Before the second try, where the store names no time; doubled for each further one.
    pub pause: Duration,
    /// No try begins later than this after the first.
    pub budget: Duration,
    /// A body without a byte for so long has broken off.
    pub stall: Duration,
}

impl Default for RetryPolicy {
    /// One try of a backend ends in 12 s, so a call does in 24: a fault is told within half a minute.
    fn default() -> Self {
        Self {
            tries: 3,
            pause: Duration::from_millis(200),
            budget: Duration::from_secs(12),
            stall: Duration::from_secs(20),
        }
    }
}

/// A store that is asked again.
pub struct Retrying<S> {
    inner: S,
    policy: RetryPolicy,
}

impl<S: ObjectStore> Retrying<S> {
    /// With the usual policy.
    pub fn new(inner: S) -> Self {
        Self::with(inner, RetryPolicy::default())
    }

    /// With a policy of the caller's.
    pub fn with(inner: S, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    async fn call<'a, T>(
        &'a self,
        request: impl Fn() -> BoxFuture<'a, Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let mut course = Course::new(self.policy);
        loop {
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match course.pause(&error) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// A body from a byte on, opened with all tries.
    async fn body<'a>(&'a self, name: &'a str, from: u64) -> Result<Body<'a>, StorageError> {
        self.call(|| self.inner.open(name, from)).await
    }
}

/// The tries of one call so far.
struct Course {
    policy: RetryPolicy,
    begun: Instant,
    failed: u32,
}

impl Course {
    fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            begun: Instant::now(),
            failed: 0,
        }
    }

    /// How long to wait before the next try; `None`: this error is the answer.
    fn pause(&mut self, error: &StorageError) -> Option<Duration> {
        self.failed += 1;
        if !error.may_pass() || self.failed >= self.policy.tries {
            return None;
        }
        let ours = self.policy.pause.saturating_mul(1 << (self.failed - 1).min(10));
        // Those who were refused together shall not come back together.
        let ours = ours.mul_f64(rand::rng().random_range(0.5..1.0));
        let pause = error.retry_after.unwrap_or_default().max(ours);
        (self.begun.elapsed() + pause < self.policy.budget).then_some(pause)
    }
}

impl<S: ObjectStore> ObjectStore for Retrying<S> {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(self.call(move || self.inner.list(prefix, after)))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(self.call(move || self.inner.get(name)))
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(self.call(move || self.inner.get_range(name, range.clone())))
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let reading = Reading {
                store: self,
                name,
                body: Some(self.body(name, from).await?),
                at: from,
                course: Course::new(self.policy),
            };
            Ok(stream::unfold(Some(reading), |reading| async move {
                let mut reading = reading?;
                let piece = reading.next().await?;
                // After an error there is nothing more.
                let rest = piece.is_ok().then_some(reading);
                Some((piece, rest))
            })
            .boxed())
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(self.call(move || self.inner.head(name)))
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

/// A body that goes on where it broke off.
struct Reading<'a, S> {
    store: &'a Retrying<S>,
    name: &'a str,
    /// Nothing after it broke off.
    body: Option<Body<'a>>,
    /// The next byte of the object.
    at: u64,
    /// Tries since the last byte.
    course: Course,
}

impl<S: ObjectStore> Reading<'_, S> {
    async fn next(&mut self) -> Option<Result<super::Bytes, StorageError>> {
        loop {
            let error = match self.piece().await {
                Ok(None) => return None,
                Ok(Some(piece)) => {
                    self.at += piece.len() as u64;
                    self.course = Course::new(self.store.policy);
                    return Some(Ok(piece));
                }
                Err(error) => error,
            };
            self.body = None;
            match self.course.pause(&error) {
                Some(pause) => sleep(pause).await,
                None => return Some(Err(error)),
            }
        }
    }

    async fn piece(&mut self) -> Result<Option<super::Bytes>, StorageError> {
        let stall = self.store.policy.stall;
        let body = match &mut self.body {
            Some(body) => body,
            none => none.insert(self.store.inner.open(self.name, self.at).await?),
        };
        match timeout(stall, body.next()).await {
            Ok(piece) => piece.transpose(),
            Err(_) => Err(StorageError::new(
                StorageErrorKind::Unreachable,
                format!("get {}/{}", self.store.location(), self.name),
                format!("no byte in {stall:?}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests;

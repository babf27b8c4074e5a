//! A store with faults put into it, for tests of what reads from stores. Nothing in the product makes one.
//!
//! Each call takes the next fault of a script, if one is due, and meets it in place of the store or in its answer.
//! What a network does below HTTP is not played here: the stores' own tests do that.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream};

use super::{Body, Bytes, Head, ObjectStore, Page, StorageError, StorageErrorKind};

/// One fault. One that does not fit a call does nothing to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No answer in time.
    TimeOut,
    /// 429, with what `Retry-After` says.
    TooManyRequests(Option<Duration>),
    /// 503.
    Unavailable,
    /// The credentials have run out.
    CredentialsExpired,
    /// A listing has so many names only, and says that there are more.
    ShortPage(usize),
    /// A body breaks off after so many bytes.
    BrokenBody(usize),
    /// A body stops after so many bytes, and neither goes on nor ends.
    SlowBody(usize),
}

/// When faults are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// At every call until the script is at its end.
    Once,
    /// At every other call, over and over.
    EveryOther,
}

/// A store with faults.
pub struct Faulty<S> {
    inner: S,
    due: Due,
    script: Mutex<VecDeque<Fault>>,
    calls: AtomicU64,
}

impl<S: ObjectStore> Faulty<S> {
    /// The first calls meet one fault each.
    pub fn first(inner: S, script: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            inner,
            due: Due::Once,
            script: Mutex::new(script.into_iter().collect()),
            calls: AtomicU64::new(0),
        }
    }

    /// Every other call meets a fault, beginning with the first call.
    pub fn every_other(inner: S, script: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            due: Due::EveryOther,
            ..Self::first(inner, script)
        }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn next(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        match self.due {
            Due::EveryOther if call % 2 == 1 => None,
            Due::EveryOther => {
                let fault = script.pop_front()?;
                script.push_back(fault);
                Some(fault)
            }
            Due::Once => script.pop_front(),
        }
    }

    /// The next fault, where it does not fail the call as a whole.
    fn meet(&self, request: &str) -> Result<Option<Fault>, StorageError> {
        let fault = self.next();
        let (kind, detail, retry_after) = match fault {
            Some(Fault::TimeOut) => (StorageErrorKind::Unreachable, "no answer in time", None),
            Some(Fault::TooManyRequests(wait)) => (StorageErrorKind::Throttled, "HTTP 429", wait),
            Some(Fault::Unavailable) => (StorageErrorKind::Unavailable, "HTTP 503", None),
            Some(Fault::CredentialsExpired) => (
                StorageErrorKind::CredentialsRefused,
                "HTTP 403 ExpiredToken",
                None,
            ),
            Some(Fault::ShortPage(_) | Fault::BrokenBody(_) | Fault::SlowBody(_)) | None => return Ok(fault),
        };
        Err(StorageError {
            retry_after,
            ..StorageError::new(kind, request, detail)
        })
    }
}

impl<S: ObjectStore> ObjectStore for Faulty<S> {
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StorageError>> {
        Box::pin(async move {
            let fault = self.meet("list")?;
            let mut page = self.inner.list(prefix, after).await?;
            if let Some(Fault::ShortPage(length)) = fault
                && page.objects.len() > length
            {
                page.objects.truncate(length);
                page.next = page.objects.last().map(|last| last.name.clone());
            }
            Ok(page)
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            self.meet("get")?;
            self.inner.get(name).await
        })
    }

    fn get_range<'a>(
        &'a self,
        name: &'a str,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Vec<u8>, StorageError>> {
        Box::pin(async move {
            self.meet("get")?;
            self.inner.get_range(name, range).await
        })
    }

    fn open<'a>(&'a self, name: &'a str, from: u64) -> BoxFuture<'a, Result<Body<'a>, StorageError>> {
        Box::pin(async move {
            let fault = self.meet("get")?;
            let body = self.inner.open(name, from).await?;
            Ok(match fault {
                Some(Fault::BrokenBody(after)) => cut(body, after)
                    .chain(stream::once(async {
                        let detail = "the connection broke off";
                        Err(StorageError::new(StorageErrorKind::Unreachable, "get", detail))
                    }))
                    .boxed(),
                Some(Fault::SlowBody(after)) => cut(body, after).chain(stream::pending()).boxed(),
                _ => body,
            })
        })
    }

    fn head<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Head, StorageError>> {
        Box::pin(async move {
            self.meet("head")?;
            self.inner.head(name).await
        })
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

/// The first bytes of a body.
fn cut(body: Body<'_>, length: usize) -> Body<'_> {
    body.scan(length, |left, piece| {
        let piece = match piece {
            Ok(_) if *left == 0 => None,
            Ok(mut piece) => {
                let piece: Bytes = piece.split_to(piece.len().min(*left));
                *left -= piece.len();
                Some(Ok(piece))
            }
            error => Some(error),
        };
        std::future::ready(piece)
    })
    .boxed()
}

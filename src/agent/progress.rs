//! Publishes progress of a Job on our own Pod: at most once a second, only what has changed, and never at the cost of the work.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::environment;
use super::report::PROGRESS_ANNOTATION;

/// Shortest time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);
/// An API server that does not answer is given up on for this report after this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end is told within this, or not at all: Kubernetes tells it too, a little later.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How far something is.
pub trait Progress: Clone + Default + Serialize + Send + Sync + 'static {
    /// Whether it is no news after `before`.
    fn is_as(&self, before: &Self) -> bool;

    /// Nothing will follow.
    fn is_last(&self) -> bool;
}

/// Takes progress and writes it in the background until it is dropped.
#[derive(Debug)]
pub struct Publisher<P> {
    latest: Sender<Option<P>>,
    writer: Option<JoinHandle<()>>,
}

impl<P: Progress> Publisher<P> {
    /// Without a service account or a Pod's name, progress goes nowhere and the work goes on.
    pub async fn begin(read: impl Fn(&str) -> Option<String>) -> Self {
        let (latest, receiver) = channel(None);
        let pod = environment::optional(&read, "POD_NAME");
        let namespace = environment::optional(&read, "HOLDFAST_NAMESPACE");
        let writer = match (Client::try_default().await, pod, namespace) {
            (Ok(client), Some(pod), Some(namespace)) => {
                let api = Api::namespaced(client, &namespace);
                Some(tokio::spawn(publish(api, pod, receiver)))
            }
            (Err(error), _, _) => {
                tracing::warn!(%error, "progress is not published");
                None
            }
            _ => {
                tracing::warn!("progress is not published: the Pod's name is not known");
                None
            }
        };
        Self { latest, writer }
    }

    /// Tells the last of it, and waits for that to be written.
    pub async fn end(self, last: impl FnOnce(&mut P)) {
        self.latest
            .send_modify(|latest| last(latest.get_or_insert_default()));
        drop(self.latest);
        if let Some(writer) = self.writer
            && tokio::time::timeout(LAST_WORD, writer).await.is_err()
        {
            tracing::warn!("the end is not published");
        }
    }

    /// Another hand to tell with.
    #[must_use]
    pub fn handle(&self) -> Handle<P> {
        Handle(self.latest.clone())
    }

    /// Nothing is written for equal progress.
    pub fn tell(&self, progress: P) {
        self.handle().tell(progress);
    }
}

/// Tells progress to a [`Publisher`], which ends whenever it is told to.
#[derive(Debug, Clone)]
pub struct Handle<P>(Sender<Option<P>>);

impl<P: Progress> Handle<P> {
    /// Nothing is written for equal progress.
    pub fn tell(&self, progress: P) {
        self.0.send_if_modified(|latest| {
            let same = latest.as_ref().is_some_and(|before| progress.is_as(before));
            if !same {
                *latest = Some(progress);
            }
            !same
        });
    }
}

async fn publish<P: Progress>(api: Api<Pod>, pod: String, mut latest: Receiver<Option<P>>) {
    let parameters = PatchParams {
        field_manager: Some("holdfast-agent".into()),
        ..PatchParams::default()
    };
    while latest.changed().await.is_ok() {
        let progress = latest.borrow_and_update().clone();
        let Some(text) = progress.and_then(|progress| serde_json::to_string(&progress).ok()) else {
            continue;
        };
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { PROGRESS_ANNOTATION: text } } }));
        match tokio::time::timeout(PATIENCE, api.patch_metadata(&pod, &parameters, &patch)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot publish progress"),
            Err(_) => tracing::warn!("cannot publish progress: the API server does not answer"),
        }
        // A look of its own: what it sees is still news to the loop.
        let mut ahead = latest.clone();
        let ended = ahead.wait_for(|latest| latest.as_ref().is_some_and(Progress::is_last));
        let _ = tokio::time::timeout(INTERVAL, ended).await;
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::agent::report::BackupProgress;

    #[test]
    fn equal_progress_at_another_time_is_no_news() {
        let (latest, mut seen) = channel(None);
        let publisher = Publisher { latest, writer: None };
        let progress = |done, second| BackupProgress {
            bytes_done: done,
            at: DateTime::from_timestamp(second, 0),
            ..BackupProgress::default()
        };
        publisher.tell(progress(1, 1));
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        publisher.tell(progress(1, 2));
        assert!(!seen.has_changed().unwrap());
        publisher.tell(progress(2, 3));
        assert!(seen.has_changed().unwrap());
    }
}

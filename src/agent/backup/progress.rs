//! Publishes progress on our own Pod: at most once a second, only what has changed, and never at the backup's cost.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::agent::environment;
use crate::agent::report::{BackupProgress, PROGRESS_ANNOTATION, Readers};

/// Shortest time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);
/// An API server that does not answer is given up on for this report after this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end is told within this, or not at all: Kubernetes tells it too, a little later.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Takes progress and writes it in the background until it is dropped.
#[derive(Debug)]
pub struct Publisher {
    latest: Sender<Option<BackupProgress>>,
    writer: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Without a service account or a Pod's name, progress goes nowhere and the backup goes on.
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

    /// Tells that pgBackRest has ended, how, and whom its workers have read from.
    pub async fn end(self, exit: Option<i32>, readers: &Readers) {
        self.latest.send_modify(|latest| {
            let last = latest.get_or_insert_default();
            last.exit = exit;
            last.readers.clone_from(readers);
        });
        drop(self.latest);
        if let Some(writer) = self.writer
            && tokio::time::timeout(LAST_WORD, writer).await.is_err()
        {
            tracing::warn!("the end of pgBackRest is not published");
        }
    }

    /// Nothing is written for equal progress.
    pub fn tell(&self, progress: BackupProgress) {
        self.latest.send_if_modified(|latest| {
            let same = latest.as_ref().is_some_and(|before| {
                BackupProgress {
                    at: progress.at,
                    ..before.clone()
                } == progress
            });
            if !same {
                *latest = Some(progress);
            }
            !same
        });
    }
}

async fn publish(api: Api<Pod>, pod: String, mut latest: Receiver<Option<BackupProgress>>) {
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
        let ended = ahead.wait_for(|latest| latest.as_ref().is_some_and(|latest| latest.exit.is_some()));
        let _ = tokio::time::timeout(INTERVAL, ended).await;
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

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

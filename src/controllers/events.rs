//! Kubernetes Events: what a person reads first in `kubectl describe`.
//!
//! A failed Event never fails a reconcile; it is logged. The note holds at most 1 kB, by the API's rule.

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use super::leadership::Claim;
use crate::api::Reason;

/// Longest note that the API server accepts is 1024 bytes.
const NOTE_BYTES: usize = 1000;

/// Publishes Events under the name of the operator, while it leads.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    claim: Claim,
}

impl Events {
    /// `instance` is the name of this replica's Pod.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>, claim: Claim) -> Self {
        let reporter = Reporter {
            controller: "holdfast".to_owned(),
            instance,
        };
        Self {
            recorder: Recorder::new(client, reporter),
            claim,
        }
    }

    /// Tells something about an object.
    pub async fn publish<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: EventType,
        reason: Reason,
        message: &str,
    ) {
        if !self.claim.is_current() {
            return;
        }
        let event = Event {
            type_,
            reason: reason.as_str().to_owned(),
            note: Some(shortened(message)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(%error, reason = reason.as_str(), "an Event could not be published");
        }
    }
}

fn shortened(message: &str) -> String {
    let mut end = message.len().min(NOTE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_note_fits_and_is_never_cut_inside_a_character() {
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"ä".repeat(2000));
        assert!(long.len() <= 1000 && long.chars().all(|c| c == 'ä'));
    }
}

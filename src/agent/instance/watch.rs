//! Follows the Secret with the desired document. Only that one name: the service account may see no other Secret.

use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch::Sender;
use tokio_util::sync::CancellationToken;

use crate::agent::desired::{Desired, SECRET_KEY, secret_name};

/// What is known of the document.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The last one that could be read. It stays when the Secret is gone: absence is no order.
    pub desired: Option<Arc<Desired>>,
    /// The newest one cannot be read.
    pub unreadable: bool,
}

/// Follows it until `stop` is cancelled; an API server that is away is waited for.
pub async fn follow(
    client: Client,
    namespace: &str,
    cluster: &str,
    known: Sender<Known>,
    stop: CancellationToken,
) {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let selection = watcher::Config::default().fields(&format!("metadata.name={}", secret_name(cluster)));
    let mut events = pin!(watcher(api, selection).default_backoff());
    loop {
        match stop.run_until_cancelled(events.try_next()).await {
            None | Some(Ok(None)) => return,
            Some(Ok(Some(Event::Apply(secret) | Event::InitApply(secret)))) => learn(&known, &secret),
            Some(Ok(Some(_))) => {}
            Some(Err(error)) => tracing::warn!(%error, "cannot watch the desired document"),
        }
    }
}

fn learn(known: &Sender<Known>, secret: &Secret) {
    let document = secret.data.as_ref().and_then(|data| data.get(SECRET_KEY));
    // serde's message may quote values of the document, so only the place of the error is told.
    let read = document.map(|bytes| serde_json::from_slice::<Desired>(&bytes.0));
    known.send_modify(|known| match read {
        Some(Ok(desired)) => {
            tracing::info!(revision = desired.revision, "desired document read");
            *known = Known {
                desired: Some(Arc::new(desired)),
                unreadable: false,
            };
        }
        Some(Err(error)) => {
            tracing::error!(
                line = error.line(),
                column = error.column(),
                "desired document cannot be read"
            );
            known.unreadable = true;
        }
        None => known.unreadable = true,
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use tokio::sync::watch;

    use super::*;

    fn secret(text: &str) -> Secret {
        let data = BTreeMap::from([(SECRET_KEY.to_owned(), ByteString(text.as_bytes().to_vec()))]);
        Secret {
            data: Some(data),
            ..Secret::default()
        }
    }

    #[test]
    fn an_unreadable_document_keeps_the_last_good_one() {
        let (known, seen) = watch::channel(Known::default());
        learn(&known, &secret(r#"{"revision":"r1"}"#));
        learn(&known, &secret("{"));
        assert!(seen.borrow().unreadable);
        assert_eq!(seen.borrow().desired.as_ref().unwrap().revision, "r1");
        learn(&known, &secret(r#"{"revision":"r2"}"#));
        assert!(!seen.borrow().unreadable);
    }
}

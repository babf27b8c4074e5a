//! Waiting: by watching, with a deadline, never by sleeping and hoping.

use std::fmt::Debug;
use std::time::Duration;

use std::pin::pin;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::{Scenario, operator, seconds};

impl Scenario {
    /// Waits until an object is there and `holds`.
    pub async fn until<K>(&self, name: &str, what: &str, within: Duration, holds: impl Fn(&K) -> bool) -> K
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api = self.api::<K>();
        // A watch ends when the API server takes up another version of a definition: then it is begun anew.
        let met = async {
            loop {
                let fulfilled = |object: Option<&K>| object.is_some_and(&holds);
                match await_condition(api.clone(), name, fulfilled).await {
                    Ok(Some(object)) => return object,
                    Ok(None) => unreachable!("the condition asks for an object"),
                    Err(error) if error.to_string().contains("Expired") => {}
                    Err(error) => panic!("{} {name}: {error}", K::kind(&())),
                }
            }
        };
        if let Some(object) = operator::within(within, met).await {
            return object;
        }
        let last = self.status_of(K::kind(&()).as_ref(), name).await;
        panic!(
            "{} {name} was not {what} within {} s, but {last}",
            K::kind(&()),
            within.as_secs()
        )
    }

    /// What an object says of itself, for messages.
    async fn status_of(&self, kind: &str, name: &str) -> String {
        let question = [
            "-n",
            &self.namespace,
            "get",
            kind,
            name,
            "-o",
            "jsonpath={.status}",
        ];
        super::programs::run("kubectl", &question, "")
            .await
            .unwrap_or_else(|error| error)
    }

    /// Waits until an object is gone.
    pub async fn gone<K>(&self, name: &str, within: Duration)
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let gone = await_condition(self.api::<K>(), name, |object: Option<&K>| object.is_none());
        let ended = operator::within(within, gone).await;
        assert!(
            matches!(ended, Some(Ok(_))),
            "{} {name} was not gone within {} s",
            K::kind(&()),
            within.as_secs()
        );
    }

    /// Waits until one of the objects that a selector finds `holds`.
    pub async fn any<K>(&self, selector: &str, what: &str, within: Duration, holds: impl Fn(&K) -> bool) -> K
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let config = watcher::Config::default().labels(selector);
        first(self.api::<K>(), config, within, holds)
            .await
            .unwrap_or_else(|| {
                panic!(
                    "no {} of {selector} was {what} within {} s",
                    K::kind(&()),
                    within.as_secs()
                )
            })
    }

    /// Waits for an Event about an object.
    pub async fn event(&self, object: &str, reason: &str, within: Duration) -> String {
        let config =
            watcher::Config::default().fields(&format!("involvedObject.name={object},reason={reason}"));
        let event = first(self.api::<Event>(), config, within, |_| true).await;
        event
            .unwrap_or_else(|| panic!("no Event {reason} about {object} within {} s", within.as_secs()))
            .message
            .unwrap_or_default()
    }
}

async fn first<K>(
    api: Api<K>,
    config: watcher::Config,
    within: Duration,
    holds: impl Fn(&K) -> bool,
) -> Option<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let stream = watcher(api, config).default_backoff().applied_objects();
    let mut stream = pin!(stream.try_filter(|object| std::future::ready(holds(object))));
    let found = async {
        loop {
            match stream.next().await {
                Some(Ok(object)) => return Some(object),
                Some(Err(error)) => eprintln!("watch: {error}"),
                None => return None,
            }
        }
    };
    operator::within(within, found).await.flatten()
}

/// What nobody tells of, such as the state of a database, is asked for every second until there is an answer.
pub async fn asked_until<T>(answer: impl AsyncFn() -> Option<T>, within: Duration, otherwise: &str) -> T {
    let asking = async {
        loop {
            if let Some(answer) = answer().await {
                return answer;
            }
            tokio::time::sleep(seconds(1)).await;
        }
    };
    operator::within(within, asking)
        .await
        .unwrap_or_else(|| panic!("{otherwise}"))
}

/// Status and reason of a condition.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .map(|found| {
            (
                found.status.as_str(),
                found.reason.as_str(),
                found.message.as_str(),
            )
        })
}

/// Name of an object, for messages.
pub fn name_of<K: Resource>(object: &K) -> String {
    object.name_any()
}

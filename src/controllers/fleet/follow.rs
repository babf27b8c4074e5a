//! Follows one kind: every event goes to whoever keeps it, and what goes wrong is told and tried again.

use std::fmt::Debug;

use futures::StreamExt as _;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::controllers::watching::{Complaints, Pauses};

/// Whoever keeps objects of one kind. A listing begins, shows every object, and ends; changes follow.
pub trait Keeper<K> {
    /// A listing begins: what it does not show is gone.
    fn begin(&mut self) {}

    /// The listing shows an object.
    fn listed(&mut self, object: K);

    /// The listing has ended.
    fn end(&mut self);

    /// An object is new or has changed.
    fn changed(&mut self, object: K);

    /// An object is gone.
    fn gone(&mut self, object: &K);
}

/// Follows until told to end. `seen` is called once, when everything was listed for the first time.
pub async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    mut keeper: impl Keeper<K>,
    seen: impl FnOnce(),
    shutdown: CancellationToken,
) where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let events = watcher(api, config).backoff(Pauses::default());
    let mut events = std::pin::pin!(events.take_until(shutdown.cancelled_owned()));
    let mut complaints = Complaints::new(K::plural(&()).into_owned());
    let mut seen = Some(seen);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => keeper.begin(),
            Ok(Event::InitApply(object)) => keeper.listed(object),
            Ok(Event::InitDone) => {
                keeper.end();
                if let Some(seen) = seen.take() {
                    seen();
                }
            }
            Ok(Event::Apply(object)) => keeper.changed(object),
            Ok(Event::Delete(object)) => keeper.gone(&object),
            Err(error) => complaints.hear(&error),
        }
    }
}

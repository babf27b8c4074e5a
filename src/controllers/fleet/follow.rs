//! Follows one kind: every event goes to whoever keeps it, and what goes wrong is told and tried again.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
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

/// A kind is listed alone for so long at most: what is listed takes memory until it has been slimmed.
const ALONE: Duration = Duration::from_secs(5);

/// Follows until told to end. `seen` is called once, when everything was listed for the first time; whoever has `turn` lists
/// first.
pub async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    mut keeper: impl Keeper<K>,
    turn: &Semaphore,
    seen: impl FnOnce(),
    shutdown: CancellationToken,
) where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let events = watcher(api, config).backoff(Pauses::default());
    let mut events = std::pin::pin!(events.take_until(shutdown.cancelled_owned()));
    let mut complaints = Complaints::new(K::plural(&()).into_owned());
    let mut seen = Some(seen);
    // The semaphore is never closed.
    let mut turn = turn.acquire().await.ok();
    let mut late = std::pin::pin!(tokio::time::sleep(ALONE));
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = &mut late, if turn.is_some() => {
                turn = None;
                continue;
            }
        };
        let Some(event) = event else { return };
        match event {
            Ok(Event::Init) => keeper.begin(),
            Ok(Event::InitApply(object)) => keeper.listed(object),
            Ok(Event::InitDone) => {
                keeper.end();
                turn = None;
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

//! The rounds of one controller: which objects are due, each at most once at a time.

use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use kube::Resource;
use kube::runtime::controller::{Action, Config, Error, applier};
use kube::runtime::reflector::{ObjectRef, Store};

use super::Fleet;
use crate::controllers::context::Context;
use crate::controllers::round::leadership_gained;

/// Reconciles what `wakes` names, and everything when leadership is gained, until the process is told to end.
pub async fn rounds<K, S, F, E>(
    context: &Context,
    fleet: &Fleet,
    store: &Store<K>,
    wakes: impl Stream<Item = Vec<ObjectRef<K>>> + Send + 'static,
    reconcile: impl Fn(Arc<K>, Arc<S>) -> F,
    on_failure: impl Fn(Arc<K>, &E, Arc<S>) -> Action,
    shared: Arc<S>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    K::DynamicType: Debug + Eq + Hash + Clone + Unpin,
    F: Future<Output = Result<Action, E>>,
    E: std::error::Error + 'static,
{
    fleet.seen().await;
    let all = {
        let store = store.clone();
        leadership_gained(context.claim.clone()).map(move |()| {
            store
                .state()
                .iter()
                .map(|object| ObjectRef::from_obj(&**object))
                .collect()
        })
    };
    let due: BoxStream<'static, Vec<ObjectRef<K>>> = stream::select(wakes, all)
        .take_until(context.shutdown.clone().cancelled_owned())
        .boxed();
    let due = due.flat_map(stream::iter).map(Ok::<_, Infallible>);
    let reconcile = |object, shared| Box::pin(reconcile(object, shared));
    applier(
        reconcile,
        on_failure,
        shared,
        store.clone(),
        due,
        Config::default(),
    )
    .for_each(|result| {
        // Failed reconciles have been told by whoever handled them.
        if let Err(Error::RunnerError(error)) = result {
            tracing::error!(%error, "a controller cannot start");
        }
        std::future::ready(())
    })
    .await;
}

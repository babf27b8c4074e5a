//! What wakes a reconcile: time, the cluster, and rehearsals that end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;

use super::reconcile::{Shared, reconcile};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Cluster, Fleet, Key, News, Work};
use crate::controllers::round::Failure;

/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// Follows the rehearsals of clusters until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let context = &context;
    let all = fleets.into_iter().map(|fleet| async move {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let work = Work {
            controller: "drill",
            store: fleet.clusters().clone(),
            reconcile: |object| reconcile(object, shared.clone()),
            failed: |_: &Cluster, failure: &Failure| failure.again("rehearsals are not acted on", AGAIN),
        };
        let wakes = fleet.news().map(|news| due(news, &fleet));
        work.rounds(context, &fleet, wakes).await;
    });
    join_all(all).await;
}

fn due(news: News, fleet: &Fleet) -> Vec<Key> {
    match news {
        News::Cluster(key) => vec![key],
        News::Restore(key) => {
            let restore = fleet.restores().get(&key.reference());
            let restore = restore.as_ref().and_then(|restore| restore.0.as_ref().ok());
            let drill = restore.filter(|restore| restore.is_drill());
            drill
                .map(|drill| Key::new(key.namespace, drill.spec.pg_cluster.clone()))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

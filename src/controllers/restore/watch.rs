//! What wakes a reconcile: the restore, its Jobs, and its cluster with its parts.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use kube::Resource as _;

use super::reconcile::{Shared, is_terminal, reconcile};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Fleet, Key, News, Restore, Work};
use crate::controllers::round::Failure;

/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// Looks at restores until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let context = &context;
    let all = fleets.into_iter().map(|fleet| async move {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let work = Work {
            controller: "restore",
            store: fleet.restores().clone(),
            reconcile: |object| reconcile(object, shared.clone()),
            failed: |_: &Restore, failure: &Failure| failure.again("a restore is not looked at", AGAIN),
        };
        let wakes = fleet.news().map(|news| due(news, &fleet));
        work.rounds(context, &fleet, wakes).await;
    });
    join_all(all).await;
}

fn due(news: News, fleet: &Fleet) -> Vec<Key> {
    match news {
        News::Restore(key) => vec![key],
        News::Cluster(cluster) | News::Part(cluster) => unfinished(fleet, &cluster),
        _ => Vec::new(),
    }
}

fn unfinished(fleet: &Fleet, cluster: &Key) -> Vec<Key> {
    let all = fleet.restores().state();
    let of_it = all.iter().filter(|restore| {
        restore.0.as_ref().is_ok_and(|restore| {
            restore.metadata.namespace.as_ref() == Some(&cluster.namespace)
                && restore.spec.pg_cluster == cluster.name
                && !is_terminal(restore)
        })
    });
    of_it.map(|restore| Key::of(restore.meta())).collect()
}

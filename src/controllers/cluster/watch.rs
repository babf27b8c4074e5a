//! What wakes a reconcile: the cluster, what it consists of when something about that matters, the Secrets and `ConfigMaps` that
//! it names, its backups, and a look at a repository that found something else.

use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt as _, stream};

use super::reconcile::{Failure, on_failure, reconcile};
use super::shared::Shared;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Cluster, Fleet, Key, News, Work};

/// Reconciles clusters until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let context = &context;
    let all = fleets.into_iter().map(|fleet| async move {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let work = Work {
            controller: "cluster",
            store: fleet.clusters().clone(),
            reconcile: |object| reconcile(object, shared.clone()),
            failed: {
                let shared = shared.clone();
                move |object: &Cluster, failure: &Failure| on_failure(object, failure, &shared)
            },
        };
        let news = fleet.news().map(|news| due(news, &shared));
        work.rounds(context, &fleet, stream::select(news, shared.looked()))
            .await;
    });
    join_all(all).await;
}

fn due(news: News, shared: &Shared) -> Vec<Key> {
    match news {
        News::Cluster(key) | News::Part(key) | News::Backup { of: key, .. } => vec![key],
        News::Restore(key) => brought_by(&key, shared),
        // What an instance says is news of its Pod too.
        News::Report(_) | News::Work(_) | News::Expiry(_) => Vec::new(),
        News::Gone { uid, .. } => {
            shared.forget(&uid);
            Vec::new()
        }
    }
}

/// The cluster that a restore brings its first data.
fn brought_by(restore: &Key, shared: &Shared) -> Vec<Key> {
    let restore = shared.fleet.restores().get(&restore.reference());
    let restore = restore.as_ref().and_then(|restore| restore.0.as_ref().ok());
    let brings = restore.filter(|restore| restore.is_bootstrap());
    let cluster = brings.map(|restore| {
        let namespace = restore.metadata.namespace.clone().unwrap_or_default();
        Key::new(namespace, restore.spec.pg_cluster.clone())
    });
    cluster.into_iter().collect()
}

//! What wakes a reconcile: time, the cluster's specification, what its instances say of their archiver, and backups that end.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::join_all;

use super::reconcile::{Shared, on_failure, round};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Cluster, Fleet, Key, News, Work};
use crate::controllers::round::Failure;

/// Follows the archives of clusters until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let context = &context;
    let all = fleets.into_iter().map(|fleet| async move {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let work = Work {
            controller: "archive",
            store: fleet.clusters().clone(),
            reconcile: |object| round(object, shared.clone()),
            failed: |_: &Cluster, failure: &Failure| on_failure(failure),
        };
        let wakes = fleet.news().map(|news| due(news, &shared));
        work.rounds(context, &fleet, wakes).await;
    });
    join_all(all).await;
}

fn due(news: News, shared: &Shared) -> Vec<Key> {
    match news {
        News::Cluster(key)
        | News::Report(key)
        | News::Backup {
            of: key,
            completed: true,
            ..
        } => {
            vec![key]
        }
        News::Gone { key, uid } => {
            shared.forget(&key.namespace, &key.name, &uid);
            Vec::new()
        }
        News::Part(_) | News::Restore(_) | News::Work(_) | News::Expiry(_) | News::Backup { .. } => {
            Vec::new()
        }
    }
}

//! What wakes a reconcile: time, the cluster, and scheduled backups that end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;

use super::reconcile::{Shared, reconcile};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Cluster, Fleet, Key, News, Work};
use crate::controllers::round::Failure;

/// After a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Follows the schedules of clusters until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let context = &context;
    let all = fleets.into_iter().map(|fleet| async move {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let work = Work {
            controller: "schedule",
            store: fleet.clusters().clone(),
            reconcile: |object| reconcile(object, shared.clone()),
            failed: |_: &Cluster, failure: &Failure| failure.again("schedules are not acted on", AGAIN),
        };
        let wakes = fleet.news().map(due);
        work.rounds(context, &fleet, wakes).await;
    });
    join_all(all).await;
}

fn due(news: News) -> Vec<Key> {
    match news {
        News::Cluster(key)
        | News::Backup {
            of: key,
            completed: true,
            ..
        } => vec![key],
        _ => Vec::new(),
    }
}

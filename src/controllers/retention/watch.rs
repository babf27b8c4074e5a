//! What wakes a reconcile: time, the cluster, its backups that have ended or are to go, and the Jobs of this controller.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;

use super::reconcile::reconcile;
use super::shared::Shared;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Cluster, Fleet, Key, News, Work};
use crate::controllers::round::Failure;

/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// Follows the retention of clusters until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let context = &context;
    let all = fleets.into_iter().map(|fleet| async move {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let work = Work {
            controller: "retention",
            store: fleet.clusters().clone(),
            reconcile: |object| reconcile(object, shared.clone()),
            failed: |_: &Cluster, failure: &Failure| failure.again("retention is not acted on", AGAIN),
        };
        let wakes = fleet.news().map(|news| due(news, &shared));
        work.rounds(context, &fleet, wakes).await;
    });
    join_all(all).await;
}

fn due(news: News, shared: &Shared) -> Vec<Key> {
    match news {
        News::Cluster(key)
        | News::Expiry(key)
        // One that has not ended is nothing that could go.
        | News::Backup {
            of: key,
            completed: true,
            ..
        }
        | News::Backup {
            of: key, over: true, ..
        } => vec![key],
        News::Gone { uid, .. } => {
            shared.forget(&uid);
            Vec::new()
        }
        News::Part(_) | News::Report(_) | News::Restore(_) | News::Work(_) | News::Backup { .. } => Vec::new(),
    }
}

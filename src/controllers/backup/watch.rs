//! What wakes a reconcile: the backup, its Job and Pods, its cluster, and the other backups of that cluster.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::join_all;
use kube::ResourceExt as _;

use super::decide::state;
use super::reconcile::{LOOK_AGAIN, reconcile};
use super::shared::Shared;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Backup, Fleet, Key, News, Work};
use crate::controllers::round::Failure;

/// Reconciles backups until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let shared = Arc::new(Shared::new(context.clone(), &fleets));
    let (context, shared) = (&context, &shared);
    let all = fleets.into_iter().map(|fleet| async move {
        let work = Work {
            controller: "backup",
            store: fleet.backups().clone(),
            reconcile: |object| reconcile(object, shared.clone(), fleet.clone()),
            failed: |_: &Backup, failure: &Failure| failure.again("a backup is not gone on with", LOOK_AGAIN),
        };
        let wakes = fleet.news().map(|news| due(news, shared, &fleet));
        work.rounds(context, &fleet, wakes).await;
    });
    join_all(all).await;
}

fn due(news: News, shared: &Shared, fleet: &Fleet) -> Vec<Key> {
    match news {
        News::Backup {
            key, of, uid, over, ..
        } => {
            let mut woken = vec![key];
            // Only the end of one is news for those that wait for their turn.
            if over {
                shared.budget.leave(&uid);
                woken.extend(unfinished(fleet, &of));
                woken.extend(shared.budget.next());
            }
            woken
        }
        News::Work(key) => vec![key],
        News::Cluster(key) => unfinished(fleet, &key),
        News::Part(_) | News::Report(_) | News::Restore(_) | News::Expiry(_) | News::Gone { .. } => {
            Vec::new()
        }
    }
}

fn unfinished(fleet: &Fleet, cluster: &Key) -> Vec<Key> {
    let backups = fleet.backups_of(cluster);
    let left = backups.iter().filter(|backup| !state(backup).is_terminal());
    left.map(|backup| Key::new(cluster.namespace.clone(), backup.name_any()))
        .collect()
}

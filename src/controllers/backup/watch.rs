//! What wakes a reconcile: the backup, its Job and Pods, its cluster, and the other backups of that cluster.

use std::sync::Arc;

use futures::future::join_all;
use futures::{Stream, StreamExt as _, stream};
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::UnboundedReceiver;

use super::decide::state;
use super::reconcile::{Shared, on_failure, reconcile};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Backup, Fleet, Key, News, rounds};
use crate::controllers::round::Failure;

/// Reconciles backups until the process is told to end.
pub async fn run(context: Context, fleets: &[Arc<Fleet>]) {
    let shared = Arc::new(Shared::new(context.clone(), fleets));
    let all = fleets.iter().map(|fleet| {
        let one = Arc::new(InFleet {
            shared: shared.clone(),
            fleet: fleet.clone(),
        });
        let (context, wakes) = (&context, due(fleet.news(), one.clone()));
        async move { rounds(context, fleet, fleet.backups(), wakes, measured, failed, one).await }
    });
    join_all(all.collect::<Vec<_>>()).await;
}

/// What all share, and where the backups are.
struct InFleet {
    shared: Arc<Shared>,
    fleet: Arc<Fleet>,
}

fn due(
    news: UnboundedReceiver<News>,
    one: Arc<InFleet>,
) -> impl Stream<Item = Vec<ObjectRef<Backup>>> + Send + 'static {
    let all = stream::unfold(news, |mut news| async { Some((news.recv().await?, news)) });
    all.map(move |news| match news {
        News::Backup {
            key, of, uid, over, ..
        } => {
            let mut woken = vec![key.reference()];
            // Only the end of one is news for those that wait for their turn.
            if over {
                one.shared.budget.leave(&uid);
                woken.extend(unfinished(&one.fleet, &of));
                woken.extend(one.shared.budget.next());
            }
            woken
        }
        News::Work(key) => vec![key.reference()],
        News::Cluster(key) => unfinished(&one.fleet, &key),
        News::Part(_) | News::Report(_) | News::Gone { .. } => Vec::new(),
    })
}

async fn measured(object: Arc<Backup>, one: Arc<InFleet>) -> Result<Action, Failure> {
    let InFleet { shared, fleet } = &*one;
    shared
        .rounds
        .run(&shared.context, || {
            Box::pin(reconcile(object, shared.clone(), fleet.clone()))
        })
        .await
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube wants")]
fn failed(_: Arc<Backup>, failure: &Failure, _: Arc<InFleet>) -> Action {
    on_failure(failure)
}

fn unfinished(fleet: &Fleet, cluster: &Key) -> Vec<ObjectRef<Backup>> {
    let backups = fleet.backups_of(cluster);
    let left = backups.iter().filter(|backup| !state(backup).is_terminal());
    left.map(|backup| Key::new(cluster.namespace.clone(), backup.name_any()).reference())
        .collect()
}

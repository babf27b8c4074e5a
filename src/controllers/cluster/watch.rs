//! What wakes a reconcile: the cluster, what it consists of when something about that matters, the Secrets and `ConfigMaps` that
//! it names, its backups, and a look at a repository that found something else.

use std::sync::Arc;

use futures::future::join_all;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::reconcile::{Failure, Shared, on_failure, round};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Cluster, Fleet, Key, News, Work};

/// Reconciles clusters until the process is told to end.
pub async fn run(context: Context, fleets: Vec<Arc<Fleet>>) {
    let all = fleets.into_iter().map(|fleet| {
        let shared = Arc::new(Shared::new(context.clone(), fleet.clone()));
        let (context, news) = (&context, fleet.news());
        async move {
            let wakes = stream::select(due(news, shared.clone()), shared.looked());
            let work = Work {
                controller: "cluster",
                store: fleet.clusters().clone(),
                failed: {
                    let shared = shared.clone();
                    move |object: &Cluster, failure: &Failure| on_failure(object, failure, &shared)
                },
                reconcile: |object| round(object, shared.clone()),
            };
            work.rounds(context, &fleet, wakes).await;
        }
    });
    join_all(all.collect::<Vec<_>>()).await;
}

fn due(news: UnboundedReceiver<News>, shared: Arc<Shared>) -> impl Stream<Item = Vec<Key>> + Send + 'static {
    let all = stream::unfold(news, |mut news| async { Some((news.recv().await?, news)) });
    all.map(move |news| match news {
        News::Cluster(key) | News::Part(key) | News::Backup { of: key, .. } => vec![key],
        // What an instance says is news of its Pod too.
        News::Report(_) | News::Work(_) | News::Expiry(_) => Vec::new(),
        News::Gone { uid, .. } => {
            shared.forget(&uid);
            Vec::new()
        }
    })
}

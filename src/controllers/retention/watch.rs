//! What wakes a reconcile: the cluster, its backups, and the Jobs of this controller.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;

use super::reconcile::{Shared, on_failure, round};
use crate::api::names::LABEL_PGBACKREST_EXPIRE;
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::context::Context;
use crate::controllers::reading::{in_each_namespace, within};
use crate::controllers::round::leadership_gained;
use crate::controllers::watching::{Complaints, Pauses};

type Guarded = DeserializeGuard<PerconaPGCluster>;

/// Follows the retention of clusters, in the namespaces of the settings or in all, until the process is told to end.
pub async fn run(context: Context) {
    let settings = context.settings.clone();
    let shared = Arc::new(Shared::new(context));
    in_each_namespace(&settings, |namespace| run_in(&shared, namespace)).await;
}

async fn run_in(shared: &Arc<Shared>, namespace: Option<&str>) {
    let context = &shared.context;
    let client = &context.client;
    let controller = Controller::new(within::<Guarded>(client, namespace), watcher::Config::default());
    let mut complaints = Complaints::new("retention");
    controller
        .trigger_backoff(Pauses::default())
        .owns(
            within::<Job>(client, namespace),
            watcher::Config::default().labels(LABEL_PGBACKREST_EXPIRE),
        )
        .watches(
            within::<DeserializeGuard<PerconaPGBackup>>(client, namespace),
            watcher::Config::default(),
            |backup| {
                let backup = backup.0.as_ref().ok()?;
                // One that has not ended is nothing that could go.
                let ended = backup.status.as_ref()?.completed.is_some();
                let cluster = ObjectRef::<Guarded>::new(&backup.spec.pg_cluster);
                (ended || backup.metadata.deletion_timestamp.is_some())
                    .then(|| cluster.within(&backup.namespace().unwrap_or_default()))
            },
        )
        .reconcile_all_on(leadership_gained(context.claim.clone()))
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(round, on_failure, shared.clone())
        .for_each(|result| {
            if let Err(error) = result {
                complaints.hear(&error);
            }
            std::future::ready(())
        })
        .await;
}

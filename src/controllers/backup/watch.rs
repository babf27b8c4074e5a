//! What wakes a reconcile: the backup, its Job and Pods, its cluster, and the other backups of that cluster.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use super::decide::state;
use super::reconcile::{Shared, on_failure, reconcile};
use crate::api::names::{ANNOTATION_BACKUP, LABEL_PGBACKREST_BACKUP};
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::context::Context;
use crate::controllers::reading::{in_each_namespace, within};
use crate::controllers::round::{Failure, leadership_gained};
use crate::controllers::watching::{Complaints, Pauses};

type Guarded = DeserializeGuard<PerconaPGBackup>;

/// Reconciles backups, in the namespaces of the settings or in all, until the process is told to end.
pub async fn run(context: Context) {
    let settings = context.settings.clone();
    let shared = Arc::new(Shared::new(context));
    in_each_namespace(&settings, |namespace| run_in(&shared, namespace)).await;
}

async fn run_in(shared: &Arc<Shared>, namespace: Option<&str>) {
    let context = &shared.context;
    let client = &context.client;
    let of_backups = || watcher::Config::default().labels(LABEL_PGBACKREST_BACKUP);
    let controller = Controller::new(within::<Guarded>(client, namespace), watcher::Config::default());
    let backups = controller.store();
    let siblings = backups.clone();
    shared.budget.watch(backups.clone());
    let fleet = shared.clone();
    let mut complaints = Complaints::new("backup");
    controller
        .trigger_backoff(Pauses::default())
        .owns(within::<Job>(client, namespace), of_backups())
        .watches(within::<Pod>(client, namespace), of_backups(), |pod| {
            let backup = pod.annotations().get(ANNOTATION_BACKUP)?;
            Some(ObjectRef::<Guarded>::new(backup).within(&pod.namespace()?))
        })
        .watches(
            within::<DeserializeGuard<PerconaPGCluster>>(client, namespace),
            watcher::Config::default(),
            move |cluster| unfinished(&backups, &cluster.name_any(), cluster.namespace().as_deref()),
        )
        .watches(
            within::<Guarded>(client, namespace),
            watcher::Config::default(),
            move |ended| {
                // Only the end of one is news for those that wait for their turn.
                match &ended.0 {
                    Ok(backup)
                        if state(backup).is_terminal() || backup.metadata.deletion_timestamp.is_some() =>
                    {
                        fleet.budget.leave(&backup.uid().unwrap_or_default());
                        let mut woken =
                            unfinished(&siblings, &backup.spec.pg_cluster, backup.namespace().as_deref());
                        woken.extend(fleet.budget.next());
                        woken
                    }
                    _ => Vec::new(),
                }
            },
        )
        .reconcile_all_on(leadership_gained(context.claim.clone()))
        .graceful_shutdown_on(context.shutdown.clone().cancelled_owned())
        .run(measured, on_failure, shared.clone())
        .for_each(|result| {
            if let Err(error) = result {
                complaints.hear(&error);
            }
            std::future::ready(())
        })
        .await;
}

async fn measured(
    object: Arc<Guarded>,
    shared: Arc<Shared>,
) -> Result<kube::runtime::controller::Action, Failure> {
    let context = shared.context.clone();
    let rounds = shared.rounds.clone();
    rounds.run(&context, Box::pin(reconcile(object, shared))).await
}

fn unfinished(backups: &Store<Guarded>, cluster: &str, namespace: Option<&str>) -> Vec<ObjectRef<Guarded>> {
    backups
        .state()
        .iter()
        .filter(|backup| backup.namespace().as_deref() == namespace)
        .filter_map(|backup| backup.0.as_ref().ok())
        .filter(|backup| backup.spec.pg_cluster == cluster && !state(backup).is_terminal())
        .map(|backup| ObjectRef::new(&backup.name_any()).within(&backup.namespace().unwrap_or_default()))
        .collect()
}

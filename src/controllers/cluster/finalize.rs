//! What the user's finalizers ask for when a cluster goes: backups, claims and credentials, certificates, in this order.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, PartialObjectMeta};

use super::delete_backups;
use super::names::{LABEL_CLUSTER, LABEL_DATA, LABEL_USER, Names};
use super::reconcile::Failure;
use super::shared::Shared;
use crate::api::PerconaPGCluster;
use crate::api::names::{
    FINALIZER_DELETE_BACKUPS, FINALIZER_DELETE_PVC, FINALIZER_DELETE_SSL, LABEL_PGBACKREST_REPO,
    LABEL_PGBACKREST_VOLUME,
};
use crate::controllers::fleet::Action;
use crate::controllers::writer::WriteError;

/// Does what the finalizers ask for, then removes them.
pub async fn finalize(shared: &Shared, cluster: &Arc<PerconaPGCluster>) -> Result<Action, Failure> {
    let asked: Vec<&str> = [
        FINALIZER_DELETE_PVC,
        FINALIZER_DELETE_SSL,
        FINALIZER_DELETE_BACKUPS,
    ]
    .into_iter()
    .filter(|finalizer| cluster.finalizers().iter().any(|own| own == finalizer))
    .collect();
    if asked.is_empty() {
        return Ok(Action::await_change());
    }
    let names = Names {
        cluster: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        dns_suffix: String::new(),
    };
    if !stopped(shared, &names).await? {
        // The end of the last Pod brings us back.
        return Ok(Action::await_change());
    }
    let context = &shared.context;
    if asked.contains(&FINALIZER_DELETE_BACKUPS)
        && let Some(again) = Box::pin(delete_backups::step(shared, cluster, &names)).await?
    {
        return Ok(Action::requeue(again));
    }
    if asked.contains(&FINALIZER_DELETE_PVC) {
        // Those of repositories too: the finalizer is the user's word for it, as with the compatible operator. The Pods of
        // Jobs that mount them would keep them.
        let volumes = format!("{LABEL_CLUSTER}={},{LABEL_PGBACKREST_VOLUME}", names.cluster);
        for repository in repositories(shared, &names, &volumes).await? {
            let jobs = format!(
                "{LABEL_CLUSTER}={},{LABEL_PGBACKREST_REPO}={repository}",
                names.cluster
            );
            delete_all::<Job>(shared, &names, &jobs).await?;
        }
        let data = format!("{LABEL_CLUSTER}={},{LABEL_DATA}", names.cluster);
        delete_all::<PersistentVolumeClaim>(shared, &names, &data).await?;
        let users = format!("{},{LABEL_USER}", names.selector());
        delete_all::<Secret>(shared, &names, &users).await?;
    }
    if asked.contains(&FINALIZER_DELETE_SSL) {
        let certificates = [
            names.ca_secret(),
            names.cluster_cert(),
            names.replication_cert(),
            names.pgbackrest(),
            names.pgbouncer(),
        ];
        for name in certificates {
            context
                .writer
                .delete::<Secret>(&names.namespace, &name, None)
                .await?;
        }
    }
    context.writer.remove_finalizers(&**cluster, &asked).await?;
    Ok(Action::await_change())
}

/// Removes what runs; true once no Pod with data is left.
async fn stopped(shared: &Shared, names: &Names) -> Result<bool, Failure> {
    delete_all::<Deployment>(shared, names, &names.selector()).await?;
    delete_all::<StatefulSet>(shared, names, &names.selector()).await?;
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(shared.context.client.clone(), &names.namespace);
    let data = format!("{LABEL_CLUSTER}={},{LABEL_DATA}", names.cluster);
    let left = pods
        .list_metadata(&ListParams::default().labels(&data))
        .await
        .map_err(WriteError::from)?;
    Ok(left.items.is_empty())
}

/// Names of the repositories whose claims are there.
async fn repositories(shared: &Shared, names: &Names, selector: &str) -> Result<Vec<String>, Failure> {
    let api: Api<PartialObjectMeta<PersistentVolumeClaim>> =
        Api::namespaced(shared.context.client.clone(), &names.namespace);
    let claims = api
        .list_metadata(&ListParams::default().labels(selector))
        .await
        .map_err(WriteError::from)?;
    Ok(claims
        .items
        .iter()
        .filter_map(|claim| claim.labels().get(LABEL_PGBACKREST_REPO).cloned())
        .collect())
}

pub(super) async fn delete_all<K>(shared: &Shared, names: &Names, selector: &str) -> Result<(), Failure>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + serde::de::DeserializeOwned
        + Clone
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(shared.context.client.clone(), &names.namespace);
    let all = api
        .list_metadata(&ListParams::default().labels(selector))
        .await
        .map_err(WriteError::from)?;
    for object in all
        .items
        .iter()
        .filter(|object| object.metadata.deletion_timestamp.is_none())
    {
        shared
            .context
            .writer
            .delete::<K>(&names.namespace, &object.name_any(), object.uid().as_deref())
            .await?;
    }
    Ok(())
}

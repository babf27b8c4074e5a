//! All reads of a reconcile but those of the repositories. Bounded in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt as _};

use crate::api::names::{LABEL_CLUSTER, LABEL_PGBACKREST_EXPIRE};
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::cluster::dereference::{VolumeReads, read_sources, volume_reads};
use crate::controllers::cluster::user_files::{self, UserFiles};
use crate::controllers::fleet::Fleet;
use crate::controllers::reading::{ReadError, in_time};
use crate::pgbackrest::lease;

/// Everything a reconcile looks at.
pub struct Observed {
    pub cluster: Arc<PerconaPGCluster>,
    pub user: UserFiles,
    pub volumes: VolumeReads,
    /// Backups of this cluster.
    pub backups: Vec<PerconaPGBackup>,
    /// This controller's Jobs.
    pub jobs: Vec<Job>,
    /// Their Pods.
    pub pods: Vec<Pod>,
    /// Leases by repository.
    pub leases: BTreeMap<String, Lease>,
}

impl Observed {
    /// Backups of a repository.
    pub fn of_repository<'a>(&'a self, repo: &'a str) -> impl Iterator<Item = &'a PerconaPGBackup> {
        let of_it = move |backup: &&PerconaPGBackup| backup.spec.repo_name.as_deref() == Some(repo);
        self.backups.iter().filter(of_it)
    }
}

/// Reads everything: what may be let go is asked for, and not taken from a watch.
pub async fn dereference(
    client: &Client,
    fleet: &Fleet,
    cluster: Arc<PerconaPGCluster>,
) -> Result<Observed, ReadError> {
    in_time(Box::pin(read(client, fleet, cluster))).await
}

async fn read(client: &Client, fleet: &Fleet, cluster: Arc<PerconaPGCluster>) -> Result<Observed, ReadError> {
    let namespace = cluster.namespace().unwrap_or_default();
    let name = cluster.name_any();
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let api: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let ours = ListParams::default().labels(&format!("{LABEL_CLUSTER}={name},{LABEL_PGBACKREST_EXPIRE}"));
    let (backups, jobs, pods) = futures::try_join!(
        backups(client, &namespace, &name),
        async { jobs.list(&ours).await.map_err(ReadError::of("Jobs")) },
        async { pods.list(&ours).await.map_err(ReadError::of("Pods")) },
    )?;
    let mut leases = BTreeMap::new();
    for repository in cluster.spec.backups.repositories() {
        let found = api.get_opt(&lease::name(&name, &repository.name)).await;
        if let Some(lease) = found.map_err(ReadError::of("the Lease"))? {
            leases.insert(repository.name.clone(), lease);
        }
    }
    let sources = read_sources(client, fleet, &namespace, &cluster).await?;
    Ok(Observed {
        user: user_files::of_cluster(&cluster, &sources),
        volumes: volume_reads(client, fleet, &cluster).await?,
        backups,
        jobs: jobs.items,
        pods: pods.items,
        leases,
        cluster,
    })
}

/// The backups of a cluster.
async fn backups(client: &Client, namespace: &str, cluster: &str) -> Result<Vec<PerconaPGBackup>, ReadError> {
    let api: Api<DeserializeGuard<PerconaPGBackup>> = Api::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default()).await;
    let read = found.map_err(ReadError::of("PerconaPGBackups"))?.items;
    Ok(read
        .into_iter()
        .filter_map(|backup| backup.0.ok())
        .filter(|backup| backup.spec.pg_cluster == cluster)
        .collect())
}

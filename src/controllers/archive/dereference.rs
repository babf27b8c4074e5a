//! All reads of a reconcile but those of the repositories. Bounded in time.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt as _};

use crate::agent::report::{ArchiverReport, INSTANCE_ANNOTATION, InstanceReport};
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::cluster::dereference::{VolumeReads, read_sources, volume_reads};
use crate::controllers::cluster::user_files::{self, UserFiles};
use crate::controllers::fleet::{Fleet, Key};
use crate::controllers::reading::{ReadError, in_time};

/// Everything a reconcile looks at.
#[derive(Clone)]
pub struct Observed {
    /// The cluster itself.
    pub cluster: Arc<PerconaPGCluster>,
    /// What the user's Secrets and `ConfigMaps` hold.
    pub user: UserFiles,
    /// What it takes to read repositories on volumes.
    pub volumes: VolumeReads,
    /// Backups of this cluster.
    pub backups: Vec<PerconaPGBackup>,
    /// What the instance that takes writes says of its archiver.
    pub archiver: Option<ArchiverReport>,
}

/// Reads everything.
pub async fn dereference(
    client: &Client,
    fleet: &Fleet,
    cluster: Arc<PerconaPGCluster>,
) -> Result<Observed, ReadError> {
    in_time(Box::pin(read(client, fleet, cluster))).await
}

async fn read(client: &Client, fleet: &Fleet, cluster: Arc<PerconaPGCluster>) -> Result<Observed, ReadError> {
    let key = Key::new(cluster.namespace().unwrap_or_default(), cluster.name_any());
    let sources = read_sources(client, fleet, &key.namespace, &cluster).await?;
    Ok(Observed {
        user: user_files::of_cluster(&cluster, &sources),
        volumes: volume_reads(client, fleet, &cluster).await?,
        backups: fleet.backups_of(&key),
        archiver: fleet.pods(&key).iter().find_map(archiver),
        cluster,
    })
}

fn archiver(pod: &Pod) -> Option<ArchiverReport> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let text = pod.annotations().get(INSTANCE_ANNOTATION)?;
    let report: InstanceReport = serde_json::from_str(text).ok()?;
    report.archiver.filter(|_| report.in_recovery == Some(false))
}

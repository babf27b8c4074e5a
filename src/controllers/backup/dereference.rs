//! All reads of a reconcile but those of the repository. Bounded in time.

use crate::controllers::cluster::build::repository_job::pods_of;
use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Endpoints, Pod};
use kube::api::Api;
use kube::{Client, ResourceExt as _};

use super::build;
use super::decide::state;
use crate::api::backup::JobState;
use crate::api::repository::Repository;
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::cluster::dereference::VolumeReads;
use crate::controllers::cluster::names::Names;
use crate::controllers::cluster::user_files::{Sources, UserFiles};
use crate::controllers::cluster::{dereference as cluster_reads, engine, user_files};
use crate::controllers::fleet::{Fleet, Key};
use crate::controllers::reading::{ReadError, in_time};
use crate::controllers::turns;
use crate::pgbackrest::access::{AccessError, RepositoryAccess};
use crate::pgbackrest::lease::{self, Holder};

/// Everything a reconcile looks at.
#[derive(Clone)]
pub struct Observed {
    pub backup: PerconaPGBackup,
    pub cluster: Option<PerconaPGCluster>,
    pub user: UserFiles,
    pub volumes: VolumeReads,
    pub job: Option<Job>,
    /// Pods of the Job, oldest first.
    pub pods: Vec<Pod>,
    pub lease: Option<Lease>,
    /// The Job that holds the Lease, where one does that is no backup's.
    pub lease_job: Option<Job>,
    /// The other backups of the cluster.
    pub others: Vec<PerconaPGBackup>,
    /// Who leads the cluster.
    pub leader: Option<Leader>,
}

/// The primary, as Patroni's Endpoints name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Name of its Pod.
    pub pod: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Leader {
    fn of(endpoints: &Endpoints) -> Option<Self> {
        let annotation = |name: &str| endpoints.annotations().get(name).filter(|text| !text.is_empty());
        let since = DateTime::parse_from_rfc3339(annotation("acquireTime")?).ok()?;
        Some(Self {
            pod: annotation("leader")?.clone(),
            since: since.to_utc(),
        })
    }
}

impl Observed {
    /// How the operator reads a repository of the cluster.
    pub fn access(
        &self,
        cluster: &PerconaPGCluster,
        repository: &Repository,
    ) -> Result<RepositoryAccess, AccessError> {
        engine::access(
            &Names::of(cluster),
            repository,
            &self.user,
            &self.volumes.claims,
            self.volumes.certificates.as_ref(),
        )
    }

    /// Nothing but these is there.
    #[cfg(test)]
    pub fn nothing_but(backup: PerconaPGBackup, cluster: Option<PerconaPGCluster>) -> Self {
        Self {
            backup,
            cluster,
            user: UserFiles::default(),
            volumes: VolumeReads::default(),
            job: None,
            pods: Vec::new(),
            lease: None,
            lease_job: None,
            others: Vec::new(),
            leader: None,
        }
    }
}

/// Reads everything: what others are there from the watch, the rest from the API server.
pub async fn dereference(
    client: &Client,
    fleet: &Fleet,
    backup: PerconaPGBackup,
) -> Result<Observed, ReadError> {
    in_time(Box::pin(read(client, fleet, backup))).await
}

async fn read(client: &Client, fleet: &Fleet, backup: PerconaPGBackup) -> Result<Observed, ReadError> {
    let namespace = backup.namespace().unwrap_or_default();
    let name = backup.spec.pg_cluster.clone();
    let job_name = build::job_name(&backup);
    let lease_name = lease::name(&name, backup.spec.repo_name.as_deref().unwrap_or_default());

    let clusters: Api<PerconaPGCluster> = Api::namespaced(client.clone(), &namespace);
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
    let leader_of = Names {
        cluster: name.clone(),
        namespace: namespace.clone(),
        dns_suffix: String::new(),
    }
    .ha();
    let of_job = pods_of(std::slice::from_ref(&job_name));

    let (cluster, job, pods, lease, leader, others) = futures::try_join!(
        async {
            clusters
                .get_opt(&name)
                .await
                .map_err(ReadError::of("the PerconaPGCluster"))
        },
        async { jobs.get_opt(&job_name).await.map_err(ReadError::of("the Job")) },
        async {
            // One that has not begun has no Pods, and many may wait to begin.
            if state(&backup) == JobState::New && backup.metadata.deletion_timestamp.is_none() {
                return Ok(Vec::new());
            }
            let pods = pods.list(&of_job).await.map_err(ReadError::of("Pods"))?;
            Ok(pods.items)
        },
        async {
            leases
                .get_opt(&lease_name)
                .await
                .map_err(ReadError::of("the Lease"))
        },
        async {
            endpoints
                .get_opt(&leader_of)
                .await
                .map_err(ReadError::of("Endpoints"))
        },
        others(client, fleet, &backup),
    )?;
    let lease_job = match lease.as_ref().and_then(turns::holder) {
        Some(Holder::Job { name, .. }) => jobs.get_opt(&name).await.map_err(ReadError::of("the Job"))?,
        _ => None,
    };
    let sources = match &cluster {
        Some(cluster) => cluster_reads::read_sources(client, fleet, &namespace, cluster).await?,
        None => Sources::new(),
    };
    let volumes = match &cluster {
        Some(cluster) => cluster_reads::volume_reads(client, fleet, cluster).await?,
        None => VolumeReads::default(),
    };
    let mut pods = pods;
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    Ok(Observed {
        user: cluster
            .as_ref()
            .map(|cluster| user_files::of_cluster(cluster, &sources))
            .unwrap_or_default(),
        volumes,
        others,
        backup,
        cluster,
        job,
        pods,
        lease,
        lease_job,
        leader: leader.as_ref().and_then(Leader::of),
    })
}

/// The other backups of the cluster. Of those that have not ended it is asked how they are now, before this one begins: what the
/// watch shows may be a moment old.
async fn others(
    client: &Client,
    fleet: &Fleet,
    backup: &PerconaPGBackup,
) -> Result<Vec<PerconaPGBackup>, ReadError> {
    let namespace = backup.namespace().unwrap_or_default();
    let own = backup.uid();
    let mut others = fleet.backups_of(&Key::new(namespace.clone(), backup.spec.pg_cluster.clone()));
    others.retain(|other| other.uid() != own);
    if state(backup) == JobState::New {
        let api: Api<PerconaPGBackup> = Api::namespaced(client.clone(), &namespace);
        for other in others.iter_mut().filter(|other| !state(other).is_terminal()) {
            let now = api
                .get_opt(&other.name_any())
                .await
                .map_err(ReadError::of("PerconaPGBackups"))?;
            if let Some(now) = now.filter(|now| now.uid() == other.uid()) {
                *other = now;
            }
        }
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_is_known_with_the_time_since_when_it_leads() {
        let endpoints = |annotations: serde_json::Value| -> Endpoints {
            serde_json::from_value(serde_json::json!({"metadata": {"annotations": annotations}})).unwrap()
        };
        let leader = Leader::of(&endpoints(serde_json::json!({
            "leader": "app-a-bbbb-0", "acquireTime": "2026-11-20T23:31:05.060835+00:00", "ttl": "30",
        })))
        .unwrap();
        assert_eq!(
            (leader.pod.as_str(), leader.since.timestamp()),
            ("app-a-bbbb-0", 1_795_217_465)
        );
        // Nobody leads while a new one is chosen.
        let nobody = endpoints(serde_json::json!({"leader": "", "acquireTime": "2026-11-20T23:31:05+00:00"}));
        assert_eq!(Leader::of(&nobody), None);
    }
}

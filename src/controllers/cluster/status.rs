//! Status as a function of what was observed and of the clock that is passed in.

mod archiving;
mod conditions;
mod standby;
mod volumes;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;

use super::dereference::Observed;
use super::repositories::Verdict;
use super::validate::Refusal;
use super::validated::ValidatedCluster;
use crate::agent::report::{INSTANCE_ANNOTATION, InstanceReport};
use crate::api::cluster::status::{
    ClusterState, InstanceSetStatus, PatroniClusterStatus, PatroniStatus, PerconaPGClusterStatus,
    PgBackRestStatus, PgBouncerStatus, PostgresStatus, RepoHostStatus, RepositoryStatus,
};

/// What status is made from.
pub struct Facts<'a> {
    pub observed: &'a Observed,
    /// The proof, or why there is none.
    pub validated: Result<&'a ValidatedCluster, &'a Refusal>,
    /// One for each repository of the spec.
    pub repositories: &'a [Verdict],
    /// What the agents say, by instance.
    pub reports: &'a [(String, InstanceReport)],
    /// Paths of fields that are accepted and not acted on.
    pub unsupported: &'a [String],
    /// Revision of the document that the agents are to apply.
    pub revision: Option<&'a str>,
    /// What could not be written.
    pub write_problem: Option<&'a str>,
}

/// The new status. `previous` is kept where nothing is known now, and for transition times.
#[must_use]
pub fn status(facts: &Facts<'_>, now: DateTime<Utc>) -> PerconaPGClusterStatus {
    let mut status = facts.observed.cluster.status.clone().unwrap_or_default();
    status.observed_generation = facts.observed.cluster.metadata.generation;
    if let Ok(cluster) = facts.validated {
        let counts = Counts::of(cluster, facts.observed);
        status.state = Some(state(cluster, &counts));
        status.host = Some(host(cluster, facts.observed));
        status.postgres = Some(postgres(cluster, &counts));
        status.pgbouncer = cluster.pooler.as_ref().map(|_| counts.pooler);
        status.patroni = patroni(facts).or(status.patroni);
        status.pgbackrest = cluster.backups.as_ref().map(|_| PgBackRestStatus {
            repos: facts
                .repositories
                .iter()
                .map(|verdict| RepositoryStatus {
                    refuses_wal: archiving::refuses(facts, &verdict.repo).then_some(true),
                    ..repository(verdict, cluster, facts.observed)
                })
                .collect(),
            repo_host: repo_host(cluster, facts.observed),
            ..status.pgbackrest.clone().unwrap_or_default()
        });
    }
    conditions::update(&mut status, facts, now);
    standby::update(&mut status, facts, now);
    status
}

/// Pods wanted and ready.
struct Counts {
    sets: Vec<InstanceSetStatus>,
    wanted: i32,
    ready: i32,
    present: i32,
    outdated: i32,
    pooler: PgBouncerStatus,
}

impl Counts {
    fn of(cluster: &ValidatedCluster, observed: &Observed) -> Self {
        let mut sets: Vec<InstanceSetStatus> = cluster
            .sets
            .iter()
            .map(|set| InstanceSetStatus {
                name: set.name.clone(),
                size: 0,
                ready: 0,
            })
            .collect();
        let (mut present, mut outdated) = (0, 0);
        for instance in &cluster.instances {
            let pod = pod_of(observed, &instance.name);
            if let Some(set) = sets.get_mut(instance.set) {
                set.size += i32::from(instance.running);
                set.ready += i32::from(pod.is_some_and(is_ready));
            }
            present += i32::from(pod.is_some());
            outdated += i32::from(is_outdated(observed, &instance.name));
        }
        let pooler = observed
            .pooler
            .as_ref()
            .and_then(|deployment| deployment.status.clone())
            .unwrap_or_default();
        let size = cluster
            .pooler
            .as_ref()
            .map_or(0, |pooler| if cluster.paused { 0 } else { pooler.replicas });
        Self {
            wanted: sets.iter().map(|set| set.size).sum(),
            ready: sets.iter().map(|set| set.ready).sum(),
            sets,
            present,
            outdated,
            pooler: PgBouncerStatus {
                size,
                ready: pooler.ready_replicas.unwrap_or(0),
            },
        }
    }
}

fn state(cluster: &ValidatedCluster, counts: &Counts) -> ClusterState {
    if cluster.paused {
        let stopping = counts.present > 0 || counts.pooler.ready > 0;
        return if stopping {
            ClusterState::Stopping
        } else {
            ClusterState::Paused
        };
    }
    let all = counts.ready == counts.wanted && counts.wanted > 0 && counts.outdated == 0;
    if all && counts.pooler.ready >= counts.pooler.size {
        ClusterState::Ready
    } else {
        ClusterState::Initializing
    }
}

fn host(cluster: &ValidatedCluster, _observed: &Observed) -> String {
    let names = &cluster.names;
    let pooled = cluster.pooler.as_ref().is_some_and(|pooler| pooler.replicas > 0);
    names.service_host(&if pooled {
        names.pgbouncer()
    } else {
        names.primary()
    })
}

fn postgres(cluster: &ValidatedCluster, counts: &Counts) -> PostgresStatus {
    PostgresStatus {
        size: Some(counts.wanted),
        ready: Some(counts.ready),
        instances: counts.sets.clone(),
        version: Some(i64::from(cluster.postgres_version)),
        ..PostgresStatus::default()
    }
}

fn patroni(facts: &Facts<'_>) -> Option<PatroniStatus> {
    let system_identifier = system_identifier(facts.reports)?;
    let mut patroni = facts
        .observed
        .cluster
        .status
        .as_ref()
        .and_then(|status| status.patroni.clone())
        .unwrap_or_default();
    patroni.status = Some(PatroniClusterStatus {
        system_identifier: Some(system_identifier),
        ..patroni.status.unwrap_or_default()
    });
    Some(patroni)
}

fn repository(verdict: &Verdict, cluster: &ValidatedCluster, observed: &Observed) -> RepositoryStatus {
    let volumes = cluster.backups.iter().flat_map(|backups| &backups.volumes);
    let claim = volumes
        .into_iter()
        .find(|volume| volume.repo.name == verdict.repo)
        .map(|volume| {
            let claims = observed.volume_claims.iter();
            claims.into_iter().find(|claim| claim.name_any() == volume.claim)
        });
    let phase = |claim: &PersistentVolumeClaim| claim.status.as_ref()?.phase.clone();
    RepositoryStatus {
        name: verdict.repo.clone(),
        stanza_created: Some(verdict.stanza),
        bound: claim.map(|claim| claim.and_then(phase).as_deref() == Some("Bound")),
        volume: claim
            .flatten()
            .and_then(|claim| claim.spec.as_ref()?.volume_name.clone()),
        ..RepositoryStatus::default()
    }
}

/// Absent where no repository is on a volume.
fn repo_host(cluster: &ValidatedCluster, observed: &Observed) -> Option<RepoHostStatus> {
    cluster
        .backups
        .as_ref()
        .filter(|backups| !backups.volumes.is_empty())?;
    Some(RepoHostStatus {
        api_version: Some("apps/v1".to_owned()),
        kind: Some("StatefulSet".to_owned()),
        ready: Some(observed.repo_host.as_ref().is_some_and(is_ready)),
    })
}

/// The database's identity, as an instance reports it: of the one that takes writes, else of any.
#[must_use]
pub fn system_identifier(reports: &[(String, InstanceReport)]) -> Option<String> {
    let writable = reports
        .iter()
        .find(|(_, report)| report.in_recovery == Some(false));
    writable
        .or(reports.first())
        .and_then(|(_, report)| report.system_identifier.clone())
}

/// What the agents say, by instance; what cannot be read is as if it were not said.
#[must_use]
pub fn reports(observed: &Observed) -> Vec<(String, InstanceReport)> {
    observed
        .pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| {
            let text = pod.annotations().get(INSTANCE_ANNOTATION)?;
            Some((instance_of(pod)?, serde_json::from_str(text).ok()?))
        })
        .collect()
}

pub fn instance_of(pod: &Pod) -> Option<String> {
    pod.labels().get(super::names::LABEL_INSTANCE).cloned()
}

pub fn pod_of<'a>(observed: &'a Observed, instance: &str) -> Option<&'a Pod> {
    observed
        .pods
        .iter()
        .find(|pod| instance_of(pod).as_deref() == Some(instance))
}

pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether the Pod of an instance was made from another template than its `StatefulSet` has now.
pub fn is_outdated(observed: &Observed, instance: &str) -> bool {
    let wanted = observed
        .stateful_sets
        .iter()
        .find(|set| set.name_any() == instance)
        .and_then(|set| set.status.as_ref())
        .and_then(|status| status.update_revision.as_deref());
    let has = pod_of(observed, instance).and_then(|pod| pod.labels().get("controller-revision-hash"));
    matches!((wanted, has), (Some(wanted), Some(has)) if wanted != has)
}

/// Whether an instance says that it takes writes.
fn has_primary(facts: &Facts<'_>) -> bool {
    facts
        .reports
        .iter()
        .any(|(_, report)| report.in_recovery == Some(false))
}

#[cfg(test)]
mod tests;

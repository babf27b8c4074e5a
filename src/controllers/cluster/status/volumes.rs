//! Conditions of repositories on volumes: of the pod that mounts them, and of claims that outlived their repository.

use chrono::{DateTime, Utc};

use super::Facts;
use crate::api::cluster::status::PerconaPGClusterStatus;
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason};
use crate::controllers::cluster::names::Names;
use crate::controllers::cluster::volumes;

/// Sets both, or removes what does not apply.
pub fn update(status: &mut PerconaPGClusterStatus, facts: &Facts<'_>, now: DateTime<Utc>) {
    let generation = facts.observed.cluster.metadata.generation;
    for (kind, said) in [
        (ConditionType::PgBackRestRepoHostReady, repo_host(facts)),
        (ConditionType::RepositoryVolumesKept, kept(facts)),
    ] {
        match said {
            None => conditions::remove(&mut status.conditions, kind.as_str()),
            Some((holds, reason, message)) => conditions::set(
                &mut status.conditions,
                kind.as_str(),
                holds,
                reason.as_str(),
                &message,
                generation,
                now,
            ),
        }
    }
}

type Said = Option<(Status, Reason, String)>;

fn repo_host(facts: &Facts<'_>) -> Said {
    let cluster = facts.validated.ok()?;
    let backups = cluster.backups.as_ref()?;
    if backups.volumes.is_empty() {
        return None;
    }
    let why = volumes::why_not_ready(&cluster.names, facts.observed.repo_host.as_ref());
    Some(match why {
        None => {
            let message = "the pod that mounts the volumes serves".to_owned();
            (Status::True, Reason::AsSpecified, message)
        }
        Some(why) if cluster.paused => (Status::False, Reason::ClusterPaused, why),
        Some(why) => (Status::False, Reason::RepoHostNotReady, why),
    })
}

fn kept(facts: &Facts<'_>) -> Said {
    let cluster = &facts.observed.cluster;
    let names = Names::of(cluster);
    let kept = volumes::kept(&names, &cluster.spec, &facts.observed.volume_claims);
    if kept.is_empty() {
        return None;
    }
    let said: Vec<String> = kept
        .iter()
        .map(|(repository, claim)| {
            format!(
                "{repository} is no longer on a volume of this cluster; its claim {claim} is kept with all that is in it. \
                 To delete those backups for good: kubectl --namespace {} delete persistentvolumeclaim {claim}",
                names.namespace
            )
        })
        .collect();
    Some((Status::True, Reason::RepositoryRemoved, said.join("; ")))
}

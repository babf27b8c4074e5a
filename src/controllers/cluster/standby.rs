//! Whether a cluster may become a standby, be promoted, or start beside another one of the same database. Pure.
//!
//! A refusal changes nothing: what follows goes on following, what is stopped stays stopped. Two clusters that take writes on the
//! same database have two histories, and one of them is lost.

use kube::ResourceExt as _;

use super::dereference::Observed;
use super::repositories::Verdict;
use super::validate::Refusal;
use crate::agent::report::{InstanceReport, StandbyReport};
use crate::api::Reason;
use crate::api::cluster::standby::Standby;

/// What is known besides the objects of the cluster.
pub struct Scene<'a> {
    pub observed: &'a Observed,
    pub reports: &'a [(String, InstanceReport)],
    pub repositories: &'a [Verdict],
    /// Who else takes writes on the same database, and archives to the same place; asked for only where it matters.
    pub writer: &'a (dyn Fn() -> Option<String> + Sync),
}

/// What the leader of a standby says.
#[must_use]
pub fn leader(reports: &[(String, InstanceReport)]) -> Option<&StandbyReport> {
    reports.iter().find_map(|(_, report)| report.standby.as_ref())
}

/// What another cluster does may end this refusal.
#[must_use]
pub fn waits_for_another(refusal: &Refusal) -> bool {
    [
        Reason::PromotionRefused,
        Reason::AnotherTakesWrites,
        Reason::StandbySourceMissing,
        Reason::ClaimInUse,
        Reason::ReferenceMissing,
    ]
    .contains(&refusal.reason)
}

/// Decides.
pub fn allowed(scene: &Scene<'_>) -> Result<(), Refusal> {
    let cluster = &scene.observed.cluster;
    let follows = cluster
        .status
        .as_ref()
        .is_some_and(|status| status.standby.is_some());
    let wanted = cluster.spec.standby.as_ref().filter(|standby| standby.enabled);
    match wanted {
        Some(_) if follows => Ok(()),
        Some(standby) => may_begin(scene, standby),
        None if follows => may_be_promoted(scene),
        None => may_start(scene),
    }
}

fn may_begin(scene: &Scene<'_>, standby: &Standby) -> Result<(), Refusal> {
    let cluster = &scene.observed.cluster;
    // Claims that are older than the object were kept when one of this name went.
    let kept = scene
        .observed
        .claims
        .iter()
        .find(|claim| claim.metadata.creation_timestamp < cluster.metadata.creation_timestamp);
    let own = match (cluster.system_identifier(), kept) {
        (Some(_), _) => Some("this cluster has a database of its own".to_owned()),
        (None, Some(claim)) => Some(format!(
            "claim {} holds data from before this cluster was made",
            claim.name_any()
        )),
        (None, None) => None,
    };
    if let Some(why) = own {
        return Err(Refusal::new(
            Reason::StandbyHasOwnData,
            format!("spec.standby: {why}, which a standby would give up"),
        ));
    }
    let Some(name) = standby.repo_name.as_ref().filter(|_| standby.host.is_none()) else {
        return Ok(());
    };
    let Some(verdict) = scene.repositories.iter().find(|verdict| verdict.repo == *name) else {
        // That it is not there is told by validation.
        return Ok(());
    };
    let version = cluster.spec.postgres_version.to_string();
    let why = match &verdict.database {
        None => verdict.message.clone(),
        Some(_) if verdict.empty => format!("{name} holds no backup to begin with"),
        Some(held) if held.version != version => format!(
            "{name} holds a database of PostgreSQL {}, and spec.postgresVersion is {version}",
            held.version
        ),
        Some(_) => return Ok(()),
    };
    Err(Refusal::new(
        Reason::StandbySourceMissing,
        format!("spec.standby: {why}"),
    ))
}

fn may_be_promoted(scene: &Scene<'_>) -> Result<(), Refusal> {
    let promoted = scene
        .reports
        .iter()
        .any(|(_, report)| report.in_recovery == Some(false));
    if promoted {
        return Ok(());
    }
    let refused = |why: String| Err(Refusal::new(Reason::PromotionRefused, why));
    if leader(scene.reports).is_some_and(|leader| leader.streaming) {
        return refused("a primary still sends WAL to this standby".to_owned());
    }
    match (scene.writer)() {
        Some(other) => refused(format!(
            "PerconaPGCluster {other}, whose repository this standby reads, is not stopped"
        )),
        None => Ok(()),
    }
}

/// Only while nothing runs: what runs is never stopped for a neighbour.
fn may_start(scene: &Scene<'_>) -> Result<(), Refusal> {
    if !scene.observed.pods.is_empty() || scene.observed.cluster.spec.pause.unwrap_or(false) {
        return Ok(());
    }
    match (scene.writer)() {
        Some(other) => Err(Refusal::new(
            Reason::AnotherTakesWrites,
            format!(
                "PerconaPGCluster {other} took over: it takes writes on this database, and archives to the same place"
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

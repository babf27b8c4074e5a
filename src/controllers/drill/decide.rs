//! What is due, and what is known of each rehearsal. Pure.

use chrono::{DateTime, Utc};
use kube::{Resource as _, ResourceExt};

use crate::api::cluster::drills::{Drill, DrillStatus};
use crate::api::{
    ConditionType, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreSpec, Reason, conditions, time,
};
use crate::domain::schedule::{Schedule, Terms, account, run_name};

/// Objects of rehearsals that ended are kept, the newest so many of each.
const KEPT: usize = 3;

/// What a look at one rehearsal comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// To be made now.
    pub make: Option<PerconaPGRestore>,
    /// To be deleted: older than those that are kept.
    pub stale: Vec<String>,
    /// What is known.
    pub status: DrillStatus,
    /// When to look again.
    pub wake: Option<DateTime<Utc>>,
}

/// Decides about one rehearsal of a cluster; `runs` are the objects of this one.
#[must_use]
pub fn decide(
    cluster: &PerconaPGCluster,
    drill: &Drill,
    runs: &[PerconaPGRestore],
    now: DateTime<Utc>,
) -> Decision {
    let known = known(cluster, &drill.name);
    let mut status = told(drill, known.cloned().unwrap_or_default(), runs);
    let mut ended: Vec<&PerconaPGRestore> = runs.iter().filter(|run| completed(run).is_some()).collect();
    ended.sort_by_key(|run| std::cmp::Reverse(completed(run)));
    let stale = ended.into_iter().skip(KEPT).map(ResourceExt::name_any).collect();
    let schedule = drill.schedule.as_deref().filter(|_| drill.suspend != Some(true));
    let schedule = schedule.and_then(|text| Schedule::parse(text, drill.time_zone.as_deref(), now).ok());
    let Some(schedule) = schedule else {
        (status.next, status.last_due) = (None, None);
        return Decision {
            make: None,
            stale,
            status,
            wake: None,
        };
    };
    // What was due before anybody knew of it is not caught up.
    let since = status.last_due.as_ref().map_or(now, time::from_kubernetes);
    let account = account(&schedule, since.min(now), now, Terms::default());
    // One that is under way proves what this one would.
    let busy = runs.iter().any(|run| completed(run).is_none());
    let due = account.run.filter(|_| !busy);
    status.last_due = Some(time::to_kubernetes(account.accounted.unwrap_or(since)));
    status.next = account.next.map(time::to_kubernetes);
    Decision {
        make: due.and_then(|due| restore(cluster, drill, due)),
        stale,
        status,
        wake: account.next,
    }
}

/// What was known before.
fn known<'a>(cluster: &'a PerconaPGCluster, name: &str) -> Option<&'a DrillStatus> {
    let recovery = cluster.status.as_ref()?.recovery.as_ref()?;
    recovery.drills.iter().find(|drill| drill.name == name)
}

fn completed(run: &PerconaPGRestore) -> Option<DateTime<Utc>> {
    let status = run.status.as_ref()?;
    status.completed.as_ref().map(time::from_kubernetes)
}

/// What is known, with what the objects say in addition.
fn told(drill: &Drill, mut known: DrillStatus, runs: &[PerconaPGRestore]) -> DrillStatus {
    known.name.clone_from(&drill.name);
    let mut ended: Vec<&PerconaPGRestore> = runs.iter().filter(|run| completed(run).is_some()).collect();
    ended.sort_by_key(|run| completed(run));
    let before = known.last_ended.as_ref().map(time::from_kubernetes);
    for run in ended.into_iter().filter(|run| completed(run) > before) {
        let status = run.status.clone().unwrap_or_default();
        let complete = conditions::find(&status.conditions, ConditionType::Complete.as_str());
        let reason = complete.map(|condition| condition.reason.clone());
        known.last_run = Some(run.name_any());
        known.last_ended.clone_from(&status.completed);
        if reason.as_deref() == Some(Reason::Proven.as_str()) {
            let found = status.preflight.unwrap_or_default();
            let restored = status.restored.unwrap_or_default();
            known.last_proven = status.completed;
            known.backup = found.backup;
            known.repository = found.repository;
            known.target = found.stop_target.or(found.target);
            known.reached = restored.last_commit;
            known.copy_seconds = restored.copy_seconds;
            known.recovery_seconds = restored.recovery_seconds;
            known.total_seconds = restored.total_seconds;
        }
        known.last_result = reason;
    }
    known
}

fn restore(cluster: &PerconaPGCluster, drill: &Drill, due: DateTime<Utc>) -> Option<PerconaPGRestore> {
    let name = cluster.name_any();
    let owner = cluster.controller_owner_ref(&())?;
    let mut restore = PerconaPGRestore::new(
        &run_name(&name, "drill", &drill.name, due),
        PerconaPGRestoreSpec {
            pg_cluster: name,
            drill: Some(drill.name.clone()),
            ..PerconaPGRestoreSpec::default()
        },
    );
    restore.metadata.namespace = cluster.namespace();
    restore.metadata.owner_references = Some(vec![owner]);
    Some(restore)
}

#[cfg(test)]
mod tests;

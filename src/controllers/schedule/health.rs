//! The condition `SchedulesHealthy`: what a person has to know first.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::decide::Decision;
use super::plan::Plan;
use crate::api::conditions::{self, Status};
use crate::api::schedules::{RunResult, ScheduleStatus};
use crate::api::{ConditionType, PerconaPGCluster, Reason, time};

/// The conditions of this controller; none without schedules.
#[must_use]
pub fn conditions(
    cluster: &PerconaPGCluster,
    plan: &Plan,
    decisions: &[Decision],
    now: DateTime<Utc>,
) -> Vec<Condition> {
    if plan.entries.is_empty() && plan.problems.is_empty() {
        return Vec::new();
    }
    let kind = ConditionType::SchedulesHealthy.as_str();
    let before = cluster.status.clone().unwrap_or_default().conditions;
    let mut own: Vec<Condition> = conditions::find(&before, kind).cloned().into_iter().collect();
    let (status, reason, message) = judge(plan, decisions);
    let generation = cluster.metadata.generation;
    conditions::set(&mut own, kind, status, reason.as_str(), &message, generation, now);
    own
}

fn judge(plan: &Plan, decisions: &[Decision]) -> (Status, Reason, String) {
    let schedules = || decisions.iter().map(|decision| &decision.status);
    if !plan.problems.is_empty() {
        return (Status::False, Reason::ScheduleInvalid, plan.problems.join("; "));
    }
    if let Some(refused) = decisions.iter().find_map(|decision| decision.refused.as_deref()) {
        let message = format!("the backup that is due cannot be made: {refused}");
        return (Status::False, Reason::ApiRefused, message);
    }
    let failed = sentences(schedules(), |schedule| {
        let run = schedule.last_run.as_ref()?;
        (run.result == RunResult::Failed).then(|| format!("PerconaPGBackup {} failed", run.name))
    });
    if !failed.is_empty() {
        return (Status::False, Reason::ScheduledBackupFailed, failed);
    }
    let missed = sentences(schedules(), missed);
    if !missed.is_empty() {
        return (Status::False, Reason::BackupsMissed, missed);
    }
    if plan.entries.iter().all(|entry| entry.suspended) {
        let message = "every schedule is suspended".to_owned();
        return (Status::False, Reason::SchedulesSuspended, message);
    }
    let next = schedules()
        .filter_map(|schedule| Some((moment(schedule.next_due.as_ref())?, schedule)))
        .min_by_key(|(due, _)| *due);
    let message = next.map_or_else(String::new, |(due, schedule)| {
        let (repo, kind) = (&schedule.repo, &schedule.kind);
        format!("next: {kind} into {repo} at {}", due.format("%Y-%m-%d %H:%M UTC"))
    });
    (Status::True, Reason::AsSpecified, message)
}

fn sentences<'a>(
    schedules: impl Iterator<Item = &'a ScheduleStatus>,
    of: impl Fn(&ScheduleStatus) -> Option<String>,
) -> String {
    let each = schedules.filter_map(|schedule| {
        let (repo, kind) = (&schedule.repo, &schedule.kind);
        Some(format!("{repo}, {kind}: {}", of(schedule)?))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// A time made no backup, and none of this schedule has ended well since. What the user asked for himself is no matter of
/// health.
fn missed(schedule: &ScheduleStatus) -> Option<String> {
    let omitted = schedule.last_omitted.as_ref()?;
    let due = moment(omitted.due.as_ref())?;
    let by_wish = [
        Reason::SchedulesSuspended,
        Reason::BlackoutWindow,
        Reason::ClusterPaused,
        Reason::ClusterIsStandby,
    ];
    let made_up = moment(schedule.last_success.as_ref()).is_some_and(|ended| ended >= due);
    if made_up || by_wish.iter().any(|reason| reason.as_str() == omitted.reason) {
        return None;
    }
    let (missed, skipped) = (schedule.missed, schedule.skipped);
    Some(format!(
        "the backup of {} was not taken ({}); {missed} missed and {skipped} skipped of {}",
        due.format("%Y-%m-%d %H:%M UTC"),
        omitted.reason,
        schedule.due
    ))
}

fn moment(time: Option<&Time>) -> Option<DateTime<Utc>> {
    time.map(time::from_kubernetes)
}

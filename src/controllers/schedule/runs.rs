//! What became of runs: read from the backups themselves.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use crate::api::backup::JobState;
use crate::api::schedules::{RunResult, ScheduleStatus, ScheduledRun};
use crate::api::{PerconaPGBackup, time};

/// Whether the account waits for the end of a run.
#[must_use]
pub fn is_waited_for(known: &ScheduleStatus) -> bool {
    known
        .last_run
        .as_ref()
        .is_some_and(|run| run.result == RunResult::Unfinished)
}

/// The last run, with what became of it. One that has ended stays as it ended, also when somebody deletes it then.
#[must_use]
pub fn followed(known: &ScheduleStatus, existing: &[PerconaPGBackup]) -> Option<ScheduledRun> {
    let mut run = known.last_run.clone()?;
    if run.result == RunResult::Unfinished {
        run.result = existing
            .iter()
            .find(|backup| backup.name_any() == run.name)
            .map_or(RunResult::Deleted, result);
    }
    Some(run)
}

fn result(backup: &PerconaPGBackup) -> RunResult {
    match backup.status.as_ref().and_then(|status| status.state.as_ref()) {
        Some(JobState::Succeeded) => RunResult::Succeeded,
        Some(JobState::Failed) => RunResult::Failed,
        _ => RunResult::Unfinished,
    }
}

/// When the last one that succeeded ended.
#[must_use]
pub fn last_success(known: &ScheduleStatus, existing: &[PerconaPGBackup]) -> Option<Time> {
    let last = known.last_run.as_ref();
    let ended = existing
        .iter()
        .find(|backup| last.is_some_and(|run| run.name == backup.name_any()))
        .filter(|backup| result(backup) == RunResult::Succeeded)
        .and_then(|backup| backup.status.as_ref()?.completed.clone());
    ended
        .into_iter()
        .chain(known.last_success.clone())
        .max_by_key(time::from_kubernetes)
}

//! Status of a backup as a function of what was observed, what happened, and the clock that is passed in.

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::build::{CONTAINER, job_name};
use super::decide::Accepted;
use super::dereference::Observed;
use super::failure::Trouble;
use crate::agent::report::{BackupProgress as Reported, PROGRESS_ANNOTATION};
use crate::api::backup::{BackupProgress, JobState, PerconaPGBackupStatus};
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason, time};
use crate::domain::progress::{Progress, Sample, Tracker};
use crate::domain::size::Bytes;
use crate::pgbackrest::repository::BackupEvidence;

/// What happened in this reconcile.
pub enum Happened<'a> {
    /// It waits.
    Waits(&'a Trouble, bool),
    /// Its Job has been created, or is there and its Pod does not run yet.
    Begins(&'a Accepted, &'a str),
    /// pgBackRest runs.
    Runs(&'a Accepted, &'a str, Option<Progress>),
    /// pgBackRest has ended; the repository does not confirm it yet.
    Unconfirmed(&'a Trouble),
    /// The repository holds it.
    Succeeded(&'a BackupEvidence),
    /// It was not taken.
    Failed(&'a Trouble),
}

/// The new status; the old one is kept where nothing is known now.
#[must_use]
pub fn status(observed: &Observed, happened: &Happened<'_>, now: DateTime<Utc>) -> PerconaPGBackupStatus {
    let mut status = observed.backup.status.clone().unwrap_or_default();
    let generation = observed.backup.metadata.generation;
    let say = |status: &mut PerconaPGBackupStatus,
               type_: ConditionType,
               holds: Status,
               reason: Reason,
               text: &str| {
        conditions::set(
            &mut status.conditions,
            type_.as_str(),
            holds,
            reason.as_str(),
            text,
            generation,
            now,
        );
    };
    match happened {
        Happened::Waits(trouble, for_turn) => {
            status.state = Some(status.state.unwrap_or(JobState::New));
            let accepted = Status::from(*for_turn);
            let (reason, text) = if *for_turn {
                (Reason::AsSpecified, "")
            } else {
                (trouble.reason, trouble.message.as_str())
            };
            say(&mut status, ConditionType::Accepted, accepted, reason, text);
            if *for_turn {
                say(
                    &mut status,
                    ConditionType::BackupLeaseAcquired,
                    Status::False,
                    trouble.reason,
                    &trouble.message,
                );
            }
        }
        Happened::Begins(accepted, image) => {
            if status.state != Some(JobState::Running) {
                status.state = Some(JobState::Starting);
            }
            begun(&mut status, observed, accepted, image);
            say(
                &mut status,
                ConditionType::Accepted,
                Status::True,
                Reason::AsSpecified,
                "",
            );
            let held = ConditionType::BackupLeaseAcquired;
            say(&mut status, held, Status::True, Reason::AsSpecified, "");
            let (reason, text) = not_running(observed);
            say(&mut status, ConditionType::Running, Status::False, reason, &text);
        }
        Happened::Runs(accepted, image, progress) => {
            status.state = Some(JobState::Running);
            begun(&mut status, observed, accepted, image);
            say(
                &mut status,
                ConditionType::Accepted,
                Status::True,
                Reason::AsSpecified,
                "",
            );
            let held = ConditionType::BackupLeaseAcquired;
            say(&mut status, held, Status::True, Reason::AsSpecified, "");
            let tries = observed.pods.len();
            let text = match tries {
                0 | 1 => "pgBackRest is at work".to_owned(),
                _ => format!("pgBackRest is at work; try {tries}: the one before was interrupted or failed"),
            };
            say(
                &mut status,
                ConditionType::Running,
                Status::True,
                Reason::InProgress,
                &text,
            );
            status.started_at = status
                .started_at
                .or_else(|| Some(time::to_kubernetes(started(observed, now))));
            status.progress = progress.as_ref().map(shown).or(status.progress);
        }
        Happened::Unconfirmed(trouble) => {
            say(
                &mut status,
                ConditionType::Running,
                Status::False,
                Reason::VerificationPending,
                "pgBackRest has ended",
            );
            say(
                &mut status,
                ConditionType::Verified,
                Status::False,
                trouble.reason,
                &trouble.message,
            );
        }
        Happened::Succeeded(evidence) => {
            status.state = Some(JobState::Succeeded);
            status.error = None;
            confirmed(&mut status, evidence);
            let label = evidence.backup.label.as_str();
            say(
                &mut status,
                ConditionType::Running,
                Status::False,
                Reason::Succeeded,
                "pgBackRest has ended",
            );
            let text = format!("backup.info lists {label}, and its WAL is in the archive");
            say(
                &mut status,
                ConditionType::Verified,
                Status::True,
                Reason::Succeeded,
                &text,
            );
            say(
                &mut status,
                ConditionType::Complete,
                Status::True,
                Reason::Succeeded,
                &text,
            );
            conditions::remove(
                &mut status.conditions,
                ConditionType::BackupLeaseAcquired.as_str(),
            );
        }
        Happened::Failed(trouble) => {
            status.state = Some(JobState::Failed);
            status.error = Some(trouble.message.clone());
            status.completed = Some(time::to_kubernetes(now));
            if let Some(progress) = &mut status.progress {
                progress.bytes_per_second = None;
                progress.eta_seconds = None;
                progress.summary = None;
            }
            say(
                &mut status,
                ConditionType::Running,
                Status::False,
                trouble.reason,
                "",
            );
            say(
                &mut status,
                ConditionType::Complete,
                Status::False,
                trouble.reason,
                &trouble.message,
            );
            conditions::remove(
                &mut status.conditions,
                ConditionType::BackupLeaseAcquired.as_str(),
            );
        }
    }
    status
}

fn begun(status: &mut PerconaPGBackupStatus, observed: &Observed, accepted: &Accepted, image: &str) {
    status.job_name = Some(job_name(&observed.backup));
    status.image = Some(image.to_owned());
    status.repo = Some(accepted.repository.clone());
    status.storage_type = accepted
        .repository
        .store()
        .map(|store| store.storage_type().to_owned());
    status.cr_version = observed
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.spec.cr_version.clone())
        .or_else(|| Some(env!("CARGO_PKG_VERSION").to_owned()));
}

fn confirmed(status: &mut PerconaPGBackupStatus, evidence: &BackupEvidence) {
    let backup = &evidence.backup;
    status.backup_name = Some(backup.label.as_str().to_owned());
    status.backup_type = Some(backup.backup_type.as_str().to_owned());
    status.size = i64::try_from(backup.size_delta).ok();
    status.completed = Some(time::to_kubernetes(backup.stopped));
    status.started_at = Some(time::to_kubernetes(backup.started));
    let bytes = i64::try_from(backup.size_delta).ok();
    status.progress = Some(BackupProgress {
        bytes_done: bytes,
        bytes_total: bytes,
        percent: Some(100),
        bytes_per_second: None,
        eta_seconds: None,
        summary: Some(format!(
            "100% {} in {}s",
            Bytes(backup.size_delta),
            (backup.stopped - backup.started).num_seconds()
        )),
    });
}

fn shown(progress: &Progress) -> BackupProgress {
    BackupProgress {
        bytes_done: i64::try_from(progress.done).ok(),
        bytes_total: i64::try_from(progress.total).ok(),
        percent: Some(i32::from(progress.percent)),
        bytes_per_second: progress.rate.and_then(|rate| i64::try_from(rate).ok()),
        eta_seconds: progress.eta.map(|eta| eta.num_seconds()),
        summary: Some(progress.to_string()),
    }
}

/// Adds what the Pod says to the tracker, and what to show of it.
#[must_use]
pub fn track(observed: &Observed, tracker: &mut Tracker) -> Option<Progress> {
    let pod = running(observed)?;
    let text = pod.annotations().get(PROGRESS_ANNOTATION)?;
    let reported: Reported = serde_json::from_str(text).ok()?;
    let sample = Sample {
        at: reported.at?,
        done: reported.bytes_done,
        total: reported.bytes_total,
    };
    (sample.total > 0).then(|| tracker.add(sample))
}

/// The Pod whose container runs now.
#[must_use]
pub fn running(observed: &Observed) -> Option<&Pod> {
    observed.pods.iter().rev().find(|pod| {
        pod.metadata.deletion_timestamp.is_none()
            && container_state(pod).is_some_and(|state| state.running.is_some())
    })
}

fn started(observed: &Observed, now: DateTime<Utc>) -> DateTime<Utc> {
    let at = || {
        let running = container_state(running(observed)?)?.running.as_ref()?;
        running.started_at.as_ref().map(time::from_kubernetes)
    };
    at().unwrap_or(now)
}

fn container_state(pod: &Pod) -> Option<&k8s_openapi::api::core::v1::ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == CONTAINER)?;
    status.state.as_ref()
}

/// Why pgBackRest does not run although its Job is there.
fn not_running(observed: &Observed) -> (Reason, String) {
    let Some(pod) = observed.pods.last() else {
        return (Reason::InProgress, "The Job has no Pod yet".to_owned());
    };
    let name = pod.name_any();
    let status = pod.status.clone().unwrap_or_default();
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let text = condition.message.clone().unwrap_or_default();
        return (
            Reason::PodNotStarting,
            format!("Pod {name} is not scheduled: {text}"),
        );
    }
    let waiting = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref())
        .find(|waiting| {
            !matches!(
                waiting.reason.as_deref(),
                None | Some("PodInitializing" | "ContainerCreating")
            )
        });
    if let Some(waiting) = waiting {
        let reason = waiting.reason.clone().unwrap_or_default();
        let text = waiting.message.clone().unwrap_or_default();
        return (Reason::PodNotStarting, format!("Pod {name}: {reason} {text}"));
    }
    if super::failure::terminated(pod).is_some() {
        let text = format!("Pod {name} ended without a backup; another try follows");
        return (Reason::Interrupted, text);
    }
    (Reason::InProgress, format!("Pod {name} is starting"))
}

#[cfg(test)]
mod tests;

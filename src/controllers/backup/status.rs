//! Status of a backup as a function of what was observed, what happened, and the clock that is passed in.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt as _;

use super::build::job_name;
use super::decide::Accepted;
use super::dereference::Observed;
use super::failure::{Evidence, Trouble, of_pod, terminated};
use super::fate::{own, silent_node};
use super::source::{copied_from, shown_source};
use crate::agent::report::{BackupProgress as Reported, PROGRESS_ANNOTATION};
use crate::api::backup::{BackupOrigin, BackupProgress, JobState, PerconaPGBackup, PerconaPGBackupStatus};
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason, time};
use crate::controllers::cluster::names::{LABEL_INITIAL, LABEL_SCHEDULE};
use crate::domain::progress::{Progress, Sample, Tracker};
use crate::domain::size::Bytes;
use crate::pgbackrest::repository::BackupEvidence;

const ENDED: &str = "pgBackRest has ended";
/// Kubernetes makes a Job's Pod within a second or two.
pub const PATIENCE: TimeDelta = TimeDelta::seconds(20);

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
    let mut draft = Draft {
        status: observed.backup.status.clone().unwrap_or_default(),
        observed,
        now,
    };
    draft.status.origin = Some(origin(&observed.backup));
    match happened {
        Happened::Waits(trouble, for_turn) => draft.waits(trouble, *for_turn),
        Happened::Begins(accepted, image) => draft.begins(accepted, image),
        Happened::Runs(accepted, image, progress) => draft.runs(accepted, image, progress.as_ref()),
        Happened::Unconfirmed(trouble) => draft.unconfirmed(trouble),
        Happened::Succeeded(evidence) => draft.succeeded(evidence),
        Happened::Failed(trouble) => draft.failed(trouble),
    }
    draft.status
}

/// A status in the making.
struct Draft<'a> {
    status: PerconaPGBackupStatus,
    observed: &'a Observed,
    now: DateTime<Utc>,
}

impl Draft<'_> {
    fn say(&mut self, type_: ConditionType, holds: Status, reason: Reason, text: &str) {
        conditions::set(
            &mut self.status.conditions,
            type_.as_str(),
            holds,
            reason.as_str(),
            text,
            self.observed.backup.metadata.generation,
            self.now,
        );
    }

    fn waits(&mut self, trouble: &Trouble, for_turn: bool) {
        self.status.state.get_or_insert(JobState::New);
        let (reason, text) = (trouble.reason, trouble.message.as_str());
        if for_turn {
            self.say(ConditionType::Accepted, Status::True, Reason::AsSpecified, "");
            self.say(ConditionType::BackupLeaseAcquired, Status::False, reason, text);
        } else {
            self.say(ConditionType::Accepted, Status::False, reason, text);
        }
    }

    fn begins(&mut self, accepted: &Accepted, image: &str) {
        if self.status.state != Some(JobState::Running) {
            self.status.state = Some(JobState::Starting);
        }
        self.begun(accepted, image);
        let (reason, text) = not_running(self.observed, self.now);
        self.say(ConditionType::Running, Status::False, reason, &text);
    }

    fn runs(&mut self, accepted: &Accepted, image: &str, progress: Option<&Progress>) {
        self.status.state = Some(JobState::Running);
        self.begun(accepted, image);
        let text = match tries(self.observed) {
            0 | 1 => "pgBackRest is at work".to_owned(),
            tries => {
                let before = try_before(self.observed);
                let why = before.map_or_else(String::new, |trouble| {
                    format!(", the one before: {}", trouble.reason)
                });
                format!("pgBackRest is at work; try {tries}{why}")
            }
        };
        self.say(ConditionType::Running, Status::True, Reason::InProgress, &text);
        if self.status.started_at.is_none() {
            self.status.started_at = Some(time::to_kubernetes(started(self.observed, self.now)));
        }
        if let Some(progress) = progress {
            self.status.progress = Some(shown(progress));
        }
    }

    fn unconfirmed(&mut self, trouble: &Trouble) {
        let pending = Reason::VerificationPending;
        self.say(ConditionType::Running, Status::False, pending, ENDED);
        self.say(
            ConditionType::Verified,
            Status::False,
            trouble.reason,
            &trouble.message,
        );
    }

    fn succeeded(&mut self, evidence: &BackupEvidence) {
        self.status.state = Some(JobState::Succeeded);
        self.status.error = None;
        confirmed(&mut self.status, evidence);
        let copied_from = copied_from(self.observed, evidence);
        let label = evidence.backup.label.as_str();
        let text = format!(
            "backup.info lists {label}, copied from {}, and its WAL is in the archive",
            shown_source(&copied_from)
        );
        self.status.copied_from = Some(copied_from);
        self.say(ConditionType::Running, Status::False, Reason::Succeeded, ENDED);
        self.say(ConditionType::Verified, Status::True, Reason::Succeeded, &text);
        self.say(ConditionType::Complete, Status::True, Reason::Succeeded, &text);
        self.turn_is_over();
    }

    fn failed(&mut self, trouble: &Trouble) {
        self.status.state = Some(JobState::Failed);
        self.status.error = Some(trouble.message.clone());
        self.status.completed = Some(time::to_kubernetes(self.now));
        if let Some(progress) = &mut self.status.progress {
            progress.bytes_per_second = None;
            progress.eta_seconds = None;
            progress.summary = None;
        }
        self.say(ConditionType::Running, Status::False, trouble.reason, "");
        self.say(
            ConditionType::Complete,
            Status::False,
            trouble.reason,
            &trouble.message,
        );
        self.turn_is_over();
    }

    fn turn_is_over(&mut self) {
        let turn = ConditionType::BackupLeaseAcquired.as_str();
        conditions::remove(&mut self.status.conditions, turn);
    }

    fn begun(&mut self, accepted: &Accepted, image: &str) {
        begun(&mut self.status, self.observed, accepted, image);
        self.say(ConditionType::Accepted, Status::True, Reason::AsSpecified, "");
        self.say(
            ConditionType::BackupLeaseAcquired,
            Status::True,
            Reason::AsSpecified,
            "",
        );
    }
}

fn origin(backup: &PerconaPGBackup) -> BackupOrigin {
    let labels = backup.labels();
    if labels.contains_key(LABEL_SCHEDULE) {
        BackupOrigin::Schedule
    } else if labels.contains_key(LABEL_INITIAL) {
        BackupOrigin::Initial
    } else {
        BackupOrigin::Manual
    }
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
    let reported = reported(running(observed)?)?;
    let sample = Sample {
        at: reported.at?,
        done: reported.bytes_done,
        total: reported.bytes_total,
    };
    (sample.total > 0).then(|| tracker.add(sample))
}

/// What the agent in the Pod says.
#[must_use]
pub fn reported(pod: &Pod) -> Option<Reported> {
    let text = pod.annotations().get(PROGRESS_ANNOTATION)?;
    serde_json::from_str(text).ok()
}

/// The Pod whose container runs now, as far as can be known: one on a node that does not answer does not count.
#[must_use]
pub fn running(observed: &Observed) -> Option<&Pod> {
    observed.pods.iter().rev().find(|pod| {
        pod.metadata.deletion_timestamp.is_none()
            && container_state(pod).is_some_and(|state| state.running.is_some())
            && silent_node(pod).is_none()
    })
}

fn started(observed: &Observed, now: DateTime<Utc>) -> DateTime<Utc> {
    let at = || {
        let running = container_state(running(observed)?)?.running.as_ref()?;
        running.started_at.as_ref().map(time::from_kubernetes)
    };
    at().unwrap_or(now)
}

fn container_state(pod: &Pod) -> Option<&ContainerState> {
    own(pod)?.state.as_ref()
}

/// Why pgBackRest does not run although its Job is there.
fn not_running(observed: &Observed, now: DateTime<Utc>) -> (Reason, String) {
    let Some(pod) = observed.pods.last() else {
        return without_pod(observed, now);
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
    // The agent's end is what a container waits after that is to be started again.
    let ordinary = |reason: &str| {
        reason == "PodInitializing" || reason == "ContainerCreating" || reason == "CrashLoopBackOff"
    };
    let waiting = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref())
        .find(|waiting| waiting.reason.as_deref().is_some_and(|reason| !ordinary(reason)));
    if let Some(waiting) = waiting {
        let reason = waiting.reason.clone().unwrap_or_default();
        let text = waiting.message.clone().unwrap_or_default();
        return (Reason::PodNotStarting, format!("Pod {name}: {reason} {text}"));
    }
    if terminated(pod).is_some_and(|state| state.exit_code == 0) {
        return (Reason::InProgress, ENDED.to_owned());
    }
    match of_pod(pod, evidence(observed)) {
        Some(trouble) => (
            trouble.reason,
            format!("{} Another try follows.", trouble.message),
        ),
        None => (Reason::InProgress, format!("Pod {name} is starting")),
    }
}

/// A quota, a policy or a priority class that is not there keeps Kubernetes from making the Pod; only its Events say so.
fn without_pod(observed: &Observed, now: DateTime<Utc>) -> (Reason, String) {
    let created = observed
        .job
        .as_ref()
        .and_then(|job| job.metadata.creation_timestamp.as_ref());
    let age = created.map_or_else(TimeDelta::zero, |created| now - time::from_kubernetes(created));
    if age < PATIENCE {
        return (Reason::InProgress, "The Job has no Pod yet".to_owned());
    }
    let job = job_name(&observed.backup);
    let text = format!("Kubernetes makes no Pod for Job {job}: 'kubectl describe job {job}' shows why");
    (Reason::PodNotStarting, text)
}

/// What is known beside the Pods while their Job has not ended.
fn evidence(observed: &Observed) -> Evidence<'_> {
    Evidence {
        leader: observed.leader.as_ref(),
        ..Evidence::default()
    }
}

/// So many were begun, of those that can still be seen.
fn tries(observed: &Observed) -> usize {
    let restarts = |pod: &Pod| own(pod).map_or(0, |status| status.restart_count);
    let restarts: i32 = observed.pods.iter().map(restarts).sum();
    observed.pods.len() + usize::try_from(restarts).unwrap_or(0)
}

/// Why the last one before the one that runs ended.
fn try_before(observed: &Observed) -> Option<Trouble> {
    let (last, before) = observed.pods.split_last()?;
    let evidence = evidence(observed);
    // One that was started again in the same Pod left its end there.
    let restarted = terminated(last).and_then(|_| of_pod(last, evidence));
    restarted.or_else(|| before.iter().rev().find_map(|pod| of_pod(pod, evidence)))
}

#[cfg(test)]
mod tests;

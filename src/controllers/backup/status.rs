//! Status of a backup as a function of what was observed, what happened, and the clock that is passed in.

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt as _;

use super::build::job_name;
use super::decide::Accepted;
use super::dereference::Observed;
use super::failure::Trouble;
use super::fate::{own, silent_node};
use super::source::{copied_from, shown_source};
use super::tries::{self, not_running};
use crate::agent::report::{BackupProgress as Reported, PROGRESS_ANNOTATION};
use crate::api::backup::{BackupOrigin, BackupProgress, JobState, PerconaPGBackup, PerconaPGBackupStatus};
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, Reason, time};
use crate::controllers::cluster::names::{LABEL_INITIAL, LABEL_SCHEDULE};
use crate::domain::progress::{Progress, Sample, Tracker};
use crate::domain::size::Bytes;
use crate::pgbackrest::repository::BackupEvidence;

pub const ENDED: &str = "pgBackRest has ended";

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
        let text = match tries::tries(self.observed) {
            0 | 1 => "pgBackRest is at work".to_owned(),
            tries => {
                let why = tries::shown_before(self.observed);
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

#[cfg(test)]
mod tests;

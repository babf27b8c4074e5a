//! The status of a restore. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::preflight::Assessment;
use super::wanted::Refused;
use crate::api::backup::JobState;
use crate::api::cluster::drills::CheckResult;
use crate::api::conditions::{self, Status};
use crate::api::restore::{RestoreProgress, Restored};
use crate::api::{ConditionType, PerconaPGRestore, PerconaPGRestoreStatus, Reason, time};

/// A status in the making.
pub struct Draft<'a> {
    status: PerconaPGRestoreStatus,
    restore: &'a PerconaPGRestore,
    now: DateTime<Utc>,
}

/// It waits for something to be put right.
#[must_use]
pub fn waits(restore: &PerconaPGRestore, why: &Refused, now: DateTime<Utc>) -> PerconaPGRestoreStatus {
    let mut draft = Draft::of(restore, now);
    draft.status.state = Some(JobState::New);
    draft.say(ConditionType::Accepted, Status::False, why.reason, &why.what);
    draft.status
}

/// It has ended before anything was looked at.
#[must_use]
pub fn failed(restore: &PerconaPGRestore, why: &Refused, now: DateTime<Utc>) -> PerconaPGRestoreStatus {
    let mut draft = Draft::of(restore, now);
    draft.say(ConditionType::Accepted, Status::False, why.reason, &why.what);
    draft.failed(why);
    draft.status
}

/// It was looked at.
#[must_use]
pub fn looked_at(
    restore: &PerconaPGRestore,
    assessment: Assessment,
    now: DateTime<Utc>,
) -> PerconaPGRestoreStatus {
    let mut draft = Draft::of(restore, now);
    let target = assessment.preflight.target.clone().unwrap_or_default();
    draft.say(
        ConditionType::Accepted,
        Status::True,
        Reason::RestorePossible,
        &format!("The target is {target}"),
    );
    draft.status.preflight = Some(assessment.preflight);
    match assessment.verdict {
        Err(why) => {
            let what = format!("The target is {target}. {}", why.what);
            draft.say(ConditionType::PreflightPassed, Status::False, why.reason, &what);
            draft.failed(&Refused::new(why.reason, what));
        }
        Ok(()) => draft.passed(&target),
    }
    draft.status
}

/// The WAL of the target may be on its way.
#[must_use]
pub fn not_archived_yet(
    restore: &PerconaPGRestore,
    assessment: Assessment,
    now: DateTime<Utc>,
) -> PerconaPGRestoreStatus {
    let mut draft = Draft::of(restore, now);
    let what = format!(
        "The target is {}, and the WAL of that time is not archived yet: it is waited for",
        assessment.preflight.target.unwrap_or_default()
    );
    draft.status.state = Some(JobState::New);
    draft.say(
        ConditionType::PreflightPassed,
        Status::Unknown,
        Reason::InProgress,
        &what,
    );
    draft.does("waiting for the WAL of the target");
    draft.status
}

impl<'a> Draft<'a> {
    /// From what it is.
    pub fn of(restore: &'a PerconaPGRestore, now: DateTime<Utc>) -> Self {
        Self {
            status: restore.status.clone().unwrap_or_default(),
            restore,
            now,
        }
    }

    fn passed(&mut self, target: &str) {
        let found = self.status.preflight.clone().unwrap_or_default();
        let certain = if found.certain == Some(false) {
            ", if it is there: that is known only when all WAL was replayed"
        } else {
            ""
        };
        let takes = found.estimated_seconds.map_or_else(String::new, |seconds| {
            format!(
                "; by what was measured before it takes about {} min",
                (seconds + 59) / 60
            )
        });
        let what = format!(
            "{target} is reached from {} in {} along timeline {}{certain}{takes}",
            found.backup.as_deref().unwrap_or("?"),
            found.repository.as_deref().unwrap_or("?"),
            found.timeline.unwrap_or_default(),
        );
        let reason = Reason::RestorePossible;
        self.say(ConditionType::PreflightPassed, Status::True, reason, &what);
        if self.restore.spec.dry_run == Some(true) {
            self.end(JobState::Succeeded);
            self.say(ConditionType::Complete, Status::True, reason, &what);
        } else {
            self.status.state = Some(JobState::New);
        }
    }

    /// It has ended, and not well.
    pub fn failed(&mut self, why: &Refused) {
        self.end(JobState::Failed);
        self.status.error = Some(why.reason.explain(&why.what));
        self.say(ConditionType::Complete, Status::False, why.reason, &why.what);
    }

    /// It has ended, and not well, for what a condition tells already.
    pub fn failed_as_told(&mut self, reason: Reason, told: String) {
        self.end(JobState::Failed);
        let complete = ConditionType::Complete.as_str();
        let generation = self.restore.metadata.generation;
        let conditions = &mut self.status.conditions;
        conditions::set(
            conditions,
            complete,
            Status::False,
            reason.as_str(),
            &told,
            generation,
            self.now,
        );
        self.status.error = Some(told);
    }

    /// It has ended well.
    pub fn succeeded(&mut self, reason: Reason, what: &str) {
        self.end(JobState::Succeeded);
        self.say(ConditionType::Complete, Status::True, reason, what);
    }

    /// What is being done, where there is nothing to count.
    pub fn does(&mut self, what: &str) {
        self.progress(RestoreProgress {
            message: what.to_owned(),
            ..RestoreProgress::default()
        });
    }

    /// How far it is.
    pub fn progress(&mut self, progress: RestoreProgress) {
        self.status.progress = Some(progress);
    }

    /// What was reached.
    pub fn restored(&mut self, restored: Restored) {
        self.status.restored = Some(restored);
    }

    /// What the checks came to.
    pub fn checked(&mut self, checks: Vec<CheckResult>) {
        self.status.checks = checks;
    }

    /// What a condition says.
    pub fn said(&self, type_: ConditionType) -> (Option<Reason>, String) {
        let condition = conditions::find(&self.status.conditions, type_.as_str());
        let reason = condition.and_then(|condition| Reason::from_word(&condition.reason));
        (
            reason,
            condition.map_or_else(String::new, |condition| condition.message.clone()),
        )
    }

    /// How long it took until connections were taken; the first time counts.
    pub fn took(&mut self, time: Option<TimeDelta>) {
        if let Some(restored) = &mut self.status.restored {
            restored.total_seconds = restored.total_seconds.or_else(|| Some(time?.num_seconds()));
        }
    }

    /// Its state.
    pub fn state(&mut self, state: JobState) {
        self.status.state = Some(state);
    }

    /// Its Job.
    pub fn job(&mut self, name: String) {
        self.status.job_name = Some(name);
    }

    /// The whole.
    pub fn done(self) -> PerconaPGRestoreStatus {
        self.status
    }

    fn end(&mut self, state: JobState) {
        self.status.state = Some(state);
        self.status.completed = Some(time::to_kubernetes(self.now));
        self.status.progress = None;
    }

    /// Sets a condition.
    pub fn say(&mut self, type_: ConditionType, holds: Status, reason: Reason, what: &str) {
        conditions::set(
            &mut self.status.conditions,
            type_.as_str(),
            holds,
            reason.as_str(),
            &reason.explain(what),
            self.restore.metadata.generation,
            self.now,
        );
    }
}

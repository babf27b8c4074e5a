//! The status of a restore. Pure.

use chrono::{DateTime, Utc};

use super::preflight::Assessment;
use super::wanted::Refused;
use crate::api::backup::JobState;
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, PerconaPGRestore, PerconaPGRestoreStatus, Reason, time};

/// A status in the making.
struct Draft<'a> {
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

impl<'a> Draft<'a> {
    fn of(restore: &'a PerconaPGRestore, now: DateTime<Utc>) -> Self {
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
        let what = format!(
            "{target} is reached from {} in {} along timeline {}{certain}",
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
            let what = format!(
                "This version carries out no restore, it only looks (dryRun). {what}; pgBackRest does it by hand with these"
            );
            self.failed(&Refused::new(Reason::NotSupported, what));
        }
    }

    fn failed(&mut self, why: &Refused) {
        self.end(JobState::Failed);
        self.status.error = Some(why.reason.explain(&why.what));
        self.say(ConditionType::Complete, Status::False, why.reason, &why.what);
    }

    fn end(&mut self, state: JobState) {
        self.status.state = Some(state);
        self.status.completed = Some(time::to_kubernetes(self.now));
    }

    fn say(&mut self, type_: ConditionType, holds: Status, reason: Reason, what: &str) {
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

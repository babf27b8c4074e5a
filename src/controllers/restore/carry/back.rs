//! The way back: a restore that is not to be, and the cluster on its previous data again.

use kube::ResourceExt as _;

use super::{LOOK, One, SOON, is_late, told};
use crate::agent::restore::report::{Category, RestoreOutcome};
use crate::api::conditions::Status;
use crate::api::{ConditionType, Reason};
use crate::controllers::fleet::Action;
use crate::controllers::restore::job::{Kind, undo_command};
use crate::controllers::restore::wanted::Refused;
use crate::controllers::round::Failure;

impl One<'_> {
    /// Why it is not wanted any more, though it was not deleted.
    fn dropped(&self) -> Option<Refused> {
        if let Some(newer) = self.scene.superseded_by(self.restore) {
            let what = format!("PerconaPGRestore {} took its place", newer.name_any());
            return Some(Refused::new(Reason::Superseded, what));
        }
        let late = || Refused::new(Reason::DeadlineExceeded, "spec.deadlineSeconds are over");
        is_late(self.restore, self.now).then(late)
    }

    /// Nothing was changed yet.
    pub(super) async fn abandon(&self) -> Result<Action, Failure> {
        let marked = self.scene.marked();
        if marked.is_some_and(|marked| Some(&marked.uid) == self.restore.metadata.uid.as_ref()) {
            self.unmark().await?;
        }
        let Some(dropped) = self.dropped() else {
            return self.let_go().await;
        };
        let mut draft = self.draft();
        let what = format!("{}, and nothing was changed", dropped.what);
        draft.failed(&Refused::new(dropped.reason, what));
        self.write(draft, SOON).await
    }

    /// Its data are not to be the cluster's.
    pub(super) async fn give_up(&self) -> Result<Action, Failure> {
        if self.restore.metadata.deletion_timestamp.is_some() {
            let what = "it was deleted while it was under way";
            return self
                .not_restored(&Refused::new(Reason::RestoreFailed, what))
                .await;
        }
        if let Some(dropped) = self.dropped() {
            return self.not_restored(&dropped).await;
        }
        let outcome = self.scene.outcome(self.scene.job.as_ref());
        let outcome = outcome.unwrap_or_else(|| RestoreOutcome {
            message: told::silent(self.scene.last_pod()),
            ..RestoreOutcome::default()
        });
        let reason = match outcome.category {
            Some(Category::NotReached) => Reason::TargetNotReached,
            Some(Category::NoRoom) => Reason::NoRoomForPrevious,
            _ => Reason::RestoreFailed,
        };
        self.not_restored(&Refused::new(reason, outcome.message)).await
    }

    /// From here on every way leads back.
    pub(super) async fn not_restored(&self, why: &Refused) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.say(ConditionType::DataRestored, Status::False, why.reason, &why.what);
        self.write(draft, SOON).await
    }

    pub(super) async fn undo(&self) -> Result<Action, Failure> {
        let begun = Box::pin(self.begin(Kind::Undo, undo_command(self.restore))).await?;
        let what = match begun {
            Ok(()) => "the previous data are being brought back".to_owned(),
            Err(refused) => format!("the previous data cannot be brought back yet: {}", refused.what),
        };
        self.progress(&what, LOOK).await
    }

    /// The cluster is on its previous data, or there are none.
    pub(super) async fn fail(&self) -> Result<Action, Failure> {
        let mut draft = self.draft();
        let (reason, said) = draft.said(ConditionType::DataRestored);
        if self.facts().given_up && !self.restore.is_bootstrap() {
            draft.failed(&Refused::new(Reason::NothingToReturnTo, said));
        } else {
            draft.failed_as_told(reason.unwrap_or(Reason::RestoreFailed), said);
        }
        self.write(draft, SOON).await
    }
}

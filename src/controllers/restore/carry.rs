//! Carries a restore out, one step a reconcile: each step is one or two writes, and may be repeated.

mod back;
mod jobs;
mod marks;
pub mod told;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Endpoints;

pub use self::marks::{hold, let_go};
use super::announce::tell;
use super::decide::{Facts, Step, next};
use super::job::{Kind, command, job_name};
use super::origin;
use super::reconcile::Shared;
use super::scene::Scene;
use super::status::Draft;
use super::wanted::{Refused, Wanted};
use super::{FIELD_MANAGER, LOOK, SOON};
use crate::api::backup::JobState;
use crate::api::conditions::Status;
use crate::api::{ConditionType, PerconaPGRestore, Reason};
use crate::controllers::cluster::names::Names;
use crate::controllers::fleet::Action;
use crate::controllers::round::Failure;

/// What Patroni remembers of the leader that there was: no instance that is behind it would become leader.
const REMEMBERED: [&str; 2] = ["optime", "slots"];
const STARTING: &str = "the instance that was restored is starting";

/// One restore, and what is seen of it.
pub struct One<'a> {
    pub shared: &'a Arc<Shared>,
    pub restore: &'a PerconaPGRestore,
    pub wanted: &'a Wanted,
    pub scene: Scene,
    pub now: DateTime<Utc>,
}

impl One<'_> {
    /// What is to be done.
    pub fn step(&self) -> Step {
        next(&self.facts())
    }

    /// Does it.
    pub async fn take(&self, step: Step) -> Result<Action, Failure> {
        match step {
            Step::WaitForTurn => self.wait_for_turn().await,
            Step::Stop => self.stop().await,
            Step::AwaitStop => {
                let what = format!("{} instances are being stopped", self.scene.observed.pods.len());
                self.goes_on(ConditionType::InstancesStopped, &what, SOON).await
            }
            Step::Choose => self.choose().await,
            Step::Start => Box::pin(self.start()).await,
            Step::Follow => self.follow().await,
            Step::Judge => self.judge().await,
            Step::GiveUp => self.give_up().await,
            Step::Abandon => self.abandon().await,
            Step::EndJob => self.end(Kind::Restore).await,
            Step::Undo => Box::pin(self.undo()).await,
            Step::AwaitUndo => {
                self.progress("the previous data are being brought back", LOOK)
                    .await
            }
            Step::RetryUndo => self.end(Kind::Undo).await,
            Step::Return => {
                self.unmark().await?;
                Ok(Action::requeue(SOON))
            }
            Step::Fail => self.fail().await,
            Step::HandOver => self.hand_over().await,
            Step::AwaitLeader => self.goes_on(ConditionType::LeaderUp, STARTING, LOOK).await,
            Step::AwaitReplicas => self.leads().await,
            Step::Succeed => self.succeed().await,
        }
    }

    fn facts(&self) -> Facts {
        self.scene.facts(self.restore, self.now)
    }

    fn draft(&self) -> Draft<'_> {
        Draft::of(self.restore, self.now)
    }

    async fn write(&self, draft: Draft<'_>, again: Duration) -> Result<Action, Failure> {
        tell(&self.shared.context, self.restore, draft.done()).await?;
        Ok(Action::requeue(again))
    }

    async fn goes_on(&self, type_: ConditionType, what: &str, again: Duration) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.say(type_, Status::False, Reason::InProgress, what);
        draft.does(what);
        self.write(draft, again).await
    }

    async fn progress(&self, what: &str, again: Duration) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.does(what);
        self.write(draft, again).await
    }

    async fn wait_for_turn(&self) -> Result<Action, Failure> {
        let before = self.facts().before;
        let before = before.unwrap_or_else(|| "another restore is under way".to_owned());
        let what = format!("{before}: this one begins when that has ended");
        let mut draft = self.draft();
        draft.say(
            ConditionType::InstancesStopped,
            Status::False,
            Reason::RepositoryBusy,
            &what,
        );
        self.write(draft, LOOK).await
    }

    async fn stop(&self) -> Result<Action, Failure> {
        self.mark(None).await?;
        Ok(Action::requeue(SOON))
    }

    async fn choose(&self) -> Result<Action, Failure> {
        let Some(instance) = self.scene.instance() else {
            let what = "the cluster has no instance whose volume could be restored";
            return self
                .not_restored(&Refused::new(Reason::InstancesNotReady, what))
                .await;
        };
        self.mark(Some(instance.clone())).await?;
        let mut draft = self.draft();
        let what = format!("no instance runs; {instance} is restored, since it led last");
        draft.say(
            ConditionType::InstancesStopped,
            Status::True,
            Reason::InProgress,
            &what,
        );
        draft.state(JobState::Starting);
        self.write(draft, SOON).await
    }

    async fn start(&self) -> Result<Action, Failure> {
        let status = self.restore.status.as_ref();
        let found = status.and_then(|status| status.preflight.as_ref());
        let system_identifier = self.scene.observed.cluster.system_identifier();
        let stanza = origin::stanza(self.restore, &self.scene.observed.cluster);
        let command =
            found.and_then(|found| command(self.restore, self.wanted, found, system_identifier, stanza));
        let Some(command) = command else {
            let what = "status.preflight is gone, so it is not known what to restore";
            return self
                .not_restored(&Refused::new(Reason::RestoreFailed, what))
                .await;
        };
        if let Err(refused) = Box::pin(self.begin(Kind::Restore, command)).await? {
            return self.not_restored(&refused).await;
        }
        let mut draft = self.draft();
        draft.state(JobState::Running);
        draft.job(job_name(self.restore, Kind::Restore));
        draft.does("the Job is starting");
        self.write(draft, LOOK).await
    }

    async fn follow(&self) -> Result<Action, Failure> {
        if let Some(failed) = self.scene.outcome(self.scene.job.as_ref()) {
            let what = format!("it is tried again: {}", failed.message);
            return self.progress(&what, LOOK).await;
        }
        let Some(seen) = self.scene.progress() else {
            return self.progress("the Job is starting", LOOK).await;
        };
        let mut draft = self.draft();
        draft.state(JobState::Running);
        draft.progress(told::progress(seen));
        self.write(draft, LOOK).await
    }

    async fn judge(&self) -> Result<Action, Failure> {
        let outcome = self.scene.outcome(self.scene.job.as_ref());
        let preflight = self.restore.status.as_ref().and_then(|it| it.preflight.as_ref());
        let Some(restored) = outcome.and_then(|outcome| told::restored(&outcome, preflight)) else {
            // What its Pod said is gone with the Pod: it goes on from where it was, and says it again.
            return self.end(Kind::Restore).await;
        };
        let what = format!(
            "the database is recovered to {} on timeline {}",
            restored.position, restored.timeline
        );
        let mut draft = self.draft();
        draft.restored(restored);
        draft.say(
            ConditionType::DataRestored,
            Status::True,
            Reason::InProgress,
            &what,
        );
        draft.does(&what);
        self.write(draft, SOON).await
    }

    /// The decision: the cluster goes on with the restored database.
    async fn hand_over(&self) -> Result<Action, Failure> {
        // From then on they are as those of any cluster that was stopped.
        if !self.scene.may_start(self.restore) {
            return self.goes_on(ConditionType::LeaderUp, STARTING, SOON).await;
        }
        let names = Names::of(&self.scene.observed.cluster);
        let writer = &self.shared.context.writer;
        writer
            .remove_annotations::<Endpoints>(&names.namespace, &names.ha(), &REMEMBERED)
            .await?;
        self.unmark().await?;
        self.goes_on(ConditionType::LeaderUp, STARTING, SOON).await
    }

    async fn leads(&self) -> Result<Action, Failure> {
        let mut draft = self.draft();
        self.say_leads(&mut draft);
        let what = "the other instances are joining";
        draft.say(
            ConditionType::ReplicasJoined,
            Status::False,
            Reason::InProgress,
            what,
        );
        draft.does(what);
        self.write(draft, LOOK).await
    }

    fn say_leads(&self, draft: &mut Draft<'_>) {
        if let Some(report) = self.scene.leader(self.restore) {
            let timeline = report.timeline.unwrap_or_default();
            let what = format!("the primary takes writes on timeline {timeline}");
            draft.say(ConditionType::LeaderUp, Status::True, Reason::InProgress, &what);
            draft.took(self.restore.created_at().map(|created| self.now - created));
        }
    }

    async fn succeed(&self) -> Result<Action, Failure> {
        let mut draft = self.draft();
        self.say_leads(&mut draft);
        let paused = self.scene.observed.cluster.spec.pause.unwrap_or(false);
        let what = if paused {
            "the data are restored; the cluster is paused, and begins with them"
        } else {
            "the data are restored and all instances follow"
        };
        if !paused {
            draft.say(
                ConditionType::ReplicasJoined,
                Status::True,
                Reason::AsSpecified,
                "all instances are ready",
            );
        }
        draft.succeeded(Reason::Restored, what);
        self.write(draft, SOON).await
    }
}

/// Its time is over.
pub fn is_late(restore: &PerconaPGRestore, now: DateTime<Utc>) -> bool {
    let limit = restore.spec.deadline_seconds.and_then(TimeDelta::try_seconds);
    limit.is_some_and(|limit| restore.is_older_than(limit, now))
}

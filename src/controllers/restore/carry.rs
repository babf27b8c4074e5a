//! Carries a restore out, one step a reconcile: each step is one or two writes, and may be repeated.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Endpoints;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use serde_json::json;

use super::FIELD_MANAGER;
use super::decide::{Facts, Step, next};
use super::job::{Kind, command, job, job_name, undo_command};
use super::reconcile::{Shared, tell};
use super::scene::Scene;
use super::status::Draft;
use super::wanted::{Refused, Wanted};
use crate::agent::restore::report::{Category, Phase, RestoreOutcome};
use crate::api::backup::JobState;
use crate::api::cluster::status::RestoreUnderWay;
use crate::api::conditions::Status;
use crate::api::names::FINALIZER_RESTORE;
use crate::api::restore::{RestoreProgress, Restored};
use crate::api::{ConditionType, PerconaPGCluster, PerconaPGRestore, Reason, time};
use crate::controllers::cluster::existence::existence;
use crate::controllers::cluster::names::Names;
use crate::controllers::cluster::user_files;
use crate::controllers::cluster::validate::{ImageDefaults, validate};
use crate::controllers::fleet::Action;
use crate::controllers::round::Failure;
use crate::controllers::writer::WriteError;

/// What changes by itself wakes us; this is for what does not.
const LOOK: Duration = Duration::from_secs(5);
/// What is about to change.
const SOON: Duration = Duration::from_secs(1);
/// What Patroni remembers of the leader that there was: no instance that is behind it would become leader.
const REMEMBERED: [&str; 2] = ["optime", "slots"];

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
            Step::AwaitUndo => self.progress("the previous data are being brought back").await,
            Step::RetryUndo => self.end(Kind::Undo).await,
            Step::Return => {
                self.unmark().await?;
                Ok(Action::requeue(SOON))
            }
            Step::Fail => self.fail().await,
            Step::HandOver => self.hand_over().await,
            Step::AwaitLeader => {
                let what = "the instance that was restored is starting";
                self.goes_on(ConditionType::LeaderUp, what, LOOK).await
            }
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

    async fn write(&self, draft: Draft<'_>) -> Result<(), Failure> {
        tell(self.shared, self.restore, draft.done()).await?;
        Ok(())
    }

    async fn goes_on(&self, type_: ConditionType, what: &str, pause: Duration) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.say(type_, Status::False, Reason::InProgress, what);
        draft.progress(RestoreProgress {
            message: what.to_owned(),
            ..RestoreProgress::default()
        });
        self.write(draft).await?;
        Ok(Action::requeue(pause))
    }

    async fn progress(&self, what: &str) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.progress(RestoreProgress {
            message: what.to_owned(),
            ..RestoreProgress::default()
        });
        self.write(draft).await?;
        Ok(Action::requeue(LOOK))
    }

    async fn wait_for_turn(&self) -> Result<Action, Failure> {
        let facts = self.facts();
        let what = facts
            .before
            .unwrap_or_else(|| "another restore is under way".to_owned());
        let mut draft = self.draft();
        draft.say(
            ConditionType::InstancesStopped,
            Status::False,
            Reason::RepositoryBusy,
            &format!("{what}: this one begins when that has ended"),
        );
        self.write(draft).await?;
        Ok(Action::requeue(LOOK))
    }

    async fn stop(&self) -> Result<Action, Failure> {
        self.mark(None).await?;
        Ok(Action::requeue(SOON))
    }

    async fn choose(&self) -> Result<Action, Failure> {
        let Some(instance) = self.scene.instance() else {
            let what = "the cluster has no instance whose volume could be restored";
            return self.not_restored(Reason::InstancesNotReady, what).await;
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
        self.write(draft).await?;
        Ok(Action::requeue(SOON))
    }

    async fn start(&self) -> Result<Action, Failure> {
        let found = self
            .restore
            .status
            .as_ref()
            .and_then(|status| status.preflight.clone());
        let system_identifier = self.scene.observed.cluster.system_identifier();
        let command = found.and_then(|found| command(self.restore, self.wanted, &found, system_identifier));
        let Some(command) = command else {
            let what = "status.preflight is gone, so it is not known what to restore";
            return self.not_restored(Reason::RestoreFailed, what).await;
        };
        if let Err(refused) = Box::pin(self.begin(Kind::Restore, command)).await? {
            return self.not_restored(refused.reason, &refused.what).await;
        }
        let mut draft = self.draft();
        draft.state(JobState::Running);
        draft.job(job_name(self.restore, Kind::Restore));
        draft.progress(RestoreProgress {
            message: "the Job is starting".to_owned(),
            ..RestoreProgress::default()
        });
        self.write(draft).await?;
        Ok(Action::requeue(LOOK))
    }

    async fn undo(&self) -> Result<Action, Failure> {
        if let Err(refused) = Box::pin(self.begin(Kind::Undo, undo_command(self.restore))).await? {
            return self
                .progress(&format!(
                    "the previous data cannot be brought back yet: {}",
                    refused.what
                ))
                .await;
        }
        self.progress("the previous data are being brought back").await
    }

    /// Creates a Job. One that is there already is the same one: its name is of our uid.
    async fn begin(&self, kind: Kind, command: Vec<String>) -> Result<Result<(), Refused>, Failure> {
        let observed = &self.scene.observed;
        let user = user_files::of_cluster(&observed.cluster, &observed.sources);
        let images = ImageDefaults::of(&self.shared.context.settings);
        let validated = validate(
            &observed.cluster,
            &images,
            &existence(observed),
            &user.options,
            std::collections::BTreeSet::default(),
        );
        let cluster = match validated {
            Ok(cluster) => cluster,
            Err(refusal) => return Ok(Err(Refused::new(refusal.reason, refusal.message))),
        };
        let chosen = self.scene.marked().and_then(|marked| marked.instance.as_ref());
        let instance = cluster
            .instances
            .iter()
            .find(|instance| Some(&instance.name) == chosen);
        let built = instance.and_then(|instance| job(self.restore, kind, command, &cluster, instance));
        let Some(built) = built else {
            let what = format!(
                "instance {} is not part of the cluster any more",
                chosen.map_or("?", String::as_str)
            );
            return Ok(Err(Refused::new(Reason::InstancesNotReady, what)));
        };
        let namespace = observed.cluster.namespace().unwrap_or_default();
        match self
            .shared
            .context
            .writer
            .create(&namespace, &built, FIELD_MANAGER)
            .await
        {
            Err(error) if error.is_conflict() => Ok(Ok(())),
            Err(error) if error.is_refusal() => Ok(Err(Refused::new(Reason::ApiRefused, error.to_string()))),
            other => Ok(Ok(other.map(|_| ())?)),
        }
    }

    async fn follow(&self) -> Result<Action, Failure> {
        if let Some(failed) = self.scene.outcome(self.scene.job.as_ref()) {
            return self
                .progress(&format!("it is tried again: {}", failed.message))
                .await;
        }
        let Some(seen) = self.scene.progress() else {
            return self.progress("the Job is starting").await;
        };
        let position = seen.position.as_deref().or(seen.segment.as_deref());
        let message = match (seen.phase, seen.copied, position) {
            (Phase::Copying, Some(copied), _) => format!("{}% of the backup copied", copied / 100),
            (Phase::Copying, None, _) => "the backup is being copied".to_owned(),
            (Phase::Recovering, _, Some(position)) => format!("WAL is replayed, up to {position}"),
            (Phase::Recovering, _, None) => "WAL is replayed".to_owned(),
        };
        let mut draft = self.draft();
        draft.state(JobState::Running);
        draft.progress(RestoreProgress {
            message,
            copied: seen.copied.map(|copied| i64::from(copied / 100)),
            segment: seen.segment,
            position: seen.position,
        });
        self.write(draft).await?;
        Ok(Action::requeue(LOOK))
    }

    async fn judge(&self) -> Result<Action, Failure> {
        let outcome = self.scene.outcome(self.scene.job.as_ref());
        let Some((outcome, reached)) = outcome.and_then(|outcome| Some((outcome.clone(), outcome.reached?)))
        else {
            // What its Pod said is gone with the Pod: it goes on from where it was, and says it again.
            return self.end(Kind::Restore).await;
        };
        let newest = self
            .restore
            .status
            .as_ref()
            .and_then(|status| status.preflight.as_ref()?.newest_commit.clone());
        let newest = newest.as_ref().map(time::from_kubernetes);
        let discarded = match (reached.last_commit, newest) {
            (Some(last), Some(newest)) if newest > last => {
                Some(format!("{} to {}", shown(last), shown(newest)))
            }
            _ => None,
        };
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let what = format!(
            "the database is recovered to {} on timeline {}",
            reached.lsn, reached.timeline
        );
        let mut draft = self.draft();
        draft.restored(Restored {
            position: reached.lsn,
            timeline: i64::from(reached.timeline),
            last_commit: reached.last_commit.map(time::to_kubernetes),
            stopped: reached.stopped,
            discarded,
            copy_seconds: outcome.copy_seconds.map(number),
            recovery_seconds: outcome.recovery_seconds.map(number),
            bytes: outcome.bytes.map(number),
            total_seconds: None,
        });
        draft.say(
            ConditionType::DataRestored,
            Status::True,
            Reason::InProgress,
            &what,
        );
        draft.progress(RestoreProgress {
            message: what,
            ..RestoreProgress::default()
        });
        self.write(draft).await?;
        Ok(Action::requeue(SOON))
    }

    async fn give_up(&self) -> Result<Action, Failure> {
        let newer = self.scene.superseded_by(self.restore);
        if self.restore.metadata.deletion_timestamp.is_some() {
            return self
                .not_restored(Reason::RestoreFailed, "it was deleted while it was under way")
                .await;
        }
        if let Some(newer) = newer {
            let what = format!("PerconaPGRestore {} took its place", newer.name_any());
            return self.not_restored(Reason::Superseded, &what).await;
        }
        if is_late(self.restore, self.now) {
            let what = "spec.deadlineSeconds are over";
            return self.not_restored(Reason::DeadlineExceeded, what).await;
        }
        let outcome = self
            .scene
            .outcome(self.scene.job.as_ref())
            .unwrap_or_else(|| RestoreOutcome {
                message: "its Job failed without a word".to_owned(),
                ..RestoreOutcome::default()
            });
        let reason = match outcome.category {
            Some(Category::NotReached) => Reason::TargetNotReached,
            Some(Category::NoRoom) => Reason::NoRoomForPrevious,
            _ => Reason::RestoreFailed,
        };
        self.not_restored(reason, &outcome.message).await
    }

    /// From here on every way leads back.
    async fn not_restored(&self, reason: Reason, what: &str) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.say(ConditionType::DataRestored, Status::False, reason, what);
        self.write(draft).await?;
        Ok(Action::requeue(SOON))
    }

    async fn abandon(&self) -> Result<Action, Failure> {
        if self
            .scene
            .marked()
            .is_some_and(|marked| Some(&marked.uid) == self.restore.metadata.uid.as_ref())
        {
            self.unmark().await?;
        }
        if let Some(newer) = self.scene.superseded_by(self.restore) {
            let what = format!(
                "PerconaPGRestore {} took its place before anything was changed",
                newer.name_any()
            );
            let mut draft = self.draft();
            draft.failed(&Refused::new(Reason::Superseded, what));
            self.write(draft).await?;
            return Ok(Action::requeue(SOON));
        }
        if is_late(self.restore, self.now) {
            let mut draft = self.draft();
            let what = "spec.deadlineSeconds are over, and nothing was changed";
            draft.failed(&Refused::new(Reason::DeadlineExceeded, what));
            self.write(draft).await?;
            return Ok(Action::requeue(SOON));
        }
        self.let_go().await
    }

    async fn fail(&self) -> Result<Action, Failure> {
        let status = self.restore.status.clone().unwrap_or_default();
        let condition =
            crate::api::conditions::find(&status.conditions, ConditionType::DataRestored.as_str());
        let said = condition.map_or_else(String::new, |condition| condition.message.clone());
        let reason = condition.and_then(|condition| Reason::from_word(&condition.reason));
        let mut draft = self.draft();
        if self.facts().given_up {
            draft.failed(&Refused::new(Reason::NothingToReturnTo, said));
        } else {
            draft.failed_as_told(reason.unwrap_or(Reason::RestoreFailed), said);
        }
        self.write(draft).await?;
        Ok(Action::requeue(SOON))
    }

    /// The decision: the cluster goes on with the restored database.
    async fn hand_over(&self) -> Result<Action, Failure> {
        let names = Names::of(&self.scene.observed.cluster);
        self.shared
            .context
            .writer
            .remove_annotations::<Endpoints>(&names.namespace, &names.ha(), &REMEMBERED)
            .await?;
        self.unmark().await?;
        self.goes_on(
            ConditionType::LeaderUp,
            "the instance that was restored is starting",
            SOON,
        )
        .await
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
        draft.progress(RestoreProgress {
            message: what.to_owned(),
            ..RestoreProgress::default()
        });
        self.write(draft).await?;
        Ok(Action::requeue(LOOK))
    }

    fn say_leads(&self, draft: &mut Draft<'_>) {
        if let Some(report) = self.scene.leader(self.restore) {
            let what = format!(
                "the primary takes writes on timeline {}",
                report.timeline.unwrap_or_default()
            );
            draft.say(ConditionType::LeaderUp, Status::True, Reason::InProgress, &what);
            draft.took(
                self.restore
                    .metadata
                    .creation_timestamp
                    .as_ref()
                    .map(|created| self.now - time::from_kubernetes(created)),
            );
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
        self.write(draft).await?;
        Ok(Action::requeue(SOON))
    }

    /// The object may go.
    pub async fn let_go(&self) -> Result<Action, Failure> {
        let_go(self.shared, self.restore).await
    }

    async fn end(&self, kind: Kind) -> Result<Action, Failure> {
        let job = match kind {
            Kind::Restore => &self.scene.job,
            Kind::Undo => &self.scene.undo,
        };
        if let Some(job) = job
            .as_ref()
            .filter(|job| job.metadata.deletion_timestamp.is_none())
        {
            let namespace = job.namespace().unwrap_or_default();
            self.shared
                .context
                .writer
                .delete_with_dependents::<Job>(&namespace, &job.name_any(), job.uid().as_deref())
                .await?;
        }
        Ok(Action::requeue(SOON))
    }

    async fn mark(&self, instance: Option<String>) -> Result<(), WriteError> {
        let mark = RestoreUnderWay {
            name: self.restore.name_any(),
            uid: self.restore.uid().unwrap_or_default(),
            instance,
        };
        self.write_mark(&json!({ "restore": mark })).await
    }

    async fn unmark(&self) -> Result<(), WriteError> {
        self.write_mark(&json!({})).await
    }

    async fn write_mark(&self, status: &serde_json::Value) -> Result<(), WriteError> {
        let cluster = &self.scene.observed.cluster;
        self.shared
            .context
            .writer
            .apply_status::<DeserializeGuard<PerconaPGCluster>>(
                &cluster.namespace().unwrap_or_default(),
                &cluster.name_any(),
                status,
                FIELD_MANAGER,
            )
            .await
            .map(|_| ())
    }
}

/// Its time is over.
pub fn is_late(restore: &PerconaPGRestore, now: DateTime<Utc>) -> bool {
    let created = restore
        .metadata
        .creation_timestamp
        .as_ref()
        .map(time::from_kubernetes);
    let limit = restore
        .spec
        .deadline_seconds
        .and_then(chrono::TimeDelta::try_seconds);
    matches!((created, limit), (Some(created), Some(limit)) if now > created + limit)
}

/// The object stays until the cluster is on its previous or on the restored data.
pub async fn hold(shared: &Shared, restore: &PerconaPGRestore) -> Result<Action, Failure> {
    let object = DeserializeGuard(Ok(restore.clone()));
    shared
        .context
        .writer
        .add_finalizer(&object, FINALIZER_RESTORE)
        .await?;
    Ok(Action::requeue(SOON))
}

/// The object may go.
pub async fn let_go(shared: &Shared, restore: &PerconaPGRestore) -> Result<Action, Failure> {
    let object = DeserializeGuard(Ok(restore.clone()));
    shared
        .context
        .writer
        .remove_finalizers(&object, &[FINALIZER_RESTORE])
        .await?;
    Ok(Action::await_change())
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f UTC").to_string()
}

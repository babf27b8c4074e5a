//! One backup, once: five steps, and a look at the repository where one is due.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use super::apply::Apply;
use super::decide::{self, Accepted, Step};
use super::dereference::{Observed, dereference};
use super::failure::{self, Trouble};
use super::shared::Shared;
use super::status::{self, Happened};
use super::verify::{self, Look};
use super::{announce, build, told, tries};
use crate::api::backup::JobState;
use crate::api::{PerconaPGCluster, Reason};
use crate::controllers::cluster::validate::{Existence, ImageDefaults, validate};
use crate::controllers::cluster::validated::ValidatedCluster;
use crate::controllers::fleet::{Action, Backup, Fleet};
use crate::controllers::round::Failure;
use crate::controllers::turns::Turn;
use crate::domain::progress::{Progress, Tracker};
use crate::pgbackrest::repository::BackupEvidence;

/// A finished backup is looked for this often while the repository does not show it.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// For this long after its Job has ended; a store that cannot be read extends it.
const CONFIRMATION: TimeDelta = TimeDelta::minutes(2);
/// A store that cannot be read for this long after the Job has ended is the end of waiting.
const STORE_PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// A store that refuses WAL may have changed its mind before a backup is failed for it.
const ARCHIVER_PATIENCE: TimeDelta = TimeDelta::seconds(90);
/// What nobody tells us about (a Lease, a store) is looked at again after this.
const WAITING: Duration = Duration::from_secs(5);
/// Whoever may go on is woken when another ends; this is for what nobody foresaw, and to say again how many are before it: hundreds
/// may wait, and each look costs as much as one at a backup that runs.
const BUDGET: Duration = Duration::from_mins(5);
/// What we are told about needs no look before the deadline.
const LATER: Duration = Duration::from_hours(1);

/// Reconciles one backup.
pub async fn reconcile(
    object: Arc<Backup>,
    shared: Arc<Shared>,
    fleet: Arc<Fleet>,
) -> Result<Action, Failure> {
    let backup = match &object.0 {
        Ok(backup) => backup.clone(),
        Err(invalid) => {
            tracing::warn!(
                name = object.name_any(),
                error = invalid.error,
                "a PerconaPGBackup cannot be read"
            );
            return Ok(Action::await_change());
        }
    };
    let observed = Box::pin(dereference(&shared.context.client, &fleet, backup)).await?;
    let one = One {
        shared: &shared,
        namespace: observed.backup.namespace().unwrap_or_default(),
        observed: &observed,
        now: Utc::now(),
    };
    if observed.backup.metadata.deletion_timestamp.is_some() {
        return one.end().await;
    }
    one.go_on().await
}

struct One<'a> {
    shared: &'a Shared,
    observed: &'a Observed,
    namespace: String,
    now: DateTime<Utc>,
}

impl One<'_> {
    fn apply(&self) -> Apply<'_> {
        Apply {
            writer: &self.shared.context.writer,
            observed: self.observed,
            namespace: &self.namespace,
        }
    }

    /// The object is being deleted: pgBackRest is stopped, then the Lease is free, then it may go.
    async fn end(&self) -> Result<Action, Failure> {
        if !self.apply().stop().await? {
            return Ok(Action::requeue(LOOK_AGAIN));
        }
        self.apply().end_turn().await?;
        self.forget();
        // Whoever removes backups from the repository does so for a cluster that stays.
        let stays = |cluster: &PerconaPGCluster| {
            cluster.metadata.deletion_timestamp.is_none() && cluster.spec.backups.is_enabled()
        };
        if self.cluster().is_some_and(stays) {
            self.apply().let_go().await?;
        } else {
            self.apply().leave_in_repository().await?;
        }
        Ok(Action::await_change())
    }

    async fn go_on(&self) -> Result<Action, Failure> {
        match decide::decide(self.observed, self.now) {
            Step::Settled => self.settle().await,
            Step::Fail(trouble) => self.fail(&trouble).await,
            Step::Wait {
                trouble,
                for_turn,
                deadline,
            } => self.wait(&trouble, for_turn, deadline, LATER).await,
            Step::Start(accepted) => Box::pin(self.start(&accepted)).await,
            Step::GiveUp(trouble) => self.give_up(&trouble).await,
            Step::Attend(accepted) => self.attend(&accepted).await,
            Step::Conclude(accepted, well) => self.conclude(&accepted, well).await,
        }
    }

    async fn settle(&self) -> Result<Action, Failure> {
        self.apply().let_go().await?;
        self.free().await
    }

    /// Another may begin. The finalizer goes in the reconcile that the written status brings about, since the object
    /// that was read is older than that status.
    async fn free(&self) -> Result<Action, Failure> {
        self.apply().end_turn().await?;
        self.forget();
        Ok(Action::await_change())
    }

    /// `again`: when to look without being woken. A cluster's and another backup's changes wake us.
    async fn wait(
        &self,
        trouble: &Trouble,
        for_turn: bool,
        deadline: DateTime<Utc>,
        again: Duration,
    ) -> Result<Action, Failure> {
        if trouble.reason != Reason::BudgetUsedUp {
            self.shared
                .budget
                .leave(&self.observed.backup.uid().unwrap_or_default());
        }
        self.tell(&Happened::Waits(trouble, for_turn)).await?;
        self.shared
            .context
            .metrics
            .not_acted("backup", trouble.reason.as_str());
        let left = (deadline - self.now).to_std().unwrap_or_default();
        Ok(Action::requeue(left.min(again) + Duration::from_millis(50)))
    }

    async fn fail(&self, trouble: &Trouble) -> Result<Action, Failure> {
        self.tell(&Happened::Failed(trouble)).await?;
        self.free().await
    }

    /// The Job is gone before its turn is another's: its Pod might start after all.
    async fn give_up(&self, trouble: &Trouble) -> Result<Action, Failure> {
        if self.apply().stop().await? {
            return self.fail(trouble).await;
        }
        Ok(Action::requeue(LOOK_AGAIN))
    }

    async fn start(&self, accepted: &Accepted) -> Result<Action, Failure> {
        let turn = decide::turn_deadline(&self.observed.backup);
        let deadline = decide::repair_deadline(&self.observed.backup, self.now);
        if let Err(later) = self
            .shared
            .budget
            .ask(&self.observed.backup, &accepted.repository)
        {
            let trouble = Trouble::new(Reason::BudgetUsedUp, later.to_string());
            return self.wait(&trouble, true, turn, BUDGET).await;
        }
        let access = match verify::access(self.observed, accepted) {
            Ok(access) => access,
            Err(trouble) => return self.wait_or_fail(trouble, deadline).await,
        };
        match verify::before(&access, self.observed, accepted).await {
            Look::Good => {}
            Look::Bad(trouble, true) => return self.fail(&trouble).await,
            Look::Bad(trouble, false) => return self.wait_or_fail(trouble, deadline).await,
        }
        if let Some(trouble) = failure::refused_wal(self.cluster(), &accepted.repository.name) {
            // The condition may be as old as PostgreSQL's longest pause between two tries, which is a minute.
            let patience = decide::wrong_since(&self.observed.backup, self.now) + ARCHIVER_PATIENCE;
            return self.wait_or_fail(trouble, deadline.min(patience)).await;
        }
        let Some(cluster) = self.cluster() else {
            return Ok(Action::requeue(LOOK_AGAIN));
        };
        let validated = match self.validated(cluster) {
            Ok(validated) => validated,
            Err(trouble) => return self.wait_or_fail(trouble, deadline).await,
        };
        self.apply().hold().await?;
        if let Turn::Of(holder) = self.apply().take_turn(self.now).await? {
            let what = format!("{} is in use by {holder}", accepted.repository.name);
            let trouble = Trouble::new(Reason::RepositoryBusy, what);
            return self.wait(&trouble, true, turn, WAITING).await;
        }
        // The state is written before the Job: a backup that waits must see that this one goes first.
        let begins = Happened::Begins(accepted, &validated.images.pgbackrest);
        announce::tell(
            &self.shared.context,
            self.observed,
            &begins,
            Some(access.destination()),
            self.now,
        )
        .await?;
        let job = build::job(&self.observed.backup, accepted, &validated, cluster);
        self.apply().start(&job).await?;
        Ok(Action::await_change())
    }

    async fn wait_or_fail(&self, trouble: Trouble, deadline: DateTime<Utc>) -> Result<Action, Failure> {
        if self.now >= deadline && decide::state(&self.observed.backup) == JobState::New {
            return self.fail(&trouble).await;
        }
        self.wait(&trouble, false, deadline, WAITING).await
    }

    async fn attend(&self, accepted: &Accepted) -> Result<Action, Failure> {
        // A Job that an earlier controller made is guarded like our own.
        self.apply().hold().await?;
        let image = told::image(self.observed);
        if status::running(self.observed).is_some() {
            let progress = self.track();
            self.tell(&Happened::Runs(accepted, &image, progress)).await?;
            return Ok(Action::await_change());
        }
        self.tell(&Happened::Begins(accepted, &image)).await?;
        // A Pod that Kubernetes does not make wakes nobody, nor does one that never starts.
        let patience = if self.observed.pods.is_empty() {
            tries::PATIENCE
        } else {
            decide::START
        };
        let patience = patience.to_std().unwrap_or(WAITING);
        Ok(Action::requeue(patience + Duration::from_millis(50)))
    }

    async fn conclude(&self, accepted: &Accepted, well: bool) -> Result<Action, Failure> {
        let access = verify::access(self.observed, accepted);
        let found = match &access {
            Ok(access) => verify::after(access, self.observed).await,
            Err(trouble) => Err(trouble.clone()),
        };
        let ended = self
            .observed
            .job
            .as_ref()
            .and_then(decide::job_ended)
            .unwrap_or(self.now);
        let waited = self.now - ended;
        match found {
            Ok(Some(evidence)) if evidence.is_complete() => self.succeed(&evidence).await,
            Ok(Some(evidence)) => {
                self.unconfirmed(wal_missing(&evidence), waited, CONFIRMATION)
                    .await
            }
            // What pgBackRest reports as failed and the repository does not list is a failure.
            Ok(None) | Err(_) if !well => self.explain(&access, accepted).await,
            Ok(None) => {
                let what = format!("{} lists no backup of this Job", accepted.repository.name);
                let trouble = Trouble::new(Reason::NotInRepository, what);
                self.unconfirmed(trouble, waited, CONFIRMATION).await
            }
            Err(trouble) => self.unconfirmed(trouble, waited, STORE_PATIENCE).await,
        }
    }

    async fn unconfirmed(
        &self,
        trouble: Trouble,
        waited: TimeDelta,
        limit: TimeDelta,
    ) -> Result<Action, Failure> {
        if waited >= limit {
            return self.fail(&trouble).await;
        }
        self.tell(&Happened::Unconfirmed(&trouble)).await?;
        Ok(Action::requeue(LOOK_AGAIN))
    }

    async fn succeed(&self, evidence: &BackupEvidence) -> Result<Action, Failure> {
        self.tell(&Happened::Succeeded(evidence)).await?;
        self.free().await
    }

    async fn explain(
        &self,
        access: &Result<crate::pgbackrest::access::RepositoryAccess, Trouble>,
        accepted: &Accepted,
    ) -> Result<Action, Failure> {
        let evidence = verify::evidence(access, self.observed, accepted).await;
        let says = job_says(self.observed);
        let evidence = failure::Evidence {
            repository: evidence.as_ref().map(|(kind, text)| (*kind, text.as_str())),
            leader: self.observed.leader.as_ref(),
            job: &says,
        };
        let trouble = failure::of_job(&self.observed.pods, evidence);
        self.fail(&failure::behind_missing_wal(trouble, self.cluster()))
            .await
    }

    fn cluster(&self) -> Option<&PerconaPGCluster> {
        self.observed.cluster.as_ref()
    }

    fn validated(&self, cluster: &PerconaPGCluster) -> Result<ValidatedCluster, Trouble> {
        let images = ImageDefaults::of(&self.shared.context.settings);
        let validated = validate(
            cluster,
            &images,
            &Existence {
                volume_claims: self.observed.volumes.claims.clone(),
                ..Existence::default()
            },
            &self.observed.user.options,
            std::collections::BTreeSet::default(),
        )
        .map_err(|refusal| Trouble::new(refusal.reason, &refusal.message))?;
        let no_jobs = validated
            .backups
            .as_ref()
            .and_then(|backups| backups.no_jobs.as_ref());
        match no_jobs {
            Some(what) => Err(Trouble::new(Reason::InvalidSpecification, what)),
            None => Ok(validated),
        }
    }

    fn track(&self) -> Option<Progress> {
        let uid = self.observed.backup.uid()?;
        let track = |tracker: &mut Tracker| status::track(self.observed, tracker);
        self.shared.tracked(uid, track)
    }

    fn forget(&self) {
        let uid = self.observed.backup.uid().unwrap_or_default();
        self.shared.forget(&uid);
    }

    async fn tell(&self, happened: &Happened<'_>) -> Result<(), Failure> {
        let destination = told::destination(self.observed);
        Ok(announce::tell(
            &self.shared.context,
            self.observed,
            happened,
            destination,
            self.now,
        )
        .await?)
    }
}

fn wal_missing(evidence: &BackupEvidence) -> Trouble {
    let first = evidence
        .wal
        .first_missing
        .map(|segment| segment.to_string())
        .unwrap_or_default();
    let what = format!(
        "{} needs WAL segment {first}, which has not arrived",
        evidence.backup.label.as_str()
    );
    Trouble::new(Reason::WalMissing, what)
}

fn job_says(observed: &Observed) -> String {
    let message = || {
        let status = observed.job.as_ref()?.status.as_ref()?;
        let conditions = status.conditions.as_ref()?;
        let condition = conditions.iter().find(|condition| condition.type_ == "Failed")?;
        let message = condition.message.clone().unwrap_or_default();
        Some(match &condition.reason {
            Some(reason) => format!("{reason}: {message}"),
            None => message,
        })
    };
    message().unwrap_or_default()
}

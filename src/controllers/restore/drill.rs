//! A rehearsal: looked at, restored into a throw-away place, checked, and thrown away. The cluster is not touched, so there is no
//! way back to take care of: the Job, its Pod and the Pod's volume go with the object, and before the object says that it is over.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, Pod};
use kube::ResourceExt as _;
use kube::api::Api;

use super::announce::tell;
use super::carry::told;
use super::job::{Kind, command, job, job_name};
use super::look::look_for;
use super::reconcile::Shared;
use super::status::{self, Draft};
use super::wanted::{Refused, Wanted};
use super::{FIELD_MANAGER, LOOK, SOON, scene};
use crate::agent::report::PROGRESS_ANNOTATION;
use crate::agent::restore::report::RestoreOutcome;
use crate::api::backup::JobState;
use crate::api::cluster::drills::{Drill, DrillTarget};
use crate::api::conditions::Status;
use crate::api::names::STANZA;
use crate::api::{ConditionType, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus, Reason};
use crate::catalog::PastDrill;
use crate::controllers::backup::ended;
use crate::controllers::cluster::build::repository_job::{last_pod, last_words, pods_of};
use crate::controllers::cluster::build::{Place, Placement};
use crate::controllers::cluster::dereference;
use crate::controllers::cluster::existence::existence;
use crate::controllers::cluster::user_files;
use crate::controllers::cluster::validate::{ImageDefaults, validate};
use crate::controllers::fleet::Action;
use crate::controllers::reading::{ReadError, in_time};
use crate::controllers::round::Failure;

/// One rehearsal, and what is seen of it.
struct One<'a> {
    shared: &'a Shared,
    restore: &'a PerconaPGRestore,
    cluster: &'a PerconaPGCluster,
    drill: &'a Drill,
    job: Option<Job>,
    pods: Vec<Pod>,
    now: DateTime<Utc>,
}

/// The next step.
pub async fn carry_out(
    shared: &Arc<Shared>,
    restore: &PerconaPGRestore,
    mut wanted: Wanted,
    cluster: &PerconaPGCluster,
    now: DateTime<Utc>,
) -> Result<Action, Failure> {
    if restore.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let Some((restore, cluster)) = Box::pin(scene::now(&shared.context.client, restore, cluster)).await?
    else {
        return Ok(Action::requeue(SOON));
    };
    let name = restore.spec.drill.as_deref().unwrap_or_default();
    let Some(drill) = cluster
        .spec
        .backups
        .drills
        .iter()
        .find(|drill| drill.name == name)
    else {
        let what = format!(
            "spec.backups.drills of {} has none named {name}",
            cluster.name_any()
        );
        let why = Refused::new(Reason::InvalidSpecification, what);
        tell(&shared.context, &restore, status::failed(&restore, &why, now)).await?;
        return Ok(Action::await_change());
    };
    wanted.repository = wanted.repository.or_else(|| drill.repo_name.clone());
    let (job, pods) = read(shared, &restore).await?;
    let one = One {
        shared,
        restore: &restore,
        cluster: &cluster,
        drill,
        job,
        pods,
        now,
    };
    Box::pin(one.step(&wanted)).await
}

async fn read(shared: &Shared, restore: &PerconaPGRestore) -> Result<(Option<Job>, Vec<Pod>), ReadError> {
    let (client, namespace) = (&shared.context.client, restore.namespace().unwrap_or_default());
    let name = job_name(restore, Kind::Drill);
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let of_it = pods_of(std::slice::from_ref(&name));
    in_time(async {
        let (job, pods) = futures::try_join!(
            async { jobs.get_opt(&name).await.map_err(ReadError::of("Jobs")) },
            async { pods.list(&of_it).await.map_err(ReadError::of("Pods")) },
        )?;
        Ok((job, pods.items))
    })
    .await
}

impl One<'_> {
    async fn step(&self, wanted: &Wanted) -> Result<Action, Failure> {
        let status = self.restore.status.as_ref();
        let judged = scene::holds(self.restore, ConditionType::DataRestored);
        match (judged, &self.job) {
            (Some(_), Some(_)) => self.throw_away().await,
            (Some(restored), None) if self.pods.is_empty() => self.end(restored).await,
            (Some(_), None) => Ok(Action::requeue(SOON)),
            (None, _) if self.is_late() => {
                let late = Refused::new(Reason::DeadlineExceeded, "its deadlineSeconds are over");
                self.not_restored(&late).await
            }
            (None, None) if status.is_none_or(|status| status.preflight.is_none()) => self.look(wanted).await,
            (None, None) => Box::pin(self.start(wanted)).await,
            (None, Some(job)) => match ended(job) {
                None => self.follow(job).await,
                Some(well) => self.judge(job, well).await,
            },
        }
    }

    fn is_late(&self) -> bool {
        let limit = self.restore.spec.deadline_seconds.or(self.drill.deadline_seconds);
        let limit = limit.and_then(TimeDelta::try_seconds);
        limit.is_some_and(|limit| self.restore.is_older_than(limit, self.now))
    }

    fn draft(&self) -> Draft<'_> {
        Draft::of(self.restore, self.now)
    }

    async fn write(&self, draft: Draft<'_>) -> Result<Action, Failure> {
        tell(&self.shared.context, self.restore, draft.done()).await?;
        Ok(Action::requeue(SOON))
    }

    async fn look(&self, wanted: &Wanted) -> Result<Action, Failure> {
        let at_random = self.drill.target == Some(DrillTarget::Random) && self.restore.spec.target.is_none();
        let seed = at_random.then(|| self.restore.uid().unwrap_or_default());
        let looking = look_for(
            self.shared,
            self.restore,
            wanted,
            self.cluster.clone(),
            seed,
            self.now,
        );
        let looked = Box::pin(looking).await?;
        tell(&self.shared.context, self.restore, looked).await?;
        Ok(Action::requeue(SOON))
    }

    async fn start(&self, wanted: &Wanted) -> Result<Action, Failure> {
        let built = match Box::pin(self.built(wanted)).await? {
            Ok(built) => built,
            Err(refused) => return self.not_restored(&refused).await,
        };
        let namespace = self.restore.namespace().unwrap_or_default();
        match self
            .shared
            .context
            .writer
            .create(&namespace, &built, FIELD_MANAGER)
            .await
        {
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_refusal() => {
                return self
                    .not_restored(&Refused::new(Reason::ApiRefused, error.to_string()))
                    .await;
            }
            other => {
                other?;
            }
        }
        let mut draft = self.draft();
        draft.state(JobState::Running);
        draft.job(built.name_any());
        draft.does("the Job is starting");
        self.write(draft).await
    }

    async fn built(&self, wanted: &Wanted) -> Result<Result<Job, Refused>, Failure> {
        let context = &self.shared.context;
        let cluster = Arc::new(self.cluster.clone());
        let observed = dereference::dereference(&context.client, &self.shared.fleet, cluster).await?;
        let user = user_files::of_cluster(&observed.cluster, &observed.sources);
        let images = ImageDefaults::of(&context.settings);
        let validated = validate(
            &observed.cluster,
            &images,
            &existence(&observed, &|_| false),
            &user.options,
            std::collections::BTreeSet::default(),
        );
        let cluster = match validated {
            Ok(cluster) => cluster,
            Err(refusal) => return Ok(Err(Refused::new(refusal.reason, refusal.message))),
        };
        let found = self
            .restore
            .status
            .as_ref()
            .and_then(|status| status.preflight.as_ref());
        let system_identifier = self.cluster.system_identifier();
        let command = found.and_then(|found| command(self.restore, wanted, found, system_identifier, STANZA));
        let checks = serde_json::to_string(&self.drill.checks.clone().unwrap_or_default());
        let (Some(mut command), Ok(checks)) = (command, checks) else {
            let what = "status.preflight is gone, so it is not known what to restore";
            return Ok(Err(Refused::new(Reason::RestoreFailed, what)));
        };
        // Before what is pgBackRest's.
        let own = command
            .iter()
            .position(|argument| argument == "--")
            .unwrap_or(command.len());
        command.insert(own, format!("--checks={checks}"));
        let instance = cluster.instances.first();
        let built = instance.and_then(|instance| {
            let claim = &cluster.set_of(instance)?.data_claim;
            let place = Place {
                source: None,
                placement: Placement {
                    resources: self.drill.resources.clone(),
                    ..Placement::default()
                },
                throw_away: Some(self.claim(claim)),
            };
            job(self.restore, Kind::Drill, command, place, &cluster, instance)
        });
        Ok(built.ok_or_else(|| Refused::new(Reason::InstancesNotReady, "the cluster has no instance set")))
    }

    /// Like that of an instance, where the user does not say otherwise.
    fn claim(&self, of_instance: &PersistentVolumeClaimSpec) -> PersistentVolumeClaimSpec {
        let mut claim = of_instance.clone();
        // What a volume is to be made from is not what it is to be thrown away with.
        (claim.volume_name, claim.data_source, claim.data_source_ref) = (None, None, None);
        claim.storage_class_name = self.drill.storage_class_name.clone().or(claim.storage_class_name);
        if let Some(storage) = &self.drill.storage {
            let resources = claim.resources.get_or_insert_default();
            let requests = resources.requests.get_or_insert_default();
            requests.insert("storage".to_owned(), storage.clone());
        }
        claim
    }

    async fn follow(&self, job: &Job) -> Result<Action, Failure> {
        let said = last_pod(job, &self.pods)
            .and_then(|pod| serde_json::from_str(pod.annotations().get(PROGRESS_ANNOTATION)?).ok());
        let mut draft = self.draft();
        match said {
            Some(seen) => draft.progress(told::progress(seen)),
            None => draft.does("the Job is starting"),
        }
        tell(&self.shared.context, self.restore, draft.done()).await?;
        Ok(Action::requeue(LOOK))
    }

    async fn judge(&self, job: &Job, well: bool) -> Result<Action, Failure> {
        let outcome: Option<RestoreOutcome> = last_words(job, &self.pods);
        let preflight = self
            .restore
            .status
            .as_ref()
            .and_then(|status| status.preflight.as_ref());
        let outcome = outcome.unwrap_or_else(|| RestoreOutcome {
            message: told::silent(last_pod(job, &self.pods)),
            ..RestoreOutcome::default()
        });
        let restored = told::restored(&outcome, preflight).filter(|_| well);
        let Some(restored) = restored else {
            return self
                .not_restored(&Refused::new(Reason::DrillFailed, outcome.message))
                .await;
        };
        let mut draft = self.draft();
        let what = format!("the database was recovered to {}", restored.position);
        draft.restored(restored);
        // What came after it is checks.
        let checking = outcome.checks.iter().filter_map(|check| check.seconds).sum();
        let took = self.restore.created_at().zip(outcome.ended_at);
        draft.took(took.map(|(from, to)| to - from - TimeDelta::seconds(checking)));
        draft.say(
            ConditionType::DataRestored,
            Status::True,
            Reason::InProgress,
            &what,
        );
        let failed: Vec<String> = outcome
            .checks
            .iter()
            .filter(|check| !check.passed)
            .map(|check| format!("{}: {}", check.name, check.message))
            .collect();
        if failed.is_empty() {
            let what = format!("{} checks found nothing", outcome.checks.len());
            draft.say(ConditionType::ChecksPassed, Status::True, Reason::Proven, &what);
        } else {
            let what = failed.join("; ");
            draft.say(
                ConditionType::ChecksPassed,
                Status::False,
                Reason::ChecksFailed,
                &what,
            );
        }
        draft.checked(outcome.checks);
        draft.does("what was restored is thrown away");
        self.write(draft).await
    }

    async fn not_restored(&self, why: &Refused) -> Result<Action, Failure> {
        let mut draft = self.draft();
        draft.say(ConditionType::DataRestored, Status::False, why.reason, &why.what);
        draft.does("what was restored is thrown away");
        self.write(draft).await
    }

    async fn throw_away(&self) -> Result<Action, Failure> {
        if let Some(job) = self
            .job
            .as_ref()
            .filter(|job| job.metadata.deletion_timestamp.is_none())
        {
            let namespace = job.namespace().unwrap_or_default();
            let writer = &self.shared.context.writer;
            writer
                .delete_with_dependents::<Job>(&namespace, &job.name_any(), job.uid().as_deref())
                .await?;
        }
        Ok(Action::requeue(SOON))
    }

    /// Nothing of it is left.
    async fn end(&self, restored: bool) -> Result<Action, Failure> {
        let passed = scene::holds(self.restore, ConditionType::ChecksPassed) != Some(false);
        let mut draft = self.draft();
        if restored && passed {
            draft.succeeded(Reason::Proven, "what was restored was sound, and is thrown away");
        } else {
            let which = if restored {
                ConditionType::ChecksPassed
            } else {
                ConditionType::DataRestored
            };
            let (reason, said) = draft.said(which);
            draft.failed_as_told(reason.unwrap_or(Reason::DrillFailed), said);
        }
        let ended = draft.done();
        self.remember(&ended, restored && passed).await;
        tell(&self.shared.context, self.restore, ended).await?;
        Ok(Action::requeue(SOON))
    }

    /// Before it is told: one that is noted twice is noted once, and one that is told is done.
    async fn remember(&self, ended: &PerconaPGRestoreStatus, proven: bool) {
        let drill = PastDrill {
            restore: self.restore.uid().unwrap_or_default(),
            namespace: self.restore.namespace().unwrap_or_default(),
            cluster: self.cluster.name_any(),
            drill: self.drill.name.clone(),
            ended: self.now,
            proven,
            result: serde_json::to_string(ended).unwrap_or_default(),
        };
        if let Err(error) = self.shared.context.catalog.drilled(&drill).await {
            tracing::warn!(drill = drill.drill, %error, "what a rehearsal came to is not in the catalog");
        }
    }
}

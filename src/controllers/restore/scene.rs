//! All reads of a restore that is carried out: the instances as they are at this moment, its Jobs, and what else goes on.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

use super::carry::is_late;
use super::decide::{Facts, Mark, Work};
use super::job::{Kind, job_name};
use super::reconcile::is_terminal;
use crate::agent::report::{INSTANCE_ANNOTATION, InstanceReport, PROGRESS_ANNOTATION};
use crate::agent::restore::report::{Category, RestoreOutcome, RestoreProgress};
use crate::api::backup::JobState;
use crate::api::cluster::status::RestoreUnderWay;
use crate::api::conditions;
use crate::api::names::{LABEL_CLUSTER, LABEL_PGBACKREST_EXPIRE};
use crate::api::{ConditionType, PerconaPGCluster, PerconaPGRestore};
use crate::controllers::backup::ended;
use crate::controllers::cluster::build::repository_job::{last_pod, last_words, pods_of};
use crate::controllers::cluster::dereference::{self, Observed};
use crate::controllers::cluster::names::{ANNOTATION_AWAITS_DATA, ANNOTATION_LED_LAST, Names};
use crate::controllers::cluster::status::is_ready;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Fleet, Key};
use crate::controllers::reading::{ReadError, in_time};

/// Everything that is looked at.
pub struct Scene {
    /// The cluster, with its instances read just now.
    pub observed: Observed,
    /// The two Jobs, where they are.
    pub job: Option<Job>,
    pub undo: Option<Job>,
    /// Their Pods.
    pub pods: Vec<Pod>,
    /// Restores of the same cluster that are not over.
    pub others: Vec<PerconaPGRestore>,
    /// What works on the repositories.
    pub busy: Option<String>,
}

/// The restore and its cluster as they are at this moment; nothing where they are not the same any more.
pub async fn now(
    client: &Client,
    restore: &PerconaPGRestore,
    cluster: &PerconaPGCluster,
) -> Result<Option<(PerconaPGRestore, PerconaPGCluster)>, ReadError> {
    let namespace = restore.namespace().unwrap_or_default();
    let restores: Api<PerconaPGRestore> = Api::namespaced(client.clone(), &namespace);
    let clusters: Api<PerconaPGCluster> = Api::namespaced(client.clone(), &namespace);
    let (name, of) = (restore.name_any(), cluster.name_any());
    let reads = async {
        futures::try_join!(
            async {
                restores
                    .get_opt(&name)
                    .await
                    .map_err(ReadError::of("PerconaPGRestores"))
            },
            async {
                clusters
                    .get_opt(&of)
                    .await
                    .map_err(ReadError::of("PerconaPGClusters"))
            },
        )
    };
    let (now, its) = in_time(Box::pin(reads)).await?;
    let same = now.filter(|now| now.uid() == restore.uid());
    Ok(same.zip(its.filter(|its| its.uid() == cluster.uid())))
}

/// Reads everything.
pub async fn read(
    context: &Context,
    fleet: &Fleet,
    cluster: PerconaPGCluster,
    restore: &PerconaPGRestore,
) -> Result<Scene, ReadError> {
    let key = Key::of(&cluster.metadata);
    let watched = dereference::dereference(&context.client, fleet, Arc::new(cluster)).await?;
    let observed = dereference::instances_now(&context.client, &watched).await?;
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &key.namespace);
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &key.namespace);
    let named = |kind: Kind| {
        let jobs = jobs.clone();
        let name = job_name(restore, kind);
        async move { jobs.get_opt(&name).await.map_err(ReadError::of("Jobs")) }
    };
    let expiring =
        ListParams::default().labels(&format!("{LABEL_CLUSTER}={},{LABEL_PGBACKREST_EXPIRE}", key.name));
    let own = pods_of(&[Kind::Restore, Kind::Undo].map(|kind| job_name(restore, kind)));
    let reads = async {
        futures::try_join!(
            named(Kind::Restore),
            named(Kind::Undo),
            async { pods.list(&own).await.map_err(ReadError::of("Pods")) },
            async { jobs.list(&expiring).await.map_err(ReadError::of("Jobs")) },
        )
    };
    let (job, undo, pods, expiring) = Box::pin(in_time(reads)).await?;
    let expiring = expiring.items.iter().find(|job| ended(job).is_none());
    let backup = fleet.backups_of(&key).into_iter().find(|backup| {
        let state = backup.status.as_ref().and_then(|status| status.state.clone());
        matches!(state, Some(JobState::Starting | JobState::Running))
    });
    let busy = backup
        .map(|backup| format!("PerconaPGBackup {} is at work", backup.name_any()))
        .or_else(|| Some(format!("Job {} is at work", expiring?.name_any())));
    Ok(Scene {
        job,
        undo,
        pods: pods.items,
        others: others(fleet, &key, restore),
        busy,
        observed,
    })
}

fn others(fleet: &Fleet, cluster: &Key, restore: &PerconaPGRestore) -> Vec<PerconaPGRestore> {
    let all = fleet.restores().state();
    all.iter()
        .filter_map(|other| other.0.as_ref().ok())
        .filter(|other| {
            other.namespace().as_deref() == Some(&cluster.namespace)
                && other.spec.pg_cluster == cluster.name
                && other.uid() != restore.uid()
                && other.spec.dry_run != Some(true)
                && !other.is_drill()
                && !is_terminal(other)
        })
        .cloned()
        .collect()
}

impl Scene {
    /// What there is to decide from.
    pub fn facts(&self, restore: &PerconaPGRestore, now: DateTime<Utc>) -> Facts {
        let cluster = &self.observed.cluster;
        let undone = self.outcome(self.undo.as_ref());
        Facts {
            unwanted: restore.metadata.deletion_timestamp.is_some()
                || self.superseded_by(restore).is_some()
                || is_late(restore, now),
            before: self.before(restore),
            mark: self.mark(restore),
            stopped: self.is_stopped(),
            begun: holds(restore, ConditionType::InstancesStopped) == Some(true),
            restored: holds(restore, ConditionType::DataRestored),
            job: work(self.job.as_ref()),
            undo: work(self.undo.as_ref()),
            given_up: undone.is_some_and(|outcome| outcome.category == Some(Category::Discarded)),
            paused: cluster.spec.pause.unwrap_or(false),
            leads: self.leader(restore).is_some(),
            joined: self.joined(),
        }
    }

    /// The newer restore that takes the place of this one.
    pub fn superseded_by(&self, restore: &PerconaPGRestore) -> Option<&PerconaPGRestore> {
        let mut others = self.others.iter();
        others.find(|other| other.spec.supersede == Some(true) && order(other) > order(restore))
    }

    fn before(&self, restore: &PerconaPGRestore) -> Option<String> {
        let older = self
            .others
            .iter()
            .filter(|other| order(other) < order(restore))
            .min_by_key(|other| order(other));
        older
            .map(|other| format!("PerconaPGRestore {} is under way", other.name_any()))
            .or_else(|| self.busy.clone())
    }

    /// The mark on the cluster.
    pub fn marked(&self) -> Option<&RestoreUnderWay> {
        self.observed.cluster.status.as_ref()?.restore.as_ref()
    }

    fn mark(&self, restore: &PerconaPGRestore) -> Mark {
        match self.marked() {
            Some(marked) if Some(&marked.uid) == restore.metadata.uid.as_ref() => {
                Mark::Ours(marked.instance.clone())
            }
            Some(marked)
                if self
                    .others
                    .iter()
                    .any(|other| other.uid().as_ref() == Some(&marked.uid)) =>
            {
                Mark::Another
            }
            // Its restore is over or gone, and had nothing to bring back.
            _ => Mark::None,
        }
    }

    /// Nothing runs, and nothing is asked to.
    fn is_stopped(&self) -> bool {
        let asked = |set: &StatefulSet| set.spec.as_ref().and_then(|spec| spec.replicas) != Some(0);
        self.observed.pods.is_empty() && !self.observed.stateful_sets.iter().any(asked)
    }

    /// The instance to work on: the one that led last, since it has every commit.
    pub fn instance(&self) -> Option<String> {
        let sets = &self.observed.stateful_sets;
        let led = sets
            .iter()
            .find(|set| set.annotations().contains_key(ANNOTATION_LED_LAST));
        let mut names: Vec<String> = sets.iter().map(kube::ResourceExt::name_any).collect();
        names.sort();
        led.map(kube::ResourceExt::name_any)
            .or_else(|| names.into_iter().next())
    }

    /// What is restored is known as the one that is to start first and alone, and no claim is waiting for its first data any more.
    pub fn may_start(&self, restore: &PerconaPGRestore) -> bool {
        let chosen = self.marked().and_then(|marked| marked.instance.as_ref());
        let first = |set: &StatefulSet| set.annotations().contains_key(ANNOTATION_LED_LAST);
        let mut sets = self.observed.stateful_sets.iter();
        let known = sets.any(|set| Some(&set.name_any()) == chosen && first(set));
        let waiting =
            |claim: &PersistentVolumeClaim| claim.annotations().contains_key(ANNOTATION_AWAITS_DATA);
        known && !(restore.is_bootstrap() && self.observed.claims.iter().any(waiting))
    }

    /// The report of the instance that took over: it takes writes on a timeline behind the restored one.
    pub fn leader(&self, restore: &PerconaPGRestore) -> Option<InstanceReport> {
        let restored = restore.status.as_ref()?.restored.as_ref()?;
        let reports = self
            .observed
            .pods
            .iter()
            .filter(|pod| is_ready(pod))
            .filter_map(report);
        reports.into_iter().find(|report| {
            report.in_recovery == Some(false) && report.timeline.map(i64::from) >= Some(restored.timeline)
        })
    }

    fn joined(&self) -> bool {
        let ready = |set: &StatefulSet| {
            let name = Names::pod(&set.name_any());
            self.observed
                .pods
                .iter()
                .any(|pod| pod.name_any() == name && is_ready(pod))
        };
        !self.observed.stateful_sets.is_empty() && self.observed.stateful_sets.iter().all(ready)
    }

    /// What a Job's last Pod said when it ended.
    pub fn outcome(&self, job: Option<&Job>) -> Option<RestoreOutcome> {
        last_words(job?, &self.pods)
    }

    /// The last Pod of the Job that restores.
    pub fn last_pod(&self) -> Option<&Pod> {
        last_pod(self.job.as_ref()?, &self.pods)
    }

    /// How far its Pod says it is.
    pub fn progress(&self) -> Option<RestoreProgress> {
        let pod = self.last_pod()?;
        serde_json::from_str(pod.annotations().get(PROGRESS_ANNOTATION)?).ok()
    }
}

/// What an instance says of itself.
pub fn report(pod: &Pod) -> Option<InstanceReport> {
    serde_json::from_str(pod.annotations().get(INSTANCE_ANNOTATION)?).ok()
}

fn order(restore: &PerconaPGRestore) -> (Option<k8s_openapi::jiff::Timestamp>, Option<String>) {
    let created = restore.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (created, restore.uid())
}

/// Whether a condition of a restore holds; nothing where that is not said.
pub fn holds(restore: &PerconaPGRestore, type_: ConditionType) -> Option<bool> {
    let conditions = &restore.status.as_ref()?.conditions;
    let condition = conditions::find(conditions, type_.as_str())?;
    match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

fn work(job: Option<&Job>) -> Work {
    match job {
        None => Work::Absent,
        Some(job) if job.metadata.deletion_timestamp.is_some() => Work::Running,
        Some(job) => match ended(job) {
            None => Work::Running,
            Some(true) => Work::Succeeded,
            Some(false) => Work::Failed,
        },
    }
}

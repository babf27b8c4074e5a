//! What to do next about a backup. Pure: what was observed decides, and the clock is passed in.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;

use super::dereference::Observed;
use super::failure::Trouble;
use super::status::reported;
use super::tries::not_running;
use crate::api::backup::{BackupMethod, JobState};
use crate::api::conditions;
use crate::api::names::LABEL_IMPORTED;
use crate::api::repository::Repository;
use crate::api::{ConditionType, PerconaPGBackup, PerconaPGCluster, Reason, time};
use crate::controllers::cluster::names::LABEL_SCHEDULE;
use crate::controllers::cluster::validate::jobs::of_variables;
use crate::controllers::cluster::volumes;
use crate::domain::options::BackupOptions;

/// For so long something may have to be put right before a backup fails.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// For so long a Pod may take to start: a new node may have to come for it.
pub const START: TimeDelta = TimeDelta::minutes(30);

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It has ended; only its traces are left to be put in order.
    Settled,
    /// It cannot be taken, and waiting does not help.
    Fail(Trouble),
    /// It has to wait, until `deadline` at most.
    Wait {
        /// For what.
        trouble: Trouble,
        /// Whether it waits for its turn, and not for something to be put right.
        for_turn: bool,
        /// When it fails for that.
        deadline: DateTime<Utc>,
    },
    /// All that can be told from here is right: look at the repository, take the Lease, create the Job.
    Start(Box<Accepted>),
    /// Its Pod does not start: the Job goes first, then the backup has failed.
    GiveUp(Trouble),
    /// The Job is there and runs.
    Attend(Box<Accepted>),
    /// The Job has ended: `true`, it says well.
    Conclude(Box<Accepted>, bool),
}

/// Proof that the backup can be taken as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The repository, as the cluster has it.
    pub repository: Repository,
    /// Its key.
    pub key: u8,
    /// Options for pgBackRest, one argument each.
    pub options: BackupOptions,
}

/// Decides.
#[must_use]
pub fn decide(observed: &Observed, now: DateTime<Utc>) -> Step {
    let backup = &observed.backup;
    // One that was found in a repository has been taken, whatever its status says yet.
    if state(backup).is_terminal() || backup.labels().contains_key(LABEL_IMPORTED) {
        return Step::Settled;
    }
    // The deadline is for the start. One that has begun, and whose Job somebody deleted, is begun again.
    let wait = |reason: Reason, what: String, for_turn: bool| {
        let deadline = match state(backup) {
            JobState::New if for_turn => turn_deadline(backup),
            JobState::New => repair_deadline(backup, now),
            _ => DateTime::<Utc>::MAX_UTC,
        };
        if now >= deadline {
            let what = format!(
                "It waited for {} s: {what}",
                (now - created(backup)).num_seconds()
            );
            return Step::Fail(Trouble::new(
                // What it waited for is the cause; only a turn that never came is a matter of the deadline itself.
                if for_turn {
                    Reason::DeadlineExceeded
                } else {
                    reason
                },
                what,
            ));
        }
        Step::Wait {
            trouble: Trouble::new(reason, what),
            for_turn,
            deadline,
        }
    };
    let accepted = match accept(backup, observed.cluster.as_ref()) {
        Ok(accepted) => Box::new(accepted),
        Err(Refused::Now(trouble)) => return Step::Fail(trouble),
        Err(Refused::Yet(reason, what)) => return wait(reason, what, false),
    };
    if let Some(trouble) = never_begins(observed, now) {
        return Step::GiveUp(trouble);
    }
    if let Some(job) = &observed.job {
        return match ended(job) {
            Some(well) => Step::Conclude(accepted, well),
            // The repository is asked as soon as pgBackRest says well; the Job's end comes seconds later.
            None if observed
                .pods
                .last()
                .and_then(reported)
                .is_some_and(|reported| reported.exit == Some(0)) =>
            {
                Step::Conclude(accepted, true)
            }
            None => Step::Attend(accepted),
        };
    }
    let Some(cluster) = &observed.cluster else {
        return wait(Reason::ClusterMissing, String::new(), false);
    };
    let restore = cluster.status.as_ref().and_then(|status| status.restore.as_ref());
    if let Some(restore) = restore {
        let what = format!("PerconaPGRestore {} is at work", restore.name);
        return wait(Reason::RestoreUnderWay, what, true);
    }
    if let Some((reason, what)) = not_ready(cluster, &accepted.repository) {
        return wait(reason, what, false);
    }
    if let Some(what) = turn_of_another(backup, &observed.others) {
        return wait(Reason::RepositoryBusy, what, true);
    }
    Step::Start(accepted)
}

/// A Pod that does not start, or Kubernetes does not make, would hold up every other backup of the cluster for ever.
fn never_begins(observed: &Observed, now: DateTime<Utc>) -> Option<Trouble> {
    let conditions = &observed.backup.status.as_ref()?.conditions;
    let running = conditions::find(conditions, ConditionType::Running.as_str())?;
    let since = time::from_kubernetes(&running.last_transition_time);
    let told = running.status == "False" && running.reason == Reason::PodNotStarting.as_str();
    if state(&observed.backup) != JobState::Starting || !told || now - since < START {
        return None;
    }
    // It may have started meanwhile.
    let still = observed
        .job
        .as_ref()
        .is_none_or(|job| ended(job).is_none() && not_running(observed, now).0 == Reason::PodNotStarting);
    let what = format!("For {} minutes: {}", START.num_minutes(), running.message);
    still.then(|| Trouble::new(Reason::PodNotStarting, what))
}

enum Refused {
    Now(Trouble),
    Yet(Reason, String),
}

fn accept(backup: &PerconaPGBackup, cluster: Option<&PerconaPGCluster>) -> Result<Accepted, Refused> {
    let now = |reason: Reason, what: String| Refused::Now(Trouble::new(reason, what));
    if backup.spec.method == BackupMethod::VolumeSnapshot {
        let what = "Backups by volume snapshot are not built yet".to_owned();
        return Err(now(Reason::NotSupported, what));
    }
    let options = BackupOptions::parse(&backup.spec.options)
        .map_err(|error| now(Reason::InvalidOptions, format!("The {error}")))?;
    let container = backup.spec.container_options.as_ref();
    if let Some(what) = container.and_then(|options| of_variables(&options.env)) {
        let what = format!("In spec.containerOptions.env, {what}");
        return Err(now(Reason::InvalidOptions, what));
    }
    let name = &backup.spec.pg_cluster;
    let Some(cluster) = cluster else {
        let what = format!("There is no PerconaPGCluster {name} in this namespace");
        return Err(Refused::Yet(Reason::ClusterMissing, what));
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        return Err(now(Reason::ClusterDeleting, format!("{name} is being deleted")));
    }
    if cluster.spec.unmanaged.unwrap_or(false) {
        let what = format!("spec.unmanaged of {name} is true");
        return Err(Refused::Yet(Reason::ClusterUnmanaged, what));
    }
    if cluster.is_standby() {
        let what = format!("{name} follows another cluster, and takes no backups");
        return Err(now(Reason::ClusterIsStandby, what));
    }
    if !cluster.spec.backups.is_enabled() {
        let what = format!("spec.backups.enabled of {name} is false");
        return Err(now(Reason::BackupsDisabled, what));
    }
    let wanted = backup.spec.repo_name.as_deref().unwrap_or_default();
    let Some(repository) = cluster.spec.backups.repository(wanted) else {
        let there: Vec<&str> = cluster
            .spec
            .backups
            .repositories()
            .iter()
            .map(|repository| repository.name.as_str())
            .collect();
        let what = format!("'{wanted}' is not among those of {name}: {}", there.join(", "));
        return Err(now(Reason::RepositoryUnknown, what));
    };
    let key = repository.key().ok_or_else(|| {
        now(
            Reason::RepositoryUnknown,
            format!("'{wanted}' is no name of a repository"),
        )
    })?;
    Ok(Accepted {
        repository: repository.clone(),
        key,
        options,
    })
}

/// What the cluster's own status says against starting a backup now.
fn not_ready(cluster: &PerconaPGCluster, repository: &Repository) -> Option<(Reason, String)> {
    let name = cluster.name_any();
    if cluster.spec.pause.unwrap_or(false) {
        return Some((Reason::ClusterPaused, format!("spec.pause of {name} is true")));
    }
    let Some(status) = &cluster.status else {
        return Some((Reason::ClusterNotReady, format!("{name} has no status yet")));
    };
    // The Job would be given the configuration of before.
    if status.observed_generation != cluster.metadata.generation {
        let what = format!("The newest specification of {name} is being carried out");
        return Some((Reason::ClusterNotReady, what));
    }
    let condition = ConditionType::RepositoryReady.of_repository(&repository.name);
    if let Some(condition) = conditions::find(&status.conditions, &condition)
        && condition.status == "False"
        && let Some(reason) = Reason::ALL
            .iter()
            .find(|reason| reason.as_str() == condition.reason)
    {
        // The cluster's look may be older than the repair, so it is not the last word unless nothing newer can be had.
        if matches!(reason, Reason::ReferenceMissing | Reason::ConfigurationConflict) {
            return Some((*reason, condition.message.clone()));
        }
    }
    // A repository that only its own pod can show is not asked while that is not there.
    let host = conditions::find(
        &status.conditions,
        ConditionType::PgBackRestRepoHostReady.as_str(),
    );
    if let Some(condition) = host.filter(|condition| condition.status == "False")
        && volumes::volume_of(repository).is_some()
    {
        return Some((Reason::RepoHostNotReady, condition.message.clone()));
    }
    // Its own WAL would never arrive.
    if repository.is_suspended() {
        let what = format!("suspendArchiving of {} is true", repository.name);
        return Some((Reason::ArchivingSuspended, what));
    }
    let leads = status
        .postgres
        .as_ref()
        .is_some_and(|postgres| postgres.ready.unwrap_or(0) > 0);
    if !leads {
        return Some((Reason::ClusterNotReady, format!("No instance of {name} is ready")));
    }
    None
}

/// Whose turn it is: one that has begun, else the oldest that waits.
fn turn_of_another(backup: &PerconaPGBackup, others: &[PerconaPGBackup]) -> Option<String> {
    if let Some(other) = others.iter().find(|other| is_active(other)) {
        let since = other
            .status
            .as_ref()
            .and_then(|status| status.started_at.as_ref())
            .map(|at| format!(" (since {})", time::from_kubernetes(at).format("%H:%M:%S UTC")))
            .unwrap_or_default();
        return Some(format!("PerconaPGBackup {} is at work{since}", other.name_any()));
    }
    if state(backup) != JobState::New {
        return None;
    }
    let mut before: Vec<&PerconaPGBackup> = others
        .iter()
        .filter(|other| state(other) == JobState::New && can_start(other) && order(other) < order(backup))
        .collect();
    before.sort_by_key(|other| order(other));
    let first = before.first()?;
    Some(format!(
        "{} before this one, the first is PerconaPGBackup {}",
        before.len(),
        first.name_any()
    ))
}

/// One that waits for something else than its turn holds up nobody.
fn can_start(backup: &PerconaPGBackup) -> bool {
    blocked(backup).is_none() && backup.metadata.deletion_timestamp.is_none()
}

/// That it waits for something to be put right, as last written.
fn blocked(backup: &PerconaPGBackup) -> Option<&Condition> {
    let conditions = &backup.status.as_ref()?.conditions;
    conditions::find(conditions, ConditionType::Accepted.as_str())
        .filter(|condition| condition.status == "False")
}

/// First come, first served; but somebody who asked for a backup does not wait for those of schedules.
#[must_use]
pub fn order(backup: &PerconaPGBackup) -> (bool, Option<DateTime<Utc>>, String) {
    let created = backup
        .metadata
        .creation_timestamp
        .as_ref()
        .map(time::from_kubernetes);
    let scheduled = backup.labels().contains_key(LABEL_SCHEDULE);
    (scheduled, created, backup.name_any())
}

/// It has begun and has not ended.
#[must_use]
pub fn is_active(backup: &PerconaPGBackup) -> bool {
    matches!(state(backup), JobState::Starting | JobState::Running)
}

/// It has ended, well or not.
#[must_use]
pub fn is_terminal(backup: &PerconaPGBackup) -> bool {
    state(backup).is_terminal()
}

/// State as last written.
#[must_use]
pub fn state(backup: &PerconaPGBackup) -> JobState {
    backup
        .status
        .as_ref()
        .and_then(|status| status.state.clone())
        .unwrap_or_default()
}

/// Until when it may wait for its turn: others take as long as they take, and have limits of their own.
#[must_use]
pub fn turn_deadline(backup: &PerconaPGBackup) -> DateTime<Utc> {
    let limit = backup
        .spec
        .starting_deadline_seconds
        .and_then(TimeDelta::try_seconds);
    limit
        .and_then(|limit| created(backup).checked_add_signed(limit))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Until when it may wait for something to be put right.
#[must_use]
pub fn repair_deadline(backup: &PerconaPGBackup, now: DateTime<Utc>) -> DateTime<Utc> {
    match backup.spec.starting_deadline_seconds {
        Some(_) => turn_deadline(backup),
        None => wrong_since(backup, now) + PATIENCE,
    }
}

/// Since when it waits for something to be put right.
#[must_use]
pub fn wrong_since(backup: &PerconaPGBackup, now: DateTime<Utc>) -> DateTime<Utc> {
    blocked(backup).map_or(now, |condition| {
        time::from_kubernetes(&condition.last_transition_time)
    })
}

fn created(backup: &PerconaPGBackup) -> DateTime<Utc> {
    let created = backup.metadata.creation_timestamp.as_ref();
    created.map(time::from_kubernetes).unwrap_or_default()
}

/// Whether a Job has ended, well or not.
#[must_use]
pub fn job_has_ended(job: &Job) -> bool {
    ended(job).is_some()
}

/// When a Job has ended.
#[must_use]
pub fn job_ended(job: &Job) -> Option<DateTime<Utc>> {
    let status = job.status.as_ref()?;
    let failed = || {
        let conditions = status.conditions.as_ref()?;
        let condition = conditions.iter().find(|condition| condition.type_ == "Failed")?;
        condition.last_transition_time.as_ref()
    };
    status
        .completion_time
        .as_ref()
        .or_else(failed)
        .map(time::from_kubernetes)
}

/// Whether the Job has ended, and well.
#[must_use]
pub fn ended(job: &Job) -> Option<bool> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let holds = |type_: &str| {
        conditions
            .iter()
            .any(|condition| condition.type_ == type_ && condition.status == "True")
    };
    if holds("Complete") {
        Some(true)
    } else if holds("Failed") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

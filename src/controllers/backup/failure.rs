//! What stands in the way of a backup, in words for a person: what happened, what it means, what to do.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::dereference::Leader;
use super::fate::{fate, own};
use crate::agent::report::BackupOutcome;
use crate::api::{ConditionType, PerconaPGCluster, Reason, conditions, time};
use crate::pgbackrest::exit_code::{self, Command};
use crate::pgbackrest::failure::{FailureKind, Permanence};

/// What Kubernetes says of a Job that ran into `activeDeadlineSeconds`.
const PAST_DEADLINE: &str = "DeadlineExceeded";

/// pgBackRest fails when a primary goes; so much later at most another one leads, and a little more.
const SUCCESSION: TimeDelta = TimeDelta::seconds(90);
const TIME: &str = "%H:%M:%S UTC";

/// A reason and the whole text that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Public word.
    pub reason: Reason,
    /// What happened, what it means for the data, what to do.
    pub message: String,
}

impl Trouble {
    /// From what happened here in particular; the reason brings its meaning and its remedy.
    pub fn new(reason: Reason, what: impl AsRef<str>) -> Self {
        Self {
            reason,
            message: reason.explain(what.as_ref()),
        }
    }
}

/// What is known beside the Pods when they are judged.
#[derive(Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// What our own look at the repository found: the kind, and its text.
    pub repository: Option<(FailureKind, &'a str)>,
    /// Who leads the cluster.
    pub leader: Option<&'a Leader>,
    /// What Kubernetes says of a Job that has failed.
    pub job: &'a str,
}

/// Why a Job failed, from the last of its Pods that did not end well.
pub fn of_job(pods: &[Pod], evidence: Evidence<'_>) -> Trouble {
    let job_says = evidence.job;
    if job_says.contains(PAST_DEADLINE) {
        let what =
            format!("It ran longer than jobs.activeDeadlineSeconds allows, and was stopped. {job_says}");
        return Trouble::new(Reason::Stalled, what);
    }
    pods.iter()
        .rev()
        .find_map(|pod| of_pod(pod, evidence))
        .unwrap_or_else(|| {
            Trouble::new(
                Reason::Interrupted,
                format!("No Pod of the Job is left. {job_says}"),
            )
        })
}

/// Why a try ended without a backup: what was done to its Pod, or what pgBackRest says. Nothing while it has not ended.
pub fn of_pod(pod: &Pod, evidence: Evidence<'_>) -> Option<Trouble> {
    if let Some(trouble) = fate(pod).map(Trouble::from) {
        return Some(trouble);
    }
    let state = terminated(pod)?;
    let outcome = outcome(state);
    if outcome.refused {
        return Some(Trouble::new(Reason::InvalidOptions, outcome.message));
    }
    if outcome.stalled {
        return Some(Trouble::new(Reason::Stalled, outcome.message));
    }
    let repository = evidence.repository.map(|(kind, _)| kind);
    let coarse = exit_code::Evidence {
        repository,
        http_status: outcome.http_status,
        error_types: &outcome.error_types,
    };
    let kind = exit_code::classify(Command::Backup, outcome.exit, &coarse).map(|failure| failure.kind);
    let said = match outcome.exit {
        Some(code) => format!("pgBackRest ended with {code}: {}", outcome.message),
        None if outcome.message.is_empty() => format!("The container ended with {}", state.exit_code),
        None => outcome.message.clone(),
    };
    Some(match (kind, evidence.repository) {
        (Some(kind), Some((found, text))) if kind == found => {
            Trouble::new(kind.reason(), format!("{} ({said})", text.trim_end_matches('.')))
        }
        (Some(kind), _) => match evidence.leader.filter(|leader| is_behind(leader, kind, state)) {
            Some(leader) => {
                let what = format!(
                    "{} leads since {} ({said})",
                    leader.pod,
                    leader.since.format(TIME)
                );
                Trouble::new(Reason::PrimaryChanged, what)
            }
            None => Trouble::new(kind.reason(), said),
        },
        (None, _) => Trouble::new(Reason::BackupFailed, format!("{said}. {}", evidence.job)),
    })
}

/// Whether a change of the primary is behind a failure: one that began to lead while the try ran or as it ended.
fn is_behind(leader: &Leader, kind: FailureKind, state: &ContainerStateTerminated) -> bool {
    let at = |time: &Option<Time>| time.as_ref().map(time::from_kubernetes);
    let (Some(begun), Some(ended)) = (at(&state.started_at), at(&state.finished_at)) else {
        return false;
    };
    kind.permanence() == Permanence::Transient && (begun..=ended + SUCCESSION).contains(&leader.since)
}

/// What the agent says at its end; empty when it was killed.
pub fn outcome(state: &ContainerStateTerminated) -> BackupOutcome {
    let message = state.message.as_deref();
    message
        .and_then(|message| serde_json::from_str(message).ok())
        .unwrap_or_default()
}

/// WAL that does not arrive has a cause, which the condition of archiving knows: a store may be full for a backup's WAL
/// and say nothing to a backup that waits for it.
pub fn behind_missing_wal(trouble: Trouble, cluster: Option<&PerconaPGCluster>) -> Trouble {
    if trouble.reason != Reason::WalMissing {
        return trouble;
    }
    match cluster.and_then(unhealthy_archiving) {
        Some((reason, message)) => Trouble::new(
            reason,
            format!("WAL that the backup needs did not arrive: {message}"),
        ),
        None => trouble,
    }
}

/// What keeps every backup into a repository from ending well: it refuses WAL, and it is known why. pgBackRest would find out
/// after a minute, at the end of its work or at its beginning.
pub fn refused_wal(cluster: Option<&PerconaPGCluster>, repository: &str) -> Option<Trouble> {
    let status = cluster?.status.as_ref()?.pgbackrest.as_ref()?;
    let mut repositories = status.repos.iter();
    repositories.find(|entry| entry.name == repository && entry.refuses_wal == Some(true))?;
    let (reason, message) = cluster.and_then(unhealthy_archiving)?;
    let known = matches!(
        reason,
        Reason::StoreFull
            | Reason::CredentialsRefused
            | Reason::PermissionMissing
            | Reason::BucketMissing
            | Reason::CertificateUntrusted
            | Reason::WrongCipherPassphrase
    );
    known.then(|| {
        Trouble::new(
            reason,
            format!("WAL that a backup needs would not arrive: {message}"),
        )
    })
}

fn unhealthy_archiving(cluster: &PerconaPGCluster) -> Option<(Reason, &str)> {
    let conditions = &cluster.status.as_ref()?.conditions;
    let condition = conditions::find(conditions, ConditionType::ArchivingHealthy.as_str())?;
    let reason = Reason::from_word(&condition.reason)?;
    (condition.status == "False").then_some((reason, condition.message.as_str()))
}

/// How the container with pgBackRest ended, if it has.
pub fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let status = own(pod)?;
    let state = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    state.or(status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref()))
}

#[cfg(test)]
mod tests;

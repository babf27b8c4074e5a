//! What stands in the way of a backup, in words for a person: what happened, what it means, what to do.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt as _;

use crate::agent::report::BackupOutcome;
use crate::api::{ConditionType, PerconaPGCluster, Reason, conditions};
use crate::pgbackrest::exit_code::{self, Command, Evidence};
use crate::pgbackrest::failure::FailureKind;

/// What Kubernetes says of a Job that ran into `activeDeadlineSeconds`.
const PAST_DEADLINE: &str = "DeadlineExceeded";

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

/// Why a Job failed, from the last of its Pods and from our own look at the repository.
pub fn of_job(
    pods: &[Pod],
    repository: Option<FailureKind>,
    looked: Option<&str>,
    job_says: &str,
) -> Trouble {
    if job_says.contains(PAST_DEADLINE) {
        let what =
            format!("It ran longer than jobs.activeDeadlineSeconds allows, and was stopped. {job_says}");
        return Trouble::new(Reason::Stalled, what);
    }
    let ended = pods.iter().rev().find_map(|pod| Some((pod, terminated(pod)?)));
    let Some((pod, state)) = ended else {
        return Trouble::new(
            Reason::Interrupted,
            format!("No Pod of the Job is left. {job_says}"),
        );
    };
    if state.reason.as_deref() == Some("OOMKilled") {
        let what = format!(
            "Pod {} was killed: out of memory (limit {})",
            pod.name_any(),
            memory_limit(pod)
        );
        return Trouble::new(Reason::BackupFailed, what);
    }
    let outcome: BackupOutcome = state
        .message
        .as_deref()
        .and_then(|message| serde_json::from_str(message).ok())
        .unwrap_or_default();
    if outcome.stalled {
        return Trouble::new(Reason::Stalled, outcome.message);
    }
    let evidence = Evidence {
        repository,
        http_status: outcome.http_status,
        error_types: &outcome.error_types,
    };
    let kind = exit_code::classify(Command::Backup, outcome.exit, &evidence).map(|failure| failure.kind);
    let said = match outcome.exit {
        Some(code) => format!("pgBackRest ended with {code}: {}", outcome.message),
        None if outcome.message.is_empty() => format!("The container ended with {}", state.exit_code),
        None => outcome.message.clone(),
    };
    match kind {
        Some(kind) if Some(kind) == repository => Trouble::new(
            kind.reason(),
            format!("{} ({said})", looked.unwrap_or_default().trim_end_matches('.')),
        ),
        Some(kind) => Trouble::new(kind.reason(), said),
        None => Trouble::new(Reason::BackupFailed, format!("{said}. {job_says}")),
    }
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

/// What keeps every backup of the cluster from ending well: a repository, this backup's or another one, refuses WAL, and
/// it is known why. pgBackRest would find out after a minute, at the end of its work or at its beginning.
pub fn refused_wal(cluster: Option<&PerconaPGCluster>) -> Option<Trouble> {
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
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses
        .iter()
        .find(|status| status.name == super::build::CONTAINER)?;
    let state = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    state.or(status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref()))
}

fn memory_limit(pod: &Pod) -> String {
    let limit = || {
        let container = pod.spec.as_ref()?.containers.first()?;
        let limits = container.resources.as_ref()?.limits.as_ref()?;
        Some(limits.get("memory")?.0.clone())
    };
    limit().unwrap_or_else(|| "none; the node's memory".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(state: &serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "pgbackrest", "resources": {"limits": {"memory": "64Mi"}}}]},
            "status": {"containerStatuses": [{
                "name": "pgbackrest", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": state}
            }]}
        }))
        .unwrap()
    }

    #[test]
    fn our_own_look_names_the_cause_behind_a_coarse_code() {
        let message = r#"{"exit":55,"errorTypes":["FileMissingError"],"message":"[055]: raised"}"#;
        let pods = [pod(&serde_json::json!({"exitCode": 10, "message": message}))];
        let told = of_job(
            &pods,
            Some(FailureKind::BucketMissing),
            Some("Bucket b is not there"),
            "",
        );
        assert_eq!(told.reason, Reason::BucketMissing);
        assert!(told.message.contains("Bucket b is not there"), "{}", told.message);
        assert_eq!(of_job(&pods, None, None, "").reason, Reason::StanzaMissing);
    }

    #[test]
    fn a_kill_for_memory_is_told_with_the_limit() {
        let pods = [pod(&serde_json::json!({"exitCode": 137, "reason": "OOMKilled"}))];
        let told = of_job(&pods, None, None, "");
        assert!(told.message.contains("64Mi"), "{}", told.message);
    }

    #[test]
    fn one_that_stood_still_or_ran_too_long_is_told_as_that() {
        let message = r#"{"exit":63,"stalled":true,"message":"nothing moved for 60 s"}"#;
        let pods = [pod(&serde_json::json!({"exitCode": 11, "message": message}))];
        let told = of_job(&pods, None, None, "Job has reached the specified backoff limit");
        assert_eq!(told.reason, Reason::Stalled);
        assert!(
            told.message.contains("nothing moved for 60 s"),
            "{}",
            told.message
        );
        // Its Pods are gone by then.
        let told = of_job(
            &[],
            None,
            None,
            "DeadlineExceeded: Job was active longer than specified deadline",
        );
        assert_eq!(told.reason, Reason::Stalled);
        assert!(told.message.contains("activeDeadlineSeconds"), "{}", told.message);
    }

    #[test]
    fn a_job_without_pods_was_interrupted() {
        assert_eq!(of_job(&[], None, None, "x").reason, Reason::Interrupted);
    }

    #[test]
    fn behind_missing_wal_stands_what_archiving_says() {
        let cluster = |status: &str| -> PerconaPGCluster {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": "c"},
                "spec": {"postgresVersion": 18, "instances": [{"name": "a", "dataVolumeClaimSpec": {}}],
                         "backups": {"pgbackrest": {"repos": []}}},
                "status": {"conditions": [{
                    "type": "ArchivingHealthy", "status": status, "reason": "StoreFull", "message": "repo1 refuses",
                    "lastTransitionTime": "2026-11-21T00:00:00Z"
                }]}
            }))
            .unwrap()
        };
        let missing = || Trouble::new(Reason::WalMissing, "82");
        let told = behind_missing_wal(missing(), Some(&cluster("False")));
        assert!(told.reason == Reason::StoreFull && told.message.contains("repo1 refuses"));
        assert_eq!(behind_missing_wal(missing(), Some(&cluster("True"))), missing());
        assert_eq!(
            refused_wal(Some(&cluster("False"))).unwrap().reason,
            Reason::StoreFull
        );
        assert_eq!(refused_wal(Some(&cluster("True"))), None);
        let other = Trouble::new(Reason::Interrupted, "x");
        assert_eq!(behind_missing_wal(other.clone(), Some(&cluster("False"))), other);
    }
}

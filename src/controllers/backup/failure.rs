//! What stands in the way of a backup, in words for a person: what happened, what it means, what to do.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt as _;

use crate::agent::report::BackupOutcome;
use crate::api::Reason;
use crate::pgbackrest::exit_code::{self, Command, Evidence};
use crate::pgbackrest::failure::FailureKind;

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
    fn a_job_without_pods_was_interrupted() {
        assert_eq!(of_job(&[], None, None, "x").reason, Reason::Interrupted);
    }
}

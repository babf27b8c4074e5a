//! Writing status, and telling its changes as Events: once per change, not once per look.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::events::EventType;
use serde_json::json;

use super::names::FIELD_MANAGER;
use crate::api::cluster::PerconaPGClusterStatus;
use crate::api::conditions::{self, Status};
use crate::api::{ConditionType, PerconaPGCluster, Reason};
use crate::controllers::context::Context;
use crate::controllers::writer::WriteError;
use crate::controllers::{archive, retention, schedule};

/// Writes a status.
pub async fn write(
    context: &Context,
    cluster: &PerconaPGCluster,
    status: &PerconaPGClusterStatus,
) -> Result<(), WriteError> {
    let mut status = status.clone();
    // Other controllers', with field managers of their own.
    status.recovery = None;
    status.schedules.clear();
    status.restore = None;
    status.retention.clear();
    status.conditions.retain(|condition| {
        !archive::CONDITIONS
            .iter()
            .chain(&schedule::CONDITIONS)
            .chain(&retention::CONDITIONS)
            .any(|theirs| theirs.as_str() == condition.type_)
    });
    write_for(
        context,
        &cluster.namespace().unwrap_or_default(),
        &cluster.name_any(),
        &json!(status),
    )
    .await
}

async fn write_for(
    context: &Context,
    namespace: &str,
    name: &str,
    status: &serde_json::Value,
) -> Result<(), WriteError> {
    context
        .writer
        .apply_status::<DeserializeGuard<PerconaPGCluster>>(namespace, name, status, FIELD_MANAGER)
        .await
        .map(|_| ())
}

/// What a controller with a field manager of its own says of a cluster: its fields of the status, and its conditions.
pub struct Own<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Types of its conditions.
    pub types: &'a [ConditionType],
    /// Its fields.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Whether they differ from those that are there.
    pub differ: bool,
    /// Its conditions.
    pub conditions: &'a [Condition],
}

/// Writes that where it has changed, and tells its changes.
pub async fn write_own(
    context: &Context,
    cluster: &PerconaPGCluster,
    mut own: Own<'_>,
) -> Result<(), WriteError> {
    let status = cluster.status.as_ref();
    let before: Vec<Condition> = status
        .into_iter()
        .flat_map(|status| &status.conditions)
        .filter(|condition| own.types.iter().any(|own| own.as_str() == condition.type_))
        .cloned()
        .collect();
    if !own.differ && before == own.conditions {
        return Ok(());
    }
    own.fields.insert("conditions".to_owned(), json!(own.conditions));
    let namespace = cluster.namespace().unwrap_or_default();
    context
        .writer
        .apply_status::<DeserializeGuard<PerconaPGCluster>>(
            &namespace,
            &cluster.name_any(),
            &own.fields,
            own.manager,
        )
        .await?;
    transitions(context, cluster, &before, own.conditions).await;
    Ok(())
}

/// Publishes what has changed between two statuses: a condition that turned, or is bad for another reason.
pub async fn transitions(
    context: &Context,
    cluster: &PerconaPGCluster,
    before: &[Condition],
    after: &[Condition],
) {
    for told in changed(before, after) {
        let Some(reason) = Reason::from_word(&told.reason) else {
            continue;
        };
        let kind = if told.warning {
            EventType::Warning
        } else {
            EventType::Normal
        };
        context.events.publish(cluster, kind, reason, &told.message).await;
    }
}

/// One Event to publish.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    warning: bool,
    reason: String,
    message: String,
}

/// Reasons that are a matter of time, not a matter for a person.
fn passes(reason: &str) -> bool {
    [
        Reason::InProgress,
        Reason::ClusterPaused,
        Reason::AwaitsData,
        Reason::StanzaMissing,
        Reason::InstancesNotReady,
        Reason::PrimaryUnreachable,
        Reason::ClusterIsStandby,
    ]
    .iter()
    .any(|passing| passing.as_str() == reason)
}

fn changed(before: &[Condition], after: &[Condition]) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for condition in after {
        let old = conditions::find(before, &condition.type_);
        if old.is_some_and(|old| old.status == condition.status && old.reason == condition.reason) {
            continue;
        }
        let bad_when = [
            ConditionType::UnsupportedFields,
            ConditionType::RepositoryVolumesKept,
            ConditionType::StandbyLagging,
        ]
        .iter()
        .any(|kind| kind.as_str() == condition.type_);
        let bad = (condition.status == "True") == bad_when && condition.status != "Unknown";
        let warning = bad && !passes(&condition.reason);
        // That something is as it should be is news only where it was not before.
        let recovered =
            !bad && condition.status != "Unknown" && old.is_some_and(|old| old.status != condition.status);
        if !warning && !recovered {
            continue;
        }
        let meaning = Reason::from_word(&condition.reason)
            .filter(|reason| warning && !condition.message.contains(reason.remedy()))
            .map(|reason| format!(" {} {}", reason.meaning(), reason.remedy()))
            .unwrap_or_default();
        let told = Told {
            warning,
            reason: condition.reason.clone(),
            message: format!(
                "{}: {}.{meaning}",
                condition.type_,
                condition.message.trim_end_matches('.')
            ),
        };
        // Several conditions may be bad for the same cause: the first one tells it.
        if !warning
            || !all
                .iter()
                .any(|other| other.warning && other.reason == told.reason)
        {
            all.push(told);
        }
    }
    all
}

/// Tells that an object cannot be read as what its kind says, and leaves it alone.
pub async fn unreadable(
    context: &Context,
    object: &DeserializeGuard<PerconaPGCluster>,
    invalid: &InvalidObject,
) -> Result<(), WriteError> {
    let mut conditions = Vec::new();
    conditions::set(
        &mut conditions,
        ConditionType::Valid.as_str(),
        Status::False,
        Reason::InvalidObject.as_str(),
        &invalid.error,
        invalid.metadata.generation,
        Utc::now(),
    );
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    tracing::warn!(
        name,
        namespace,
        error = invalid.error,
        "the object cannot be read"
    );
    write_for(context, &namespace, &name, &json!({ "conditions": conditions })).await?;
    context
        .events
        .publish(object, EventType::Warning, Reason::InvalidObject, &invalid.error)
        .await;
    Ok(())
}

/// Tells that a cluster is left alone by the user's wish.
pub async fn unmanaged(
    context: &Context,
    cluster: &PerconaPGCluster,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let before = cluster.status.clone().unwrap_or_default();
    let mut status = before.clone();
    for kind in [ConditionType::Progressing, ConditionType::ReadyForBackup] {
        conditions::set(
            &mut status.conditions,
            kind.as_str(),
            Status::False,
            Reason::ClusterUnmanaged.as_str(),
            "spec.unmanaged is set: the cluster is left alone",
            cluster.metadata.generation,
            now,
        );
    }
    if status == before {
        return Ok(());
    }
    write(context, cluster, &status).await?;
    transitions(context, cluster, &before.conditions, &status.conditions).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: &str, status: &str, reason: Reason) -> Condition {
        let holds = if status == "True" {
            Status::True
        } else {
            Status::False
        };
        let mut conditions = Vec::new();
        conditions::set(
            &mut conditions,
            kind,
            holds,
            reason.as_str(),
            "text",
            None,
            DateTime::UNIX_EPOCH,
        );
        conditions.remove(0)
    }

    #[test]
    fn a_bad_turn_is_told_once_with_its_meaning_and_its_end_too() {
        let bad = condition("RepositoryReady", "False", Reason::CredentialsRefused);
        let good = condition("RepositoryReady", "True", Reason::AsSpecified);
        let told = changed(&[], std::slice::from_ref(&bad));
        assert!(told[0].warning && told[0].message.contains("Correct the Secret"));
        assert!(changed(std::slice::from_ref(&bad), std::slice::from_ref(&bad)).is_empty());
        assert!(!changed(&[bad], &[good])[0].warning);
    }

    #[test]
    fn what_only_takes_time_is_no_event() {
        assert!(changed(&[], &[condition("Ready", "False", Reason::InstancesNotReady)]).is_empty());
        assert!(
            changed(
                &[],
                &[condition("UnsupportedFields", "False", Reason::AsSpecified)]
            )
            .is_empty()
        );
        assert!(
            changed(
                &[],
                &[condition("UnsupportedFields", "True", Reason::UnsupportedFields)]
            )[0]
            .warning
        );
    }
}

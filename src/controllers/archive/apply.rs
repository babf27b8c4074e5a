//! The writes of this controller: `status.recovery`, its conditions, and how far each backup can be recovered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;
use serde_json::{Map, Value, json};

use super::dereference::Observed;
use super::import::Imports;
use super::{FIELD_MANAGER, IMPORT_MANAGER};
use crate::api::backup::{JobState, PerconaPGBackupStatus};
use crate::api::cluster::recovery::RecoveryStatus;
use crate::api::{PerconaPGBackup, Reason, time};
use crate::controllers::cluster::announce::{self, Own};
use crate::controllers::context::Context;
use crate::controllers::writer::WriteError;
use crate::survey::Picture;

/// Writes what has changed of a cluster's status, and tells it.
pub async fn cluster(
    context: &Context,
    observed: &Observed,
    recovery: &RecoveryStatus,
    conditions: &[Condition],
) -> Result<(), WriteError> {
    let known = observed.cluster.status.as_ref();
    let own = Own {
        manager: FIELD_MANAGER,
        types: &super::CONDITIONS,
        // What rehearsals came to is told by another controller.
        differ: known.and_then(|status| Some(&status.recovery.as_ref()?.repos)) != Some(&recovery.repos),
        fields: Map::from_iter([("recovery".to_owned(), json!(recovery))]),
        conditions,
    };
    announce::write_own(context, &observed.cluster, own).await
}

/// Writes what the repository says of each backup in it, where that has changed: how far it can be recovered, and what protects it in
/// the store.
pub async fn backups(
    context: &Context,
    observed: &Observed,
    repo: &str,
    picture: &Picture,
) -> Result<(), WriteError> {
    let told = told(picture);
    for backup in observed.backups.iter().filter(|backup| is_in(backup, repo)) {
        let status = backup.status.clone().unwrap_or_default();
        let label = status.backup_name.clone().unwrap_or_default();
        let told = told.get(label.as_str()).cloned().unwrap_or_default();
        if status.latest_restorable_time == told.latest_restorable_time
            && status.retained_until == told.retained_until
            && status.held_in_store == told.held_in_store
        {
            continue;
        }
        let name = backup.name_any();
        let told: Map<String, Value> = match json!(told) {
            Value::Object(told) => told,
            _ => Map::new(),
        };
        let namespace = backup.namespace().unwrap_or_default();
        let written = context
            .writer
            .apply_status::<DeserializeGuard<PerconaPGBackup>>(&namespace, &name, &told, FIELD_MANAGER)
            .await;
        match written {
            // One that was deleted meanwhile holds up no other.
            Err(error) if error.is_refusal() => {
                tracing::debug!(name, %error, "what the repository says of it is not written");
            }
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// Makes and removes objects of backups, so that they are those of the repository.
pub async fn imports(context: &Context, observed: &Observed, imports: Imports) -> Result<(), WriteError> {
    let namespace = observed.cluster.namespace().unwrap_or_default();
    for found in imports.create {
        match make(context, &namespace, found.backup, found.other_name).await {
            // The next look tries again, and what stands against it holds up nothing else.
            Err(error) if error.is_conflict() || error.is_refusal() => {
                tracing::info!(%error, "a backup that was found has no object");
            }
            made => say(context, &namespace, &made?.name_any(), &found.status).await?,
        }
    }
    for (name, status) in imports.tell {
        say(context, &namespace, &name, &status).await?;
    }
    for backup in imports.expired {
        let (name, uid) = (backup.name_any(), backup.uid());
        context
            .writer
            .delete::<PerconaPGBackup>(&namespace, &name, uid.as_deref())
            .await?;
        let label = backup
            .status
            .and_then(|status| status.backup_name)
            .unwrap_or_default();
        let text = format!("PerconaPGBackup {name}: the repository does not hold {label} any more");
        let reason = Reason::BackupExpired;
        context
            .events
            .publish(&*observed.cluster, EventType::Normal, reason, &text)
            .await;
    }
    Ok(())
}

async fn make(
    context: &Context,
    namespace: &str,
    mut backup: PerconaPGBackup,
    other_name: String,
) -> Result<PerconaPGBackup, WriteError> {
    let made = context.writer.create(namespace, &backup, FIELD_MANAGER).await;
    if made.as_ref().is_err_and(WriteError::is_conflict) && backup.name_any() != other_name {
        backup.metadata.name = Some(other_name);
        return context.writer.create(namespace, &backup, FIELD_MANAGER).await;
    }
    made
}

async fn say(
    context: &Context,
    namespace: &str,
    name: &str,
    status: &PerconaPGBackupStatus,
) -> Result<(), WriteError> {
    context
        .writer
        .apply_status::<DeserializeGuard<PerconaPGBackup>>(namespace, name, status, IMPORT_MANAGER)
        .await?;
    Ok(())
}

fn is_in(backup: &PerconaPGBackup, repo: &str) -> bool {
    backup.spec.repo_name.as_deref() == Some(repo)
        && backup
            .status
            .as_ref()
            .is_some_and(|status| status.state == Some(JobState::Succeeded))
}

/// What the repository says of each backup, by label.
fn told(picture: &Picture) -> BTreeMap<&str, PerconaPGBackupStatus> {
    let mut told: BTreeMap<&str, PerconaPGBackupStatus> = BTreeMap::new();
    for backup in &picture.recovery.backups {
        let status = told.entry(backup.label.as_str()).or_default();
        status.latest_restorable_time = backup.latest_restorable_time.map(upstream);
    }
    for (label, protection) in &picture.protections {
        let status = told.entry(label.as_str()).or_default();
        status.retained_until = protection.retained_until.map(time::to_kubernetes);
        status.held_in_store = protection.held.then_some(true);
    }
    told
}

/// The form of the compatible operator: Go's `2006-01-02 15:04:05.000000-0700`.
fn upstream(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.6f%z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_backup_has_the_form_of_the_compatible_operator() {
        let time = DateTime::from_timestamp_micros(1_800_000_000_000_120).unwrap();
        assert_eq!(upstream(time), "2027-01-15 08:00:00.000120+0000");
    }
}

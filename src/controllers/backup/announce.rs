//! Writing a backup's status, and telling its changes as Events: once per change, not once per look.

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;

use super::FIELD_MANAGER;
use super::dereference::Observed;
use super::status::{self, Happened};
use crate::api::backup::PerconaPGBackupStatus;
use crate::api::{PerconaPGBackup, Reason};
use crate::controllers::context::Context;
use crate::controllers::retention;
use crate::controllers::writer::WriteError;

/// Writes the status if it differs, and tells its change. `destination` is where the backup goes, once that is known.
pub async fn tell(
    context: &Context,
    observed: &Observed,
    happened: &Happened<'_>,
    destination: Option<String>,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let before = observed.backup.status.clone().unwrap_or_default();
    let mut after = status::status(observed, happened, now);
    after.destination = destination.or(after.destination);
    if before == after {
        return Ok(());
    }
    let mut own = after.clone();
    // The archive controller's and the retention controller's, with field managers of their own.
    own.latest_restorable_time = None;
    own.conditions.retain(|condition| {
        !retention::OF_BACKUPS
            .iter()
            .any(|theirs| theirs.as_str() == condition.type_)
    });
    let name = observed.backup.name_any();
    let namespace = observed.backup.namespace().unwrap_or_default();
    context
        .writer
        .apply_status::<DeserializeGuard<PerconaPGBackup>>(&namespace, &name, &own, FIELD_MANAGER)
        .await?;
    let Some((kind, reason, text)) = news(happened, &before, &after) else {
        return Ok(());
    };
    context
        .events
        .publish(&observed.backup, kind, reason, &text)
        .await;
    // A cluster's owner looks at the cluster: what fails there is told there too.
    if let (Happened::Failed(_), Some(cluster)) = (happened, &observed.cluster) {
        let text = format!("PerconaPGBackup {name}: {text}");
        context.events.publish(cluster, kind, reason, &text).await;
    }
    Ok(())
}

fn news(
    happened: &Happened<'_>,
    before: &PerconaPGBackupStatus,
    after: &PerconaPGBackupStatus,
) -> Option<(EventType, Reason, String)> {
    let said = |reason: Reason| {
        before
            .conditions
            .iter()
            .any(|condition| condition.reason == reason.as_str())
    };
    match happened {
        Happened::Waits(trouble, _) | Happened::Unconfirmed(trouble) if said(trouble.reason) => None,
        // Waiting for one's turn is as it should be.
        Happened::Waits(trouble, true) => Some((EventType::Normal, trouble.reason, trouble.message.clone())),
        Happened::Waits(trouble, false) | Happened::Unconfirmed(trouble) | Happened::Failed(trouble) => {
            Some((EventType::Warning, trouble.reason, trouble.message.clone()))
        }
        Happened::Succeeded(evidence) => {
            let label = evidence.backup.label.as_str();
            let text = format!("{label} is in the repository with its WAL");
            Some((EventType::Normal, Reason::Succeeded, text))
        }
        Happened::Begins(..) | Happened::Runs(..) => {
            let state = after.state.clone().unwrap_or_default();
            if before.state.clone().unwrap_or_default() == state {
                return None;
            }
            let job = after.job_name.clone().unwrap_or_default();
            Some((
                EventType::Normal,
                Reason::InProgress,
                format!("{job} is {}", state.as_str()),
            ))
        }
    }
}

//! Writing a restore's status, and telling its changes as Events: once per change, not once per look.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;

use super::FIELD_MANAGER;
use crate::api::{PerconaPGRestore, PerconaPGRestoreStatus, Reason, conditions};
use crate::controllers::context::Context;
use crate::controllers::writer::WriteError;

/// Writes the status if it differs, and tells as Events what has turned.
pub async fn tell(
    context: &Context,
    restore: &PerconaPGRestore,
    status: PerconaPGRestoreStatus,
) -> Result<(), WriteError> {
    if restore.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let (namespace, name) = (restore.namespace().unwrap_or_default(), restore.name_any());
    context
        .writer
        .apply_status::<DeserializeGuard<PerconaPGRestore>>(&namespace, &name, &status, FIELD_MANAGER)
        .await?;
    let before = restore.status.as_ref();
    let before = before.map_or(&[][..], |status| &status.conditions);
    for condition in turned(before, &status.conditions) {
        let reason = Reason::from_word(&condition.reason).unwrap_or(Reason::InProgress);
        let bad = condition.status != "True" && reason != Reason::InProgress;
        let kind = if bad {
            EventType::Warning
        } else {
            EventType::Normal
        };
        context
            .events
            .publish(restore, kind, reason, &condition.message)
            .await;
    }
    Ok(())
}

/// Conditions that have another status or another reason than before. Each step of a restore is news, the good ones too.
fn turned<'a>(before: &'a [Condition], after: &'a [Condition]) -> impl Iterator<Item = &'a Condition> {
    after.iter().filter(|condition| {
        let old = conditions::find(before, &condition.type_);
        old.is_none_or(|old| old.status != condition.status || old.reason != condition.reason)
    })
}

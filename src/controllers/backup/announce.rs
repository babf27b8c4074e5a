//! Writing a backup's status, and telling its changes as Events: once per change, not once per look.

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;

use super::FIELD_MANAGER;
use super::dereference::Observed;
use super::source;
use super::status::{self, Happened};
use super::tries;
use crate::api::backup::PerconaPGBackupStatus;
use crate::api::{ConditionType, PerconaPGBackup, Reason, conditions};
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
    let news = news(happened, &before, &after);
    let Some((kind, reason, text)) = missed_try(observed, &before, &after).or(news) else {
        return Ok(());
    };
    context
        .events
        .publish(&observed.backup, kind, reason, &text)
        .await;
    let source = after.copied_from.as_ref();
    if let Happened::Succeeded(_) = happened
        && let Some(source) = source.filter(|source| source::is_second_choice(observed, source))
    {
        let reason = Reason::StandbyNotUsed;
        let text = reason.explain(&format!("It was {}", source::shown_source(source)));
        context
            .events
            .publish(&observed.backup, EventType::Normal, reason, &text)
            .await;
    }
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
        Happened::Begins(..) | Happened::Runs(..) => lost_try(before, after).or_else(|| begun(before, after)),
    }
}

fn begun(
    before: &PerconaPGBackupStatus,
    after: &PerconaPGBackupStatus,
) -> Option<(EventType, Reason, String)> {
    let state = after.state.clone().unwrap_or_default();
    if before.state.clone().unwrap_or_default() == state {
        return None;
    }
    let job = after.job_name.clone().unwrap_or_default();
    let text = format!("{job} is {}", state.as_str());
    Some((EventType::Normal, Reason::InProgress, text))
}

/// A try that ended without a backup, or one that cannot begin: once for each, as its Pod is named in the text. What Kubernetes
/// says of a Pod that cannot begin changes all the time, and is told once.
fn lost_try(
    before: &PerconaPGBackupStatus,
    after: &PerconaPGBackupStatus,
) -> Option<(EventType, Reason, String)> {
    let running = |status: &PerconaPGBackupStatus| {
        let condition = conditions::find(&status.conditions, ConditionType::Running.as_str())?;
        let reason = Reason::from_word(&condition.reason)?;
        (condition.status == "False").then(|| (reason, condition.message.clone()))
    };
    let (reason, text) = running(after).filter(|(reason, _)| *reason != Reason::InProgress)?;
    let told = running(before).is_some_and(|(told, told_text)| {
        told == reason && (told_text == text || reason == Reason::PodNotStarting)
    });
    (!told).then_some((EventType::Warning, reason, text))
}

/// A try that was lost while no controller looked, or of which more is known by now than when it was told: that the primary went is
/// seen only when another one leads.
fn missed_try(
    observed: &Observed,
    before: &PerconaPGBackupStatus,
    after: &PerconaPGBackupStatus,
) -> Option<(EventType, Reason, String)> {
    let running = |status: &PerconaPGBackupStatus| {
        conditions::find(&status.conditions, ConditionType::Running.as_str()).cloned()
    };
    let (was, is) = (running(before)?, running(after)?);
    let lost = tries::told_before(&is.message)?;
    let told = match was.reason.as_str() {
        reason if reason == Reason::InProgress.as_str() => tries::told_before(&was.message),
        // What kept the next one from starting says nothing of the one before.
        reason if reason == Reason::PodNotStarting.as_str() => Some(lost),
        reason => Some(reason),
    };
    if told == Some(lost) {
        return None;
    }
    let lost = tries::try_before(observed)?;
    let text = format!("{} Another try follows.", lost.message);
    Some((EventType::Warning, lost.reason, text))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;
    use crate::api::conditions::Status;
    use crate::controllers::backup::build::CONTAINER;

    fn running(holds: Status, reason: Reason, text: &str) -> PerconaPGBackupStatus {
        let mut status = PerconaPGBackupStatus::default();
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        conditions::set(
            &mut status.conditions,
            "Running",
            holds,
            reason.as_str(),
            text,
            None,
            at,
        );
        status
    }

    fn told(before: &PerconaPGBackupStatus, after: &PerconaPGBackupStatus) -> Option<Reason> {
        lost_try(before, after).map(|(_, reason, _)| reason)
    }

    #[test]
    fn each_try_that_is_lost_is_told_once() {
        let works = running(Status::True, Reason::InProgress, "pgBackRest is at work");
        let first = running(Status::False, Reason::OutOfMemory, "Pod a was killed");
        let second = running(Status::False, Reason::OutOfMemory, "Pod b was killed");
        let starts = running(Status::False, Reason::InProgress, "Pod b is starting");
        assert_eq!(told(&works, &first), Some(Reason::OutOfMemory));
        assert_eq!(told(&first, &first), None);
        assert_eq!(told(&first, &starts), None);
        assert_eq!(told(&starts, &second), Some(Reason::OutOfMemory));
        assert_eq!(told(&works, &works), None);
    }

    #[test]
    fn a_try_that_was_lost_while_nobody_looked_is_told_once() {
        let read = |value| serde_json::from_value(value).unwrap();
        let pod = |name: &str, state: serde_json::Value| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": name}, "status": {"containerStatuses": [
                {"name": CONTAINER, "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state}]}}))
            .unwrap()
        };
        let backup = json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup", "metadata": {"name": "b"},
            "spec": {"pgCluster": "c", "repoName": "repo1"},
        });
        let failed = json!({"terminated": {"exitCode": 11, "message": r#"{"exit":49}"#}});
        let mut observed = Observed::nothing_but(read(backup), None);
        observed.pods = vec![pod("a", failed), pod("b", json!({"running": {}}))];
        let missed = |before: &PerconaPGBackupStatus, after: &PerconaPGBackupStatus| {
            missed_try(&observed, before, after).map(|(_, reason, _)| reason)
        };
        let at_work = |text: &str| running(Status::True, Reason::InProgress, text);
        let first = at_work("pgBackRest is at work");
        let second = at_work("pgBackRest is at work; try 2, the one before: EndpointUnreachable");
        let starting = "Pod b is starting, the one before: EndpointUnreachable";
        let starts = running(Status::False, Reason::InProgress, starting);
        let lost = running(Status::False, Reason::EndpointUnreachable, "ended with 49");
        let waits = running(Status::False, Reason::PodNotStarting, "Pod b is not scheduled");
        assert_eq!(missed(&first, &second), Some(Reason::EndpointUnreachable));
        assert_eq!(missed(&first, &starts), Some(Reason::EndpointUnreachable));
        assert_eq!(missed(&starts, &second), None, "told when it began to start");
        assert_eq!(missed(&lost, &starts), None, "told as it was lost");
        assert_eq!(missed(&waits, &starts), None, "told before it could not start");
        assert_eq!(missed(&second, &second), None);
        assert_eq!(missed(&first, &lost), None, "it is told by that itself");
        let ended = running(Status::False, Reason::InProgress, "pgBackRest has ended");
        assert_eq!(missed(&second, &ended), None);
        // By now another instance leads.
        let otherwise = at_work("pgBackRest is at work; try 2, the one before: StoreThrottled");
        assert_eq!(missed(&otherwise, &second), Some(Reason::EndpointUnreachable));
        let told = running(Status::False, Reason::StoreThrottled, "ended with 101");
        assert_eq!(missed(&told, &starts), Some(Reason::EndpointUnreachable));
    }

    #[test]
    fn a_pod_that_cannot_start_is_told_once_though_its_words_change() {
        let nothing = PerconaPGBackupStatus::default();
        let one = running(Status::False, Reason::PodNotStarting, "ErrImagePull");
        let other = running(Status::False, Reason::PodNotStarting, "ImagePullBackOff");
        assert_eq!(told(&nothing, &one), Some(Reason::PodNotStarting));
        assert_eq!(told(&one, &other), None);
    }
}

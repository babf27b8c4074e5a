//! The writes of this controller: the run first, the account of it afterwards. Killed in between, the same time is found due
//! again, and its run is there already.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use serde_json::{Map, json};

use super::decide::Decision;
use super::{CONDITIONS, FIELD_MANAGER};
use crate::api::schedules::ScheduleStatus;
use crate::api::{PerconaPGCluster, Reason};
use crate::controllers::backup::request::Author;
use crate::controllers::cluster::announce::{self, Own};
use crate::controllers::cluster::names::LABEL_SCHEDULE;
use crate::controllers::context::Context;
use crate::controllers::writer::WriteError;
use crate::policy;

/// Makes the run that is due, if there is one. One that exists already is that run.
pub async fn run(
    context: &Context,
    cluster: &PerconaPGCluster,
    decision: &Decision,
) -> Result<(), WriteError> {
    let (Some((due, name)), Some(owner)) = (&decision.run, cluster.controller_owner_ref(&())) else {
        return Ok(());
    };
    let namespace = cluster.namespace().unwrap_or_default();
    let labels = cluster.spec.metadata.clone().unwrap_or_default().labels;
    let author = Author {
        namespace: &namespace,
        cluster: &cluster.name_any(),
        owner,
        labels: &labels,
    };
    let status = &decision.status;
    let Some(kind) = policy::backup_type(&status.kind) else {
        return Ok(());
    };
    let backup = author.request(name.clone(), &status.repo, kind, (LABEL_SCHEDULE, &status.kind));
    match context.writer.create(&namespace, &backup, FIELD_MANAGER).await {
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            tracing::info!(namespace, backup = name, %due, "a scheduled backup is made");
            Ok(())
        }
    }
}

/// Writes the accounts and the condition where they have changed, and tells its changes.
pub async fn status(
    context: &Context,
    cluster: &PerconaPGCluster,
    schedules: &[ScheduleStatus],
    conditions: &[Condition],
) -> Result<(), WriteError> {
    let known = cluster.status.as_ref();
    let own = Own {
        manager: FIELD_MANAGER,
        types: &CONDITIONS,
        differ: known.map_or(&[][..], |status| &status.schedules) != schedules,
        fields: Map::from_iter([("schedules".to_owned(), json!(schedules))]),
        conditions,
    };
    announce::write_own(context, cluster, own).await
}

/// Events of what was omitted: once per look, in the order of the schedules.
pub async fn tell(context: &Context, cluster: &PerconaPGCluster, decisions: &[Decision]) {
    for decision in decisions {
        let status = &decision.status;
        let (repo, kind) = (&status.repo, &status.kind);
        if decision.set_back {
            let message = format!("{repo}, {kind}: the clock was set back; the account begins anew now");
            publish(context, cluster, Reason::ClockSetBack, &message).await;
        }
        if let Some((count, reason)) = &decision.omitted {
            context.metrics.not_acted("schedule", reason.as_str());
            let owed = status
                .owed
                .as_ref()
                .map_or("", |_| ", and is caught up when it can be");
            let message = match count {
                1 => format!(
                    "{repo}, {kind}: a backup was due and was not taken{owed}. {}",
                    reason.summary()
                ),
                _ => format!(
                    "{repo}, {kind}: {count} backups were due and not taken. {}",
                    reason.summary()
                ),
            };
            publish(context, cluster, *reason, &message).await;
        }
    }
}

async fn publish(context: &Context, cluster: &PerconaPGCluster, reason: Reason, message: &str) {
    context
        .events
        .publish(cluster, EventType::Warning, reason, message)
        .await;
}

//! One restore, once: what it asks for, what the repositories say to that, and the answer.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;

use super::preflight::assess;
use super::wanted::{Refused, Wanted};
use super::{FIELD_MANAGER, dereference, status};
use crate::api::backup::JobState;
use crate::api::{PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus, Reason, time};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Fleet, Key, Restore};
use crate::controllers::round::Failure;

/// A restore and its cluster may be applied together, in any order.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// What is waited for wakes us; this is for the end of patience.
const LATER: Duration = Duration::from_mins(1);

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    fleet: Arc<Fleet>,
}

impl Shared {
    /// With nothing known yet.
    #[must_use]
    pub fn new(context: Context, fleet: Arc<Fleet>) -> Self {
        Self { context, fleet }
    }
}

/// It has ended, well or not.
#[must_use]
pub fn is_terminal(restore: &PerconaPGRestore) -> bool {
    let state = restore.status.as_ref().and_then(|status| status.state.as_ref());
    state.is_some_and(JobState::is_terminal)
}

/// Reconciles one restore.
pub async fn reconcile(object: Arc<Restore>, shared: Arc<Shared>) -> Result<Action, Failure> {
    let restore = match &object.0 {
        Ok(restore) if !is_terminal(restore) && restore.metadata.deletion_timestamp.is_none() => restore,
        _ => return Ok(Action::await_change()),
    };
    let now = Utc::now();
    let wanted = match Wanted::of(&restore.spec) {
        Ok(wanted) => wanted,
        Err(why) => return tell(&shared, restore, status::failed(restore, &why, now)).await,
    };
    let cluster = match cluster(&shared, restore, &wanted) {
        Ok(cluster) => cluster,
        Err(why) if waits(restore, &why, now) => {
            tell(&shared, restore, status::waits(restore, &why, now)).await?;
            return Ok(Action::requeue(LATER));
        }
        Err(why) => return tell(&shared, restore, status::failed(restore, &why, now)).await,
    };
    let context = &shared.context;
    let looking = dereference::repositories(context, &shared.fleet, cluster, &wanted, now);
    let seen = Box::pin(looking).await?;
    let assessment = assess(&wanted, &seen, now);
    tell(
        &shared,
        restore,
        status::looked_at(restore, assessment, Utc::now()),
    )
    .await
}

/// The cluster, where it has what is asked for.
fn cluster(
    shared: &Shared,
    restore: &PerconaPGRestore,
    wanted: &Wanted,
) -> Result<PerconaPGCluster, Refused> {
    let name = &restore.spec.pg_cluster;
    let key = Key::new(restore.namespace().unwrap_or_default(), name.clone());
    let Some(cluster) = dereference::cluster(&shared.fleet, &key) else {
        let what = format!("There is no PerconaPGCluster {name} in this namespace");
        return Err(Refused::new(Reason::ClusterMissing, what));
    };
    let repositories = cluster.spec.backups.repositories();
    let unknown = wanted
        .repository
        .iter()
        .find(|wanted| repositories.iter().all(|repository| repository.name != **wanted));
    if let Some(unknown) = unknown {
        let there: Vec<&str> = repositories.iter().map(|it| it.name.as_str()).collect();
        let what = format!("'{unknown}' is not among those of {name}: {}", there.join(", "));
        return Err(Refused::new(Reason::RepositoryUnknown, what));
    }
    Ok(cluster)
}

fn waits(restore: &PerconaPGRestore, why: &Refused, now: DateTime<Utc>) -> bool {
    let created = restore.metadata.creation_timestamp.as_ref();
    why.reason == Reason::ClusterMissing
        && created.is_some_and(|created| now < time::from_kubernetes(created) + PATIENCE)
}

/// Writes the status if it differs, and tells its end.
async fn tell(
    shared: &Shared,
    restore: &PerconaPGRestore,
    status: PerconaPGRestoreStatus,
) -> Result<Action, Failure> {
    if restore.status.as_ref() == Some(&status) {
        return Ok(Action::await_change());
    }
    let (namespace, name) = (restore.namespace().unwrap_or_default(), restore.name_any());
    let context = &shared.context;
    context
        .writer
        .apply_status::<DeserializeGuard<PerconaPGRestore>>(&namespace, &name, &status, FIELD_MANAGER)
        .await?;
    if let Some(last) = status.conditions.last() {
        let kind = if last.status == "True" {
            EventType::Normal
        } else {
            EventType::Warning
        };
        let reason = Reason::from_word(&last.reason).unwrap_or(Reason::RestorePossible);
        context.events.publish(restore, kind, reason, &last.message).await;
    }
    Ok(Action::await_change())
}

//! One restore, once: what it asks for, what the repositories say to that, and the answer.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use super::announce::tell;
use super::carry::{One, hold, let_go};
use super::decide::Step;
use super::look::{Looked, look};
use super::wanted::{Refused, Wanted};
use super::{LOOK, SOON, dereference, drill, scene, status};
use crate::api::backup::JobState;
use crate::api::names::FINALIZER_RESTORE;
use crate::api::{
    ConditionType, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus, Reason, conditions, time,
};
use crate::controllers::cluster::bootstrap;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Fleet, Key, Restore};
use crate::controllers::round::Failure;

/// A restore and its cluster may be applied together, in any order.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// A look counts for so long.
const LATELY: TimeDelta = TimeDelta::seconds(30);
/// What is waited for wakes us; this is for the end of patience.
const LATER: Duration = Duration::from_mins(1);

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    /// The clusters and restores that are watched.
    pub fleet: Arc<Fleet>,
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
    let Ok(restore) = &object.0 else {
        return Ok(Action::await_change());
    };
    if is_terminal(restore) {
        return let_go(&shared, restore).await;
    }
    let now = Utc::now();
    let wanted = match Wanted::of(&restore.spec) {
        Ok(wanted) => wanted,
        Err(why) => return settle(&shared, restore, status::failed(restore, &why, now)).await,
    };
    let going = restore.metadata.deletion_timestamp.is_some();
    let cluster = match cluster(&shared, restore, &wanted) {
        Ok(cluster) => cluster,
        // There is nothing that it could be in the way of.
        Err(_) if going => return let_go(&shared, restore).await,
        Err(why) => return refuse(&shared, restore, &why, now).await,
    };
    if restore.is_drill() && restore.spec.dry_run != Some(true) {
        return Box::pin(drill::carry_out(&shared, restore, wanted, &cluster, now)).await;
    }
    if restore.spec.dry_run != Some(true) {
        return Box::pin(carry_out(&shared, restore, &wanted, &cluster, now)).await;
    }
    if going {
        return Ok(Action::await_change());
    }
    match Box::pin(look(&shared, restore, &wanted, cluster, now)).await? {
        Looked::Yet(status) => later(&shared, restore, status, LOOK).await,
        Looked::At(status) => settle(&shared, restore, status).await,
        Looked::Nothing(why) => refuse(&shared, restore, &why, now).await,
    }
}

/// The next step of one that is more than a look.
async fn carry_out(
    shared: &Arc<Shared>,
    restore: &PerconaPGRestore,
    wanted: &Wanted,
    cluster: &PerconaPGCluster,
    now: DateTime<Utc>,
) -> Result<Action, Failure> {
    // What the watch shows may be older than what was written last, and a step must not be taken twice.
    let context = &shared.context;
    let Some((restore, cluster)) = Box::pin(scene::now(&context.client, restore, cluster)).await? else {
        return Ok(Action::requeue(SOON));
    };
    let restore = &restore;
    if is_terminal(restore) {
        return let_go(shared, restore).await;
    }
    let scene = Box::pin(scene::read(context, &shared.fleet, cluster.clone(), restore)).await?;
    let one = One {
        shared,
        restore,
        wanted,
        scene,
        now,
    };
    let step = one.step();
    if step == Step::Stop
        && let Some(why) = unfit(restore, &cluster, &one.scene)
    {
        return refuse(shared, restore, &why, now).await;
    }
    let is_held = restore
        .finalizers()
        .iter()
        .any(|there| there == FINALIZER_RESTORE);
    if step == Step::Stop && !is_held {
        return hold(shared, restore).await;
    }
    let status = restore.status.as_ref();
    let known = status.is_some_and(|status| status.preflight.is_some());
    // What was found when it began to wait may be long ago when its turn has come.
    if step == Step::Stop && !looked_lately(restore, now) || step == Step::WaitForTurn && !known {
        let looked = match Box::pin(look(shared, restore, wanted, cluster, now)).await? {
            Looked::Yet(status) => return later(shared, restore, status, LOOK).await,
            Looked::At(status) => status,
            Looked::Nothing(why) => return refuse(shared, restore, &why, now).await,
        };
        let refused = looked.state.as_ref().is_some_and(JobState::is_terminal);
        tell(context, restore, looked).await?;
        if refused || step == Step::WaitForTurn {
            return Ok(Action::requeue(SOON));
        }
    }
    Box::pin(one.take(step)).await
}

/// What the cluster is says that this is not to be begun.
fn unfit(restore: &PerconaPGRestore, cluster: &PerconaPGCluster, scene: &scene::Scene) -> Option<Refused> {
    if cluster.is_standby() {
        let what = "It follows another cluster: a restore would part it from that. Restore the other one, or promote this one first";
        return Some(Refused::new(Reason::ClusterIsStandby, what));
    }
    if restore.is_bootstrap() && !bootstrap::awaits_data(&scene.observed) {
        let what = "The cluster has data already: spec.dataSource is for a new one";
        return Some(Refused::new(Reason::InvalidSpecification, what));
    }
    None
}

/// It was looked at just now, maybe by a controller that was killed behind that, and nothing stood against it.
fn looked_lately(restore: &PerconaPGRestore, now: DateTime<Utc>) -> bool {
    let Some(status) = restore.status.as_ref() else {
        return false;
    };
    let checked = status
        .preflight
        .as_ref()
        .and_then(|found| found.checked_at.as_ref());
    let lately = checked
        .map(time::from_kubernetes)
        .is_some_and(|at| at <= now && now - at < LATELY);
    lately && conditions::is_true(&status.conditions, ConditionType::PreflightPassed.as_str())
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
    if restore.is_bootstrap() {
        return Ok(cluster);
    }
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
    why.reason == Reason::ClusterMissing && !restore.is_older_than(PATIENCE, now)
}

/// It is not begun; what may come right by itself is waited for.
async fn refuse(
    shared: &Shared,
    restore: &PerconaPGRestore,
    why: &Refused,
    now: DateTime<Utc>,
) -> Result<Action, Failure> {
    if waits(restore, why, now) {
        return later(shared, restore, status::waits(restore, why, now), LATER).await;
    }
    settle(shared, restore, status::failed(restore, why, now)).await
}

async fn later(
    shared: &Shared,
    restore: &PerconaPGRestore,
    status: PerconaPGRestoreStatus,
    again: Duration,
) -> Result<Action, Failure> {
    tell(&shared.context, restore, status).await?;
    Ok(Action::requeue(again))
}

/// There is nothing more to do before something changes.
async fn settle(
    shared: &Shared,
    restore: &PerconaPGRestore,
    status: PerconaPGRestoreStatus,
) -> Result<Action, Failure> {
    tell(&shared.context, restore, status).await?;
    Ok(Action::await_change())
}

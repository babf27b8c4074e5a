//! One restore, once: what it asks for, what the repositories say to that, and the answer.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;

use super::carry::{One, hold, let_go};
use super::decide::Step;
use super::preflight::{Seen, assess};
use super::wanted::{Refused, Wanted};
use super::{FIELD_MANAGER, dereference, scene, status};
use crate::agent::report::InstanceReport;
use crate::api::backup::JobState;
use crate::api::cluster::status::PerconaPGClusterStatus;
use crate::api::conditions;
use crate::api::names::FINALIZER_RESTORE;
use crate::api::restore::PreviousData;
use crate::api::{ConditionType, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus, Reason, time};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Fleet, Key, Restore};
use crate::controllers::round::Failure;
use crate::domain::restore::Timeline;

/// A restore and its cluster may be applied together, in any order.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// What was committed just now is archived within PostgreSQL's `archive_timeout`, a minute, and the time that sending it takes.
const ARCHIVING: TimeDelta = TimeDelta::minutes(3);
/// Whether it has been is looked at so often.
const ARRIVES: Duration = Duration::from_secs(5);
/// What was written is looked at again.
const SOON: Duration = Duration::from_secs(1);
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
    let Ok(restore) = &object.0 else {
        return Ok(Action::await_change());
    };
    if is_terminal(restore) {
        return let_go(&shared, restore).await;
    }
    let now = Utc::now();
    let wanted = match Wanted::of(&restore.spec) {
        Ok(wanted) => wanted,
        Err(why) => return tell(&shared, restore, status::failed(restore, &why, now)).await,
    };
    let going = restore.metadata.deletion_timestamp.is_some();
    let cluster = match cluster(&shared, restore, &wanted) {
        Ok(cluster) => cluster,
        // There is nothing that it could be in the way of.
        Err(_) if going => return let_go(&shared, restore).await,
        Err(why) if waits(restore, &why, now) => {
            tell(&shared, restore, status::waits(restore, &why, now)).await?;
            return Ok(Action::requeue(LATER));
        }
        Err(why) => return tell(&shared, restore, status::failed(restore, &why, now)).await,
    };
    if restore.spec.dry_run == Some(true) {
        if going {
            return Ok(Action::await_change());
        }
        return match Box::pin(look(&shared, restore, &wanted, cluster, now)).await? {
            Looked::Yet(status) => {
                tell(&shared, restore, status).await?;
                Ok(Action::requeue(ARRIVES))
            }
            Looked::At(status) => tell(&shared, restore, status).await,
        };
    }
    // What the watch shows may be older than what was written last, and a step must not be taken twice.
    let context = &shared.context;
    let Some((restore, cluster)) = Box::pin(scene::now(&context.client, restore, &cluster)).await? else {
        return Ok(Action::requeue(SOON));
    };
    let restore = &restore;
    if is_terminal(restore) {
        return let_go(&shared, restore).await;
    }
    let scene = Box::pin(scene::read(context, &shared.fleet, cluster.clone(), restore)).await?;
    let one = One {
        shared: &shared,
        restore,
        wanted: &wanted,
        scene,
        now,
    };
    let step = one.step();
    if step == Step::Stop
        && !restore
            .finalizers()
            .iter()
            .any(|there| there == FINALIZER_RESTORE)
    {
        return hold(&shared, restore).await;
    }
    let known = restore
        .status
        .as_ref()
        .is_some_and(|status| status.preflight.is_some());
    // What was found when it began to wait may be long ago when its turn has come.
    if step == Step::Stop || step == Step::WaitForTurn && !known {
        let looked = match Box::pin(look(&shared, restore, &wanted, cluster, now)).await? {
            Looked::Yet(status) => {
                tell(&shared, restore, status).await?;
                return Ok(Action::requeue(ARRIVES));
            }
            Looked::At(status) => status,
        };
        let refused = looked.state.as_ref().is_some_and(JobState::is_terminal);
        tell(&shared, restore, looked).await?;
        if refused || step == Step::WaitForTurn {
            return Ok(Action::requeue(SOON));
        }
    }
    Box::pin(one.take(step)).await
}

/// Looks at the repositories: what it would come to.
async fn look(
    shared: &Shared,
    restore: &PerconaPGRestore,
    wanted: &Wanted,
    cluster: PerconaPGCluster,
    now: DateTime<Utc>,
) -> Result<Looked, Failure> {
    let leads = cluster.status.as_ref().is_some_and(has_primary);
    let key = Key::of(&cluster.metadata);
    let looking = dereference::repositories(&shared.context, &shared.fleet, cluster, wanted, now);
    let seen = Box::pin(looking).await?;
    let mut assessment = assess(wanted, &seen, now);
    let created = restore
        .metadata
        .creation_timestamp
        .as_ref()
        .map(time::from_kubernetes);
    let free = primary(shared, &key)
        .and_then(|report| report.archiver?.volume)
        .map(|volume| volume.free);
    if restore.spec.previous_data.unwrap_or_default() == PreviousData::Keep {
        assessment.has_room_beside(free);
    }
    let unseen = matches!(
        wanted.target.timeline,
        Timeline::Left | Timeline::Natural | Timeline::Latest
    ) && primary(shared, &key).and_then(|report| report.timeline)
        > seen.iter().filter_map(Seen::newest_timeline).max();
    if unseen {
        assessment.verdict = Err(Refused::new(
            Reason::TimelineUnclear,
            "no WAL of the timeline that the primary writes is archived yet, so it is not known what leads to the target",
        ));
    }
    if leads && (assessment.may_arrive || unseen) && created.is_some_and(|created| now < created + ARCHIVING)
    {
        return Ok(Looked::Yet(status::not_archived_yet(restore, assessment, now)));
    }
    Ok(Looked::At(status::looked_at(restore, assessment, Utc::now())))
}

/// What the instance says of itself that takes writes.
fn primary(shared: &Shared, cluster: &Key) -> Option<InstanceReport> {
    let pods = shared.fleet.pods(cluster);
    let reports = pods.iter().filter_map(scene::report);
    reports
        .filter(|report| report.in_recovery == Some(false))
        .max_by_key(|report| report.timeline)
}

/// What a look came to.
enum Looked {
    /// The WAL of the target may be on its way.
    Yet(PerconaPGRestoreStatus),
    /// This.
    At(PerconaPGRestoreStatus),
}

fn has_primary(status: &PerconaPGClusterStatus) -> bool {
    let archiving = conditions::find(&status.conditions, ConditionType::ArchivingHealthy.as_str());
    archiving.is_some_and(|archiving| archiving.status == "True")
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

/// Writes the status if it differs, and tells as Events what has turned.
pub(super) async fn tell(
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
    let before = restore
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    for condition in &status.conditions {
        let same = |known: &&Condition| {
            (&known.type_, &known.status, &known.reason)
                == (&condition.type_, &condition.status, &condition.reason)
        };
        if before.iter().any(|known| same(&known)) {
            continue;
        }
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
    Ok(Action::await_change())
}

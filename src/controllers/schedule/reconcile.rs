//! One cluster, once: what is due is made, then it is written down.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::TryFutureExt as _;
use kube::api::Api;
use kube::{Client, ResourceExt as _};

use super::decide::{Decision, decide};
use super::pauses::Pauses;
use super::{apply, health, plan, runs};
use crate::api::schedules::ScheduleStatus;
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::cluster::names::LABEL_SCHEDULE;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Cluster, Fleet, Key};
use crate::controllers::reading::{ReadError, in_time};
use crate::controllers::round::Failure;

/// A clock that jumps wakes nobody: it is looked at this often all the same.
const LONGEST_SLEEP: Duration = Duration::from_mins(5);

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    fleet: Arc<Fleet>,
    pauses: Pauses,
}

impl Shared {
    /// With nothing known yet.
    #[must_use]
    pub fn new(context: Context, fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            pauses: Pauses::default(),
            context,
        }
    }
}

/// Reconciles one cluster.
pub async fn reconcile(object: Arc<Cluster>, shared: Arc<Shared>) -> Result<Action, Failure> {
    let context = &shared.context;
    // One that cannot be read is told by the cluster controller.
    let Ok(cluster) = &object.0 else {
        return Ok(Action::await_change());
    };
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    if cluster.metadata.deletion_timestamp.is_some() || cluster.spec.unmanaged.unwrap_or(false) {
        context.metrics.schedules().forget(&namespace, &name);
        return Ok(Action::await_change());
    }
    let now = Utc::now();
    let plan = plan::of(&cluster.spec, now);
    let mut looked = decide(cluster, &plan, &[], now);
    // Where nothing is due and no run is waited for it makes no difference what backups exist.
    if awaits_a_run(cluster) || looked.iter().any(|decision| decision.run.is_some()) {
        let existing = scheduled(&context.client, &shared.fleet, cluster).await?;
        looked = decide(cluster, &plan, &existing, now);
    }
    let mut decisions = Vec::new();
    for decision in looked {
        decisions.push(match apply::run(context, cluster, &decision).await {
            // A quota, a policy: it holds up this one only.
            Err(error) if error.is_refusal() => decision.refused(cluster, error.to_string(), now),
            other => {
                other?;
                decision
            }
        });
    }
    let schedules: Vec<ScheduleStatus> = decisions.iter().map(|decision| decision.status.clone()).collect();
    let conditions = health::conditions(cluster, &plan, &decisions, now);
    apply::status(context, cluster, &schedules, &conditions).await?;
    apply::tell(context, cluster, &decisions).await;
    let pauses = shared.pauses.of(&cluster.spec, &plan, now);
    let metrics = context.metrics.schedules();
    metrics.measure(&namespace, &name, &schedules, &pauses);
    Ok(again(&decisions, Utc::now()))
}

fn awaits_a_run(cluster: &PerconaPGCluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_some_and(|status| status.schedules.iter().any(runs::is_waited_for))
}

/// The runs of the cluster's schedules. One that was made a moment ago may not be shown by the watch yet, so one that is missed is
/// asked for: it would be taken for deleted.
async fn scheduled(
    client: &Client,
    fleet: &Fleet,
    cluster: &PerconaPGCluster,
) -> Result<Vec<PerconaPGBackup>, ReadError> {
    let key = Key::new(cluster.namespace().unwrap_or_default(), cluster.name_any());
    let mut runs = fleet.backups_of(&key);
    runs.retain(|backup| backup.labels().contains_key(LABEL_SCHEDULE));
    let api: Api<PerconaPGBackup> = Api::namespaced(client.clone(), &key.namespace);
    let known = cluster.status.iter().flat_map(|status| &status.schedules);
    for run in known
        .filter(|known| runs::is_waited_for(known))
        .filter_map(|known| known.last_run.as_ref())
    {
        if runs.iter().all(|there| there.name_any() != run.name) {
            let asked = api.get_opt(&run.name).map_err(ReadError::of("PerconaPGBackups"));
            runs.extend(in_time(asked).await?);
        }
    }
    Ok(runs)
}

fn again(decisions: &[Decision], now: DateTime<Utc>) -> Action {
    let Some(wake) = decisions.iter().filter_map(|decision| decision.wake).min() else {
        return Action::await_change();
    };
    let pause = (wake - now).to_std().unwrap_or_default();
    // A little more: timers may come early by less than a millisecond, and what is not due yet is looked at again.
    Action::requeue((pause + Duration::from_millis(5)).min(LONGEST_SLEEP))
}

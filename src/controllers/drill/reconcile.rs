//! One cluster, once: what is due is made, then it is written down.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use serde_json::json;

use super::FIELD_MANAGER;
use super::decide::{Decision, decide};
use crate::api::cluster::drills::DrillStatus;
use crate::api::{PerconaPGCluster, PerconaPGRestore};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Cluster, Fleet, Key};
use crate::controllers::round::Failure;
use crate::controllers::writer::WriteError;

/// A clock that jumps wakes nobody: it is looked at this often all the same.
const LONGEST_SLEEP: Duration = Duration::from_mins(5);

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

/// Reconciles one cluster.
pub async fn reconcile(object: Arc<Cluster>, shared: Arc<Shared>) -> Result<Action, Failure> {
    let context = &shared.context;
    // One that cannot be read is told by the cluster controller.
    let Ok(cluster) = &object.0 else {
        return Ok(Action::await_change());
    };
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let drills = &cluster.spec.backups.drills;
    let gone = cluster.metadata.deletion_timestamp.is_some() || cluster.spec.unmanaged.unwrap_or(false);
    if gone || drills.is_empty() && told(cluster).is_empty() {
        context.metrics.drills().forget(&namespace, &name);
        return Ok(Action::await_change());
    }
    let now = Utc::now();
    let runs = runs(&shared.fleet, &Key::of(&cluster.metadata));
    let decisions: Vec<Decision> = drills
        .iter()
        .map(|drill| {
            let own = runs
                .iter()
                .filter(|run| run.spec.drill.as_ref() == Some(&drill.name));
            decide(cluster, drill, &own.cloned().collect::<Vec<_>>(), now)
        })
        .collect();
    for decision in &decisions {
        make(context, decision).await?;
    }
    let status: Vec<&DrillStatus> = decisions.iter().map(|decision| &decision.status).collect();
    if told(cluster).iter().ne(status.iter().copied()) {
        let fields = json!({ "recovery": { "drills": status } });
        context
            .writer
            .apply_status::<DeserializeGuard<PerconaPGCluster>>(&namespace, &name, &fields, FIELD_MANAGER)
            .await?;
    }
    context.metrics.drills().measure(&namespace, &name, &status);
    for decision in &decisions {
        for stale in &decision.stale {
            context
                .writer
                .delete::<DeserializeGuard<PerconaPGRestore>>(&namespace, stale, None)
                .await?;
        }
    }
    let wake = decisions.iter().filter_map(|decision| decision.wake).min();
    Ok(wake.map_or_else(Action::await_change, |wake| {
        let pause = (wake - Utc::now()).to_std().unwrap_or_default();
        Action::requeue((pause + Duration::from_millis(5)).min(LONGEST_SLEEP))
    }))
}

/// Makes the one that is due; one that exists already is that one.
async fn make(context: &Context, decision: &Decision) -> Result<(), WriteError> {
    let Some(restore) = &decision.make else {
        return Ok(());
    };
    let namespace = restore.namespace().unwrap_or_default();
    match context.writer.create(&namespace, restore, FIELD_MANAGER).await {
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            tracing::info!(namespace, restore = restore.name_any(), "a rehearsal is made");
            Ok(())
        }
    }
}

fn told(cluster: &PerconaPGCluster) -> &[DrillStatus] {
    let recovery = cluster
        .status
        .as_ref()
        .and_then(|status| status.recovery.as_ref());
    recovery.map_or(&[], |recovery| &recovery.drills)
}

fn runs(fleet: &Fleet, cluster: &Key) -> Vec<PerconaPGRestore> {
    let all = fleet.restores().state();
    let readable = all.iter().filter_map(|restore| restore.0.as_ref().ok());
    let own = readable.filter(|restore| {
        restore.is_drill()
            && restore.namespace().as_ref() == Some(&cluster.namespace)
            && restore.spec.pg_cluster == cluster.name
    });
    own.cloned().collect()
}

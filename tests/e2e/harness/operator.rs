//! The operator under test, and how it is killed. Scenarios that measure its answers wait while somebody does, and no scenario counts
//! that time against it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, sleep_until};

use super::{Scenario, minutes};

static STEADY: RwLock<()> = RwLock::const_new(());
static DISTURBED: Mutex<Disturbed> = Mutex::new(Disturbed {
    since: None,
    before: Duration::ZERO,
});
/// So much of it is forgiven at most.
const FORGIVEN: Duration = Duration::from_mins(5);

/// How long somebody has had the operator to himself.
struct Disturbed {
    since: Option<Instant>,
    before: Duration,
}

fn disturbed() -> MutexGuard<'static, Disturbed> {
    DISTURBED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn time_disturbed() -> Duration {
    let known = disturbed();
    known.before + known.since.map_or(Duration::ZERO, |since| since.elapsed())
}

/// Waits so long at most, not counting the time for which another scenario kills the operator. Nothing: it was not enough.
pub async fn within<T>(limit: Duration, waiting: impl Future<Output = T>) -> Option<T> {
    let (begun, before) = (Instant::now(), time_disturbed());
    let mut waiting = std::pin::pin!(waiting);
    loop {
        let forgiven = time_disturbed().saturating_sub(before).min(FORGIVEN);
        let end = begun + limit + forgiven;
        let now = Instant::now();
        if now >= end {
            return None;
        }
        tokio::select! {
            met = &mut waiting => return Some(met),
            () = sleep_until(end.min(now + Duration::from_secs(1))) => {}
        }
    }
}

/// The operator is somebody's own while it lives.
struct Disturbance(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>);

impl Disturbance {
    async fn begin() -> Self {
        let alone = STEADY.write().await;
        disturbed().since = Some(Instant::now());
        Self(alone)
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        let mut known = disturbed();
        if let Some(since) = known.since.take() {
            known.before += since.elapsed();
        }
    }
}

/// Selects the operator's pods.
pub const SELECTOR: &str = "app.kubernetes.io/name=holdfast";
const LEASE: &str = "holdfast-controller";

/// Namespace of the operator.
pub fn namespace() -> String {
    std::env::var("HOLDFAST_E2E_OPERATOR").unwrap_or_else(|_| "holdfast-system".to_owned())
}

/// What Prometheus would read from the leading replica.
pub async fn metrics() -> String {
    let scenario = Scenario::enter(&namespace()).await;
    let lease = scenario.api::<Lease>().get(LEASE).await.unwrap();
    let leader = lease.spec.and_then(|spec| spec.holder_identity).unwrap();
    let pod = scenario.api::<Pod>().get(&leader).await.unwrap();
    let address = pod.status.and_then(|status| status.pod_ip).unwrap();
    let url = format!("http://{address}:8080/metrics");
    super::run("curl", &["--silent", "--show-error", "--fail", &url], "")
        .await
        .unwrap()
}

/// The operator's Deployment, with the right to disturb it.
pub struct Operator {
    scenario: Scenario,
    name: String,
    /// How many there were when it was taken over.
    pub replicas: i32,
    _alone: Disturbance,
}

impl Operator {
    /// While the guard lives nobody kills the operator.
    pub async fn steady() -> RwLockReadGuard<'static, ()> {
        STEADY.read().await
    }

    /// Takes it over.
    pub async fn seize() -> Self {
        let alone = Disturbance::begin().await;
        let scenario = Scenario::enter(&namespace()).await;
        let found = scenario
            .api::<Deployment>()
            .list(&ListParams::default().labels(SELECTOR))
            .await
            .unwrap();
        let deployment = found
            .items
            .first()
            .expect("the operator is deployed: make deploy");
        let replicas = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1);
        let name = deployment.name_any();
        Self {
            scenario,
            name,
            replicas,
            _alone: alone,
        }
    }

    /// The pod that leads.
    pub async fn leader(&self) -> String {
        let lease = self
            .scenario
            .until(LEASE, "held", minutes(1), |lease: &Lease| holder(lease).is_some())
            .await;
        holder(&lease).unwrap()
    }

    /// Kills the leader without a chance to tidy up.
    pub async fn kill(&self) -> String {
        let leader = self.leader().await;
        // Without its network it cannot give its Lease back on its way out: gone, as with a node that lost power.
        self.scenario.cut(&leader).await;
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        self.scenario.api::<Pod>().delete(&leader, &now).await.unwrap();
        self.scenario.tell(&format!("killed the operator {leader}"));
        leader
    }

    /// Waits until another pod than `dead` leads.
    pub async fn succession(&self, dead: &str) -> String {
        let lease = self
            .scenario
            .until(LEASE, "held by another", minutes(2), |lease: &Lease| {
                holder(lease).is_some_and(|holder| holder != dead)
            })
            .await;
        let heir = holder(&lease).unwrap();
        self.scenario.tell(&format!("{heir} leads"));
        heir
    }

    /// Changes the number of replicas and waits until so many are ready.
    pub async fn scale(&self, replicas: i32) {
        let body = json!({ "spec": { "replicas": replicas } });
        self.scenario
            .api::<Deployment>()
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(&body))
            .await
            .unwrap();
        self.scenario
            .until(&self.name, "scaled", minutes(2), |deployment: &Deployment| {
                let status = deployment.status.clone().unwrap_or_default();
                status.ready_replicas.unwrap_or(0) == replicas && status.replicas.unwrap_or(0) == replicas
            })
            .await;
        self.scenario
            .tell(&format!("the operator has {replicas} replicas"));
    }

    /// As many replicas as there were.
    pub async fn restore(&self) {
        self.scale(self.replicas).await;
    }
}

fn holder(lease: &Lease) -> Option<String> {
    lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.clone())
        .filter(|holder| !holder.is_empty())
}

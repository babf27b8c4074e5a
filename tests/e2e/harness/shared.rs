//! Healthy clusters for all scenarios that leave them healthy; one that fails gives its cluster up. Each is one
//! scenario's at a time, since a cluster takes one backup at a time; `tests/e2e/run` deletes their namespaces at the end.

use futures::FutureExt;
use tokio::sync::{Mutex, MutexGuard, OnceCell, Semaphore};

use super::scenario::LIMIT;
use super::{Cluster, Scenario, minutes};

/// The name of its namespace, once it was tried to make it ready: nothing if that failed.
type Shared = Mutex<OnceCell<Option<String>>>;

/// Most scenarios are of this kind: with one cluster they would take longer than all others.
static SHARED: [Shared; 2] = [const { Mutex::const_new(OnceCell::const_new()) }; 2];
static FREE: Semaphore = Semaphore::const_new(SHARED.len());

impl Scenario {
    /// Plays a scenario with a shared cluster, alone with it.
    pub async fn shared(body: impl AsyncFnOnce(&Self, &Cluster)) {
        let _turn = FREE.acquire().await.unwrap();
        let mut shared: MutexGuard<'_, _> = SHARED
            .iter()
            .find_map(|shared| shared.try_lock().ok())
            .expect("there are as many turns as clusters");
        let namespace = shared
            .get_or_init(|| async { std::panic::AssertUnwindSafe(prepare()).catch_unwind().await.ok() })
            .await
            .as_deref()
            .expect("the shared cluster became ready; the first scenario that used it says why not");
        let scenario = Self::enter(namespace).await;
        let cluster = Cluster::plain("shop", &scenario);
        let result = scenario
            .guarded(LIMIT, async |scenario| {
                scenario.speed_up(&cluster).await;
                body(scenario, &cluster).await;
            })
            .await;
        if let Err(panic) = result {
            // What it left behind would fail others for nothing.
            shared.take();
            std::panic::resume_unwind(panic);
        }
    }
}

async fn prepare() -> String {
    let scenario = Scenario::open(&format!("e2e-shared-{}", super::scenario::suffix())).await;
    let result = scenario
        .guarded(LIMIT, async |scenario| {
            let cluster = Cluster::plain("shop", scenario);
            cluster.create(scenario).await;
            cluster.ready(scenario, minutes(5)).await;
            scenario.succeeded("shop-repo1-initial", minutes(5)).await;
        })
        .await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
    scenario.namespace
}

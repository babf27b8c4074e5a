//! One healthy cluster for all scenarios that leave it healthy. They take turns, since a repository takes one
//! backup at a time; `tests/e2e/run` deletes its namespace at the end.

use futures::FutureExt;
use tokio::sync::{Mutex, OnceCell};

use super::{Cluster, Scenario, minutes};

static NAMESPACE: OnceCell<Option<String>> = OnceCell::const_new();
static TURN: Mutex<()> = Mutex::const_new(());

impl Scenario {
    /// Plays a scenario with the shared cluster, alone with it.
    pub async fn shared(body: impl AsyncFnOnce(&Self, &Cluster)) {
        let _turn = TURN.lock().await;
        let namespace = NAMESPACE
            .get_or_init(|| async { std::panic::AssertUnwindSafe(prepare()).catch_unwind().await.ok() })
            .await
            .as_deref()
            .expect("the shared cluster became ready; the first scenario that used it says why not");
        let scenario = Self::enter(namespace).await;
        let cluster = Cluster::plain("shop", &scenario);
        let result = scenario
            .guarded(async |scenario| {
                scenario.speed_up(&cluster).await;
                body(scenario, &cluster).await;
            })
            .await;
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn prepare() -> String {
    let scenario = Scenario::open(&format!("e2e-shared-{}", super::scenario::suffix())).await;
    let result = scenario
        .guarded(async |scenario| {
            let cluster = Cluster::plain("shop", scenario);
            cluster.create(scenario).await;
            cluster.ready(scenario, minutes(5)).await;
        })
        .await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
    scenario.namespace
}

//! One scenario: a namespace of its own, cleaned up however it ends.

use std::any::Any;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Stores, diagnostics};

/// So many scenarios with clusters of their own are played at once, beside those with a shared one: what two
/// processors can do, since a scenario mostly waits. The threads of the test program only wait for their turn.
static PLACES: Semaphore = Semaphore::const_new(6);

/// These take longer than the others: were one of them the last to begin, all would wait for it.
const LONG: [&str; 12] = [
    "begins",
    "changed",
    "day",
    "drills",
    "heirs",
    "kinds",
    "mishaps",
    "recovery",
    "restores",
    "simulated",
    "timelines",
    "verdicts",
];

/// An ordinary scenario ends within this.
pub const LIMIT: Duration = Duration::from_mins(12);

/// A connection, a namespace, the stores.
pub struct Scenario {
    pub client: Client,
    pub namespace: String,
    pub stores: &'static Stores,
    begun: Instant,
}

impl Scenario {
    /// Plays a scenario in a namespace of its own, which is deleted afterwards; says what was there when it fails.
    pub async fn alone(short: &str, body: impl AsyncFnOnce(&Self)) {
        Self::alone_within(LIMIT, short, body).await;
    }

    /// The same of a scenario that takes longer than others.
    pub async fn alone_within(limit: Duration, short: &str, body: impl AsyncFnOnce(&Self)) {
        if !LONG.contains(&short) {
            // Those that take long are in the queue by then. Only how long all of it takes depends on this.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let _place = PLACES.acquire().await.unwrap();
        let scenario = Self::open(&format!("e2e-{short}-{}", suffix())).await;
        let result = scenario.guarded(limit, body).await;
        scenario.close().await;
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }

    /// Connects and makes the namespace.
    pub async fn open(namespace: &str) -> Self {
        let scenario = Self::enter(namespace).await;
        let object: Namespace = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": namespace, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "holdfast.dev/e2e": run(),
            }},
        }))
        .unwrap();
        Api::<Namespace>::all(scenario.client.clone())
            .patch(namespace, &PatchParams::apply("e2e"), &Patch::Apply(&object))
            .await
            .unwrap();
        scenario
    }

    /// Connects, for a namespace that is there.
    pub async fn enter(namespace: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::try_default()
            .await
            .expect("these tests need a cluster: `make test-e2e`, or KUBECONFIG");
        Self {
            client,
            namespace: namespace.to_owned(),
            stores: Stores::get(),
            begun: Instant::now(),
        }
    }

    /// Runs the body; a panic in it is caught after what there was to see has been printed.
    pub async fn guarded(
        &self,
        limit: Duration,
        body: impl AsyncFnOnce(&Self),
    ) -> Result<(), Box<dyn Any + Send>> {
        let play = async {
            body(self).await;
            self.no_secret_has_leaked().await;
        };
        let bounded = async {
            tokio::time::timeout(limit, play)
                .await
                .expect("a scenario ends within its limit");
        };
        let result = AssertUnwindSafe(bounded).catch_unwind().await;
        if result.is_err() {
            eprintln!("{}", diagnostics::of(&self.namespace).await);
        }
        result
    }

    /// Deletes the namespace and what it left in the store.
    pub async fn close(&self) {
        if std::env::var_os("HOLDFAST_E2E_KEEP").is_some() {
            return;
        }
        let deleted = Api::<Namespace>::all(self.client.clone())
            .delete(&self.namespace, &DeleteParams::default())
            .await;
        if let Err(error) = deleted {
            eprintln!("namespace {}: {error}", self.namespace);
        }
        let directory = self
            .stores
            .directory(self.stores.of("S3_BUCKET"), &self.store_path());
        let _ = std::fs::remove_dir_all(directory);
    }

    /// Path in the buckets below which everything of this scenario is.
    pub fn store_path(&self) -> String {
        format!("/e2e/{}", self.namespace)
    }

    /// The API of one kind in the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies an object as a user does.
    pub async fn apply<K>(&self, object: &K) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        self.api::<K>()
            .patch(
                &object.name_any(),
                &PatchParams::apply("e2e-user").force(),
                &Patch::Apply(object),
            )
            .await
            .unwrap_or_else(|error| panic!("{} {}: {error}", K::kind(&()), object.name_any()))
    }

    /// Tells how far the scenario is.
    pub fn tell(&self, what: &str) {
        eprintln!(
            "[{:>5.1} s] {}: {what}",
            self.begun.elapsed().as_secs_f64(),
            self.namespace
        );
    }
}

/// Names of this run's namespaces end with it.
pub fn suffix() -> String {
    std::env::var("HOLDFAST_E2E_SUFFIX")
        .unwrap_or_else(|_| format!("{:05x}", rand::random::<u32>() & 0xf_ffff))
}

/// Label value by which everything of this run is found.
fn run() -> String {
    std::env::var("HOLDFAST_E2E_RUN").unwrap_or_else(|_| format!("pid-{}", std::process::id()))
}

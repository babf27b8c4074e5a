//! The controller process: leadership, the controllers, probes and metrics, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::join_all;
use kube::Client;
use kube::api::{Api, ListParams, PartialObjectMeta};
use tokio_util::sync::CancellationToken;

use super::archive::Surveys;
use super::context::{Context, Settings};
use super::events::Events;
use super::fleet::Fleet;
use super::leadership::{Candidate, Claim};
use super::writer::Writer;
use super::{archive, backup, cluster, drill, restore, retention, schedule};
use crate::api::PerconaPGCluster;
use crate::catalog::{Bounds, Catalog, CatalogPlace};
use crate::telemetry::http::{self, Readiness};
use crate::telemetry::metrics::Metrics;

/// Name of the Lease in the operator's namespace that the leader holds.
pub const LEASE: &str = "holdfast-controller";

/// Who this replica is and where it listens.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of this Pod, unique among the replicas.
    pub pod: String,
    /// Address of the probes and metrics.
    pub listen: SocketAddr,
    /// Where the catalog is.
    pub catalog: CatalogPlace,
}

/// Why the process cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No API server.
    #[error("no Kubernetes API server: {0}. Set KUBECONFIG, or run this in a Pod with a service account")]
    NoApiServer(#[source] Box<kube::Error>),
    /// No way to reach one is configured.
    #[error("no Kubernetes API server is configured: {0}")]
    NotConfigured(#[from] kube::config::InferConfigError),
    /// The resource definitions are missing.
    #[error("the custom resources are not installed ({0}): apply crds/ first")]
    NoDefinitions(#[source] Box<kube::Error>),
    /// The address is taken.
    #[error("probes and metrics cannot be served at {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// Runs until told to end.
pub async fn run(
    settings: Settings,
    identity: Identity,
    shutdown: CancellationToken,
) -> Result<(), OperatorError> {
    let config = kube::Config::infer().await?;
    let client = Client::try_from(config).map_err(|error| OperatorError::NoApiServer(Box::new(error)))?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();

    let (candidate, claim) = Candidate::new(client.clone(), &identity.namespace, LEASE, &identity.pod);
    let catalog = Catalog::new(
        identity.catalog.clone(),
        Bounds::default(),
        metrics.catalog().clone(),
    );
    let context = Context {
        writer: Writer::new(client.clone(), claim.clone()),
        events: Events::new(client.clone(), Some(identity.pod.clone()), claim.clone()),
        client: client.clone(),
        looks: Arc::default(),
        surveys: Arc::new(Surveys::new(catalog.clone())),
        catalog,
        metrics: metrics.clone(),
        claim: claim.clone(),
        shutdown: shutdown.clone(),
        settings,
    };
    // Leadership and probes outlive the reconciles that are still running when the process is told to end.
    let finished = CancellationToken::new();
    let serve = http::serve(
        identity.listen,
        metrics.clone(),
        readiness.clone(),
        finished.clone(),
    );
    let work = async {
        let _end = finished.clone().drop_guard();
        definitions_are_there(&context).await?;
        let fleets = fleets(&context.settings);
        let reconciling = async {
            let watching = fleets
                .iter()
                .map(|fleet| apart(fleet.clone().run(context.clone())));
            let seen = async {
                join_all(fleets.iter().map(|fleet| fleet.seen())).await;
                readiness.set(true);
            };
            // Each ends when the process is told to, after the reconciles that are running.
            tokio::join!(
                apart(cluster::run(context.clone(), fleets.clone())),
                apart(backup::run(context.clone(), fleets.clone())),
                apart(archive::run(context.clone(), fleets.clone())),
                apart(schedule::run(context.clone(), fleets.clone())),
                apart(retention::run(context.clone(), fleets.clone())),
                apart(restore::run(context.clone(), fleets.clone())),
                apart(drill::run(context.clone(), fleets.clone())),
                join_all(watching),
                async {
                    tokio::select! {
                        () = seen => {}
                        () = context.shutdown.cancelled() => {}
                    }
                },
            );
            context.catalog.close().await;
            finished.cancel();
        };
        tokio::join!(
            candidate.run(finished.clone()),
            tell_leadership(claim, metrics, finished.clone()),
            reconciling,
        );
        Ok(())
    };
    let served = async {
        serve
            .await
            .map_err(|error| OperatorError::Listen(identity.listen, error))
    };
    tokio::try_join!(work, served).map(|_| ())
}

/// Runs something as a task of its own: what it waits for wakes nothing else. If it ends by a panic, so does the process.
async fn apart(work: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = tokio::spawn(work).await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// What is watched, apart for each namespace of the settings.
fn fleets(settings: &Settings) -> Vec<Arc<Fleet>> {
    if settings.namespaces.is_empty() {
        return vec![Arc::new(Fleet::new(None))];
    }
    let namespaces = settings.namespaces.iter().cloned();
    namespaces
        .map(|namespace| Arc::new(Fleet::new(Some(namespace))))
        .collect()
}

/// A first read of each kind: a missing definition or permission is told at once, and not in a loop of watch errors.
async fn definitions_are_there(context: &Context) -> Result<(), OperatorError> {
    let namespace = context.settings.namespaces.first();
    let one = ListParams::default().limit(1);
    let api: Api<PartialObjectMeta<PerconaPGCluster>> = match namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    match api.list_metadata(&one).await {
        Ok(_) => Ok(()),
        Err(error @ kube::Error::Api(_)) => Err(OperatorError::NoDefinitions(Box::new(error))),
        Err(error) => Err(OperatorError::NoApiServer(Box::new(error))),
    }
}

async fn tell_leadership(mut claim: Claim, metrics: Metrics, finished: CancellationToken) {
    let follow = async {
        let mut seen = 0;
        while let Some(term) = claim.term_after(seen).await {
            seen = term;
            metrics.leading(true);
            claim.lost().await;
            metrics.leading(false);
        }
    };
    tokio::select! {
        () = follow => {}
        () = finished.cancelled() => {}
    }
}

//! `holdfast controller`: the process that reconciles.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::catalog::CatalogPlace;
use crate::controllers::context::Settings;
use crate::controllers::operator::{self, Identity};
use crate::domain::queue::Limits;
use crate::telemetry::logs::{self, Format};

/// PostgreSQL versions for which `RELATED_IMAGE_POSTGRES_<version>` is read.
const VERSIONS: std::ops::RangeInclusive<i32> = 12..=18;

/// Reconcile clusters, backups and restores.
#[derive(Args)]
pub struct Controller {
    /// Namespaces to watch, separated by commas; empty for all.
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "", hide_default_value = true)]
    namespaces: String,
    /// Namespace of the operator, where its Lease is.
    #[arg(long, env = "POD_NAMESPACE", default_value = "holdfast-system")]
    operator_namespace: String,
    /// Name of this replica, different from all others.
    #[arg(long, env = "POD_NAME", default_value_t = format!("pid-{}", std::process::id()), hide_default_value = true)]
    identity: String,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What is known of repositories, kept across restarts: a file of `SQLite`, or the URL of a PostgreSQL database
    /// (`postgres://…`), which may hold a password and so belongs in the environment.
    #[arg(long, env = "HOLDFAST_CATALOG", default_value = "/var/lib/holdfast/catalog.db", value_parser = CatalogPlace::parse, hide_env_values = true)]
    catalog: CatalogPlace,
    /// Image of this binary, from which it is copied into pods.
    #[arg(long, env = "HOLDFAST_IMAGE", default_value = "localhost/holdfast:dev")]
    image: String,
    /// Backups that run at once, of all clusters together; 0 for any number. Others wait for their turn.
    #[arg(long, env = "HOLDFAST_BACKUPS_AT_ONCE", default_value_t = 50)]
    backups_at_once: usize,
    /// The same in each namespace.
    #[arg(long, env = "HOLDFAST_BACKUPS_AT_ONCE_PER_NAMESPACE", default_value_t = 0)]
    backups_at_once_per_namespace: usize,
    /// The same into each store, by its endpoint.
    #[arg(long, env = "HOLDFAST_BACKUPS_AT_ONCE_PER_STORE", default_value_t = 0)]
    backups_at_once_per_store: usize,
    /// New clusters may begin from the backups of any namespace, also where their owner does not share them
    /// (spec.backups.sharedWith).
    #[arg(long, env = "HOLDFAST_SOURCES_ARE_OPEN")]
    sources_are_open: bool,
    /// How a log line looks.
    #[arg(long, env = "HOLDFAST_LOG_FORMAT", value_enum, default_value_t)]
    log_format: Format,
    /// What is logged, as in `RUST_LOG`.
    #[arg(long, env = "RUST_LOG", default_value = "info,kube=warn")]
    log: String,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(arguments: &Controller) -> ExitCode {
    logs::start(arguments.log_format, &arguments.log);
    // One thread: reconciles wait for answers, they do not compute. A second one would only cost memory.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("holdfast: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            told_to_end().await;
            tracing::info!("told to end: running reconciles are finished first");
            stop.cancel();
        });
        match Box::pin(operator::run(settings(arguments), identity(arguments), shutdown)).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "the controller ends");
                eprintln!("holdfast: {error}");
                ExitCode::FAILURE
            }
        }
    })
}

fn settings(arguments: &Controller) -> Settings {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let postgres_images: BTreeMap<i32, String> = VERSIONS
        .filter_map(|version| Some((version, variable(&format!("RELATED_IMAGE_POSTGRES_{version}"))?)))
        .collect();
    let limit = |number: usize| (number > 0).then_some(number);
    Settings {
        build: build(),
        backups_at_once: Limits {
            total: limit(arguments.backups_at_once),
            per_namespace: limit(arguments.backups_at_once_per_namespace),
            per_store: limit(arguments.backups_at_once_per_store),
        },
        sources_are_open: arguments.sources_are_open,
        operator_image: arguments.image.clone(),
        postgres_images,
        pgbackrest_image: variable("RELATED_IMAGE_PGBACKREST"),
        pgbouncer_image: variable("RELATED_IMAGE_PGBOUNCER"),
        namespaces: arguments
            .namespaces
            .split(',')
            .map(str::trim)
            .filter(|namespace| !namespace.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

/// Which build this is: a hash of the program itself. Without one, of this process alone.
fn build() -> String {
    let hash = || {
        let mut program = std::fs::File::open(std::env::current_exe()?)?;
        let mut hash = Sha256::new();
        std::io::copy(&mut program, &mut hash)?;
        Ok::<_, std::io::Error>(hex::encode(hash.finalize()))
    };
    hash().unwrap_or_else(|error| {
        tracing::warn!(%error, "the program cannot be read: every cluster is applied again after a restart");
        format!("{:?}", std::time::SystemTime::now())
    })
}

fn identity(arguments: &Controller) -> Identity {
    Identity {
        namespace: arguments.operator_namespace.clone(),
        pod: arguments.identity.clone(),
        listen: arguments.listen,
        catalog: arguments.catalog.clone(),
    }
}

async fn told_to_end() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Without handlers the signals end the process themselves.
        _ => std::future::pending().await,
    }
}

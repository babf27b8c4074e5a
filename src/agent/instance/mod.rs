//! `holdfast agent instance`: beside PostgreSQL in its pod.
//!
//! It supervises `pgbackrest server`, follows the desired document, applies it while the local PostgreSQL is the
//! writable primary, creates stanzas, and reports on its own Pod. Level-based: all it remembers can be lost.

pub mod apply;
mod archiving;
mod configuration;
mod database_loop;
mod detour;
mod following;
mod new_timeline;
pub mod observe;
pub mod patroni;
mod publish;
mod release;
mod spool;
pub mod sql;
mod stanza;
mod stanza_loop;
mod wal_room;
pub mod watch;

use std::path::Path;

use kube::Client;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

use self::database_loop::{DatabaseLoop, Local};
use self::detour::Detour;
use self::stanza_loop::StanzaLoop;
use self::watch::Known;
use super::environment::{self, EnvironmentError, InstanceEnvironment};
use super::pgbackrest;
use super::report::StanzaReport;
use crate::pgbackrest::configuration::{INCLUDE_DIRECTORY, SERVER_FILE_NAME};

/// Certificates of PostgreSQL, Patroni and the replication client.
const CERTIFICATES: &str = "/pgconf/tls";
/// Patroni's local configuration.
const PATRONI_CONFIGURATION: &str = "/etc/patroni";

/// Why the agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The controller's and this binary's idea of the container differ.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// No usable service account.
    #[error("no way to the API server: {0}")]
    Client(#[source] Box<kube::Error>),
}

impl InstanceError {
    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Environment(error) => error.category(),
            Self::Client(_) => "kubernetes",
        }
    }
}

/// Runs until `stop` is cancelled.
pub async fn run(stop: CancellationToken) -> Result<(), InstanceError> {
    let environment = InstanceEnvironment::read(environment::variable)?;
    let client = Client::try_default()
        .await
        .map_err(|error| InstanceError::Client(Box::new(error)))?;
    let (known_in, known) = channel::channel(Known::default());
    let (local_in, local) = channel::channel(Local::default());
    let (stanzas_in, stanzas) = channel::channel(Vec::<StanzaReport>::new());

    let databases = DatabaseLoop::new(&environment, known.clone(), local_in, stanzas.clone());
    let stanza_loop = StanzaLoop::new(
        client.clone(),
        environment.clone(),
        known.clone(),
        local.clone(),
        stanzas_in,
    );
    let (failures_in, failures) = channel::channel(None);
    let suspensions = archiving::keep(known.clone());
    let detour =
        Detour::of(&environment.data_directory).follow(known.clone(), local.clone(), failures.clone());
    let releasing = release::follow(local.clone());
    let publisher = publish::Publisher::new(client.clone(), &environment, known, local, stanzas, failures);
    tokio::join!(
        async {
            if has_backups() {
                pgbackrest::serve(&stop).await;
            }
        },
        watch::follow(
            client,
            &environment.namespace,
            &environment.cluster,
            known_in,
            stop.clone()
        ),
        stop.run_until_cancelled(databases.run()),
        stop.run_until_cancelled(stanza_loop.run()),
        stop.run_until_cancelled(spool::follow(spool::directory(), failures_in)),
        stop.run_until_cancelled(suspensions),
        stop.run_until_cancelled(detour),
        async {
            if let Some(Err(error)) = stop.run_until_cancelled(releasing).await {
                tracing::warn!(%error, "what restores have kept stays");
            }
        },
        stop.run_until_cancelled(publisher.run()),
    );
    Ok(())
}

/// The controller then mounts a configuration for `pgbackrest server`.
fn has_backups() -> bool {
    Path::new(INCLUDE_DIRECTORY).join(SERVER_FILE_NAME).exists()
}

#[cfg(test)]
mod tests;

//! `holdfast agent repo-host`: in the pod that mounts the volumes of repositories.
//!
//! It keeps `pgbackrest server` running, to which the instances send WAL, and shows the volumes to the controller, which
//! cannot mount them. It needs no access to the API server, and changes nothing in a repository itself.

mod serve;
mod tls;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::tls::{Identity, Listener};
use super::environment::{self, EnvironmentError};
use super::pgbackrest;
use crate::pgbackrest::configuration::{TLS_DIRECTORY, VOLUMES_DIRECTORY};
use crate::storage::repo_host::PORT;

/// Answers that are under way may end when the pod is told to.
const GRACE: Duration = Duration::from_secs(5);

/// Why the agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RepoHostError {
    /// The controller's and this binary's idea of the container differ.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The port is taken, or the certificates cannot be read.
    #[error("cannot serve the volumes: {0}")]
    Listen(#[source] io::Error),
}

impl RepoHostError {
    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Environment(error) => error.category(),
            Self::Listen(_) => "listen",
        }
    }
}

/// Runs until `stop` is cancelled.
pub async fn run(stop: CancellationToken) -> Result<(), RepoHostError> {
    let identity = Identity {
        directory: TLS_DIRECTORY.into(),
        client: environment::required(environment::variable, "HOLDFAST_PGBACKREST_CLIENT")?,
    };
    let address = SocketAddr::from(([0, 0, 0, 0], PORT));
    let listener = Listener::bind(address, identity)
        .await
        .map_err(RepoHostError::Listen)?;
    let ((), shown) = tokio::join!(
        pgbackrest::serve(&stop),
        show(listener, VOLUMES_DIRECTORY.as_ref(), &stop)
    );
    shown.map_err(RepoHostError::Listen)
}

/// Shows the volumes below `directory` until `stop` is cancelled.
pub async fn show(listener: Listener, directory: &Path, stop: &CancellationToken) -> io::Result<()> {
    let serving = axum::serve(listener, serve::router(directory))
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served,
        () = late => Ok(()),
    }
}

//! What every controller is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::archive::Surveys;
use super::cluster::Looks;
use super::events::Events;
use super::leadership::Claim;
use super::writer::Writer;
use crate::catalog::Catalog;
use crate::domain::queue::Limits;
use crate::telemetry::metrics::Metrics;

/// Settings of the process, from its environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Image whose binary is copied into pods, unless the cluster names another.
    pub operator_image: String,
    /// Images of PostgreSQL by major version, for clusters that name none.
    pub postgres_images: BTreeMap<i32, String>,
    /// Image of pgBackRest, for clusters that name none; else PostgreSQL's.
    pub pgbackrest_image: Option<String>,
    /// Image of `PgBouncer`, for clusters that name none; else PostgreSQL's.
    pub pgbouncer_image: Option<String>,
    /// Namespaces that are watched; empty for all.
    pub namespaces: Vec<String>,
    /// Which build of the operator this is: another one makes other objects of the same cluster.
    pub build: String,
    /// How many backups of the fleet run at once.
    pub backups_at_once: Limits,
    /// A new cluster may begin from the backups of any namespace, as with the compatible operator.
    pub sources_are_open: bool,
}

/// Shared by all reconciles of all controllers. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// For reading.
    pub client: kube::Client,
    /// For writing: the only way to.
    pub writer: Writer,
    /// For telling people.
    pub events: Events,
    /// What the last looks at repositories have found.
    pub looks: Arc<Looks>,
    /// What can be restored from repositories, as the last looks found it.
    pub surveys: Arc<Surveys>,
    /// What is known of repositories, kept across restarts.
    pub catalog: Catalog,
    /// For counting.
    pub metrics: Metrics,
    /// Whether this replica leads.
    pub claim: Claim,
    /// Cancelled when the process is told to end.
    pub shutdown: CancellationToken,
    /// Settings of the process.
    pub settings: Settings,
}

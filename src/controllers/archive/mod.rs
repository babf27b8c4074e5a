//! The archive controller: reads from each repository of a cluster what can be restored, and tells it.
//!
//! Invariants: it writes `status.recovery`, its own conditions and `status.latestRestorableTime` of backups with a field manager
//! of its own; it makes the objects of backups that were found, and removes those of backups that are gone; it never writes to a repository; a repository that cannot be read keeps what
//! was last known of it, with its age. Not here: whether a repository can be used at all (the cluster controller).

mod apply;
mod dereference;
mod import;
mod look;
mod reconcile;
mod status;
mod surveys;
mod terms;
mod watch;

pub use dereference::{Observed, dereference};
pub use look::{Look, survey};
pub use surveys::{News, SOURCE, Surveys, Trouble};
pub use watch::run;

use crate::api::PerconaPGCluster;
use crate::api::names::STANZA;

/// Field manager of this controller's writes.
pub const FIELD_MANAGER: &str = "holdfast-archive";

/// Field manager of the status of backups that were found: apart from the other, which leaves out all but one field.
pub const IMPORT_MANAGER: &str = "holdfast-import";

/// The conditions of clusters that this controller writes.
pub const CONDITIONS: [crate::api::ConditionType; 3] = [
    crate::api::ConditionType::WalContinuous,
    crate::api::ConditionType::RepositoriesIntact,
    crate::api::ConditionType::RecoveryPointObjectiveMet,
];

/// Whose backups are in the repositories of a cluster, or of what stands for a source.
#[must_use]
pub(crate) fn stanza(cluster: &PerconaPGCluster) -> &str {
    let is_source = cluster
        .metadata
        .uid
        .as_ref()
        .is_some_and(|uid| uid.ends_with(SOURCE));
    let source = cluster.spec.data_source.as_ref().filter(|_| is_source);
    let named = source.and_then(|source| Some(source.pgbackrest.as_ref()?.stanza.as_str()));
    named.unwrap_or(STANZA)
}

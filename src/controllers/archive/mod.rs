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

//! The archive controller: reads from each repository of a cluster what can be restored, and tells it.
//!
//! Invariants: it writes `status.recovery`, its own conditions and `status.latestRestorableTime` of backups, and nothing
//! else, with a field manager of its own; it never writes to a repository; a repository that cannot be read keeps what
//! was last known of it, with its age. Not here: whether a repository can be used at all (the cluster controller).

mod apply;
mod dereference;
mod reconcile;
mod status;
mod surveys;
mod terms;
mod watch;

pub use watch::run;

/// Field manager of this controller's writes.
pub const FIELD_MANAGER: &str = "holdfast-archive";

/// The conditions of clusters that this controller writes.
pub const CONDITIONS: [crate::api::ConditionType; 3] = [
    crate::api::ConditionType::WalContinuous,
    crate::api::ConditionType::RepositoriesIntact,
    crate::api::ConditionType::RecoveryPointObjectiveMet,
];

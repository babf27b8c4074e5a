//! The retention controller: lets go what retention lets go, and the backups that somebody deletes.
//!
//! Invariants: what goes is decided from `backup.info`, and the agent, which runs under the repository's Lease, looks again before
//! anything is removed; a backup that is pinned, that another one needs or that is the last one stays; pgBackRest itself expires
//! nothing. It writes `status.retention` and one
//! condition of clusters, and two conditions and one finalizer of backups. Objects of backups that are gone are removed by the
//! archive controller, which sees the repository.

mod apply;
mod build;
mod decide;
mod dereference;
mod memory;
mod reconcile;
mod shared;
mod status;
mod watch;

#[cfg(test)]
mod tests;

pub use watch::run;

/// Field manager of this controller's writes.
const FIELD_MANAGER: &str = "holdfast-retention";

/// The conditions of clusters that this controller writes.
pub const CONDITIONS: [crate::api::ConditionType; 1] = [crate::api::ConditionType::RetentionHealthy];

/// The conditions of backups that this controller writes.
pub const OF_BACKUPS: [crate::api::ConditionType; 2] = [
    crate::api::ConditionType::Pinned,
    crate::api::ConditionType::Deletable,
];

//! The schedule controller: makes a backup of each time that comes, or says why not.
//!
//! Invariants: level-based, so a restart, a replayed event or a second controller comes to the same answer; a run has its
//! name from its time and exists at most once; every time that came is counted as started, missed or skipped. It writes
//! `status.schedules` and one condition of clusters with a field manager of its own, and creates backups; that they wait
//! for each other, and everything behind, is the backup controller's.

mod apply;
mod decide;
mod health;
mod pauses;
mod plan;
mod reconcile;
mod runs;
mod watch;

#[cfg(test)]
mod tests;

pub use watch::run;

/// Field manager of this controller's writes.
const FIELD_MANAGER: &str = "holdfast-schedule";

/// The conditions of clusters that this controller writes.
pub const CONDITIONS: [crate::api::ConditionType; 1] = [crate::api::ConditionType::SchedulesHealthy];

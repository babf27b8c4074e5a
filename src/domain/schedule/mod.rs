//! When backups are due: cron expressions in a time zone, and what to do about the times that have come.
//!
//! Level-based: the last due time that was accounted for and the clock decide, so a restart, a replayed event or a second
//! controller comes to the same answer. A time that a zone's clock leaves out runs once, right after the gap; one that comes
//! twice runs once, the first time, but for expressions of every hour. Nothing here reads a clock.

pub mod blackout;
mod cron;
mod due;
mod ledger;
mod pause;

#[cfg(test)]
mod tests;

pub use blackout::Blackout;
pub use cron::{Schedule, ScheduleError};
pub use due::{Account, CatchUp, Terms, account, delay, run_name};
pub use ledger::{Cause, Facts, Ledger, Look, Omitted};

//! Logs and metrics.

pub mod archiver;
pub mod backups;
pub mod clusters;
pub mod drills;
pub mod http;
pub mod labels;
pub mod logs;
pub mod metrics;
pub mod recovery;
pub mod schedules;

#[cfg(test)]
mod tests;

//! Logs and metrics.

pub mod archiver;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod recovery;
pub mod schedules;

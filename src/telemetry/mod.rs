//! Logs and metrics.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod recovery;

//! What scenarios are made of: a namespace of their own, clusters and backups as users write them, waiting with
//! deadlines, independent witnesses of what is in a repository, and faults.

mod backup;
mod cluster;
mod diagnostics;
mod four;
mod operator;
mod oracle;
mod programs;
mod restore;
mod scenario;
mod secrecy;
mod shared;
mod stores;
mod wait;
mod wal;

pub use backup::{Request, state, status};
pub use cluster::Cluster;
pub use four::{Four, REPOSITORIES};
pub use operator::{Operator, metrics as operator_metrics, namespace as operator_namespace};
pub use oracle::image;
pub use programs::{kubectl_exec, run};
pub use restore::{as_target, status as restore_status};
pub use scenario::Scenario;
pub use stores::Stores;
pub use wait::{asked_until, condition};

use std::time::Duration;

/// Seconds.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Minutes.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

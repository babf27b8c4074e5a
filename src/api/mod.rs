//! The custom resources: their types, validation rules, conditions and reasons. One public API.
//!
//! Invariants: the schema holds every field of the Percona Operator for PostgreSQL 2.x with the same types,
//! defaults and names, so that its manifests apply unchanged; whatever the API server accepts also
//! deserialises here. Validation that can be said in CEL is said here and nowhere else. Nothing here talks to
//! an API server.

pub mod backup;
pub mod cluster;
pub mod condition_types;
pub mod conditions;
pub mod crds;
pub mod defaults;
pub mod duration;
mod embedded;
pub mod names;
pub mod open_enum;
pub mod pods;
pub mod reasons;
pub mod repository;
pub mod restore;
pub mod rules;
pub mod schedules;
pub mod time;
pub mod unsupported;

pub use backup::{PerconaPGBackup, PerconaPGBackupSpec, PerconaPGBackupStatus};
pub use cluster::{PerconaPGCluster, PerconaPGClusterSpec, PerconaPGClusterStatus};
pub use condition_types::ConditionType;
pub use reasons::Reason;
pub use restore::{PerconaPGRestore, PerconaPGRestoreSpec, PerconaPGRestoreStatus};

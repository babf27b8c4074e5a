//! Pure rules about WAL, backups and time: no runtime, no Kubernetes, no clock.

pub mod archive;
pub mod filling;
pub mod label;
pub mod options;
pub mod progress;
pub mod queue;
pub mod restore;
pub mod retention;
pub mod schedule;
pub mod secret;
pub mod size;
pub mod wal;
pub mod windows;
pub mod xlog;

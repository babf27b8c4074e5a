//! Which backups retention lets go, with pgBackRest's meaning, and what a policy keeps over time.
//!
//! The meaning is that of `expireFullBackup`, `expireDiffBackup` and `expireTimeBasedBackup` in pgBackRest's
//! `command/expire/expire.c`, in this order, with one addition of ours: a pinned backup and all that it needs stay, and do not
//! count, so that a pin costs room and never another backup. Nothing here deletes anything.

mod archive;
mod deletion;
mod policy;
mod simulate;

#[cfg(test)]
mod tests;

pub use archive::{ArchivePolicy, WalKept};
pub use deletion::{Spared, deletable};
pub use policy::{FullRetention, Held, Policy};
pub use simulate::{Kept, Planned, play, simulate};

//! The restore controller: looks, before anything is done, whether a restore can be done and what it would come to.
//!
//! Invariants: what is looked at are the repositories themselves, at the moment when the restore is asked for; a refusal changes nothing
//! and names the nearest that is possible. Nothing is restored yet: one that is no dry run fails with its pre-flight in its status.

mod dereference;
mod preflight;
mod reconcile;
mod status;
mod wanted;
mod watch;

pub use watch::run;

/// Field manager of this controller's writes.
const FIELD_MANAGER: &str = "holdfast-restore";

//! The restore controller: looks, before anything is done, whether a restore can be done and what it would come to; then stops the
//! instances, has the one that led last restored on its own volume, and lets the cluster go on with it.
//!
//! Invariants: what is looked at are the repositories themselves, at the moment before the instances are stopped; a refusal changes
//! nothing and names the nearest that is possible. What was there before stays on the volume until the restored database leads;
//! whatever goes wrong before the decision ([`decide`]) brings it back. No instance runs while a Job works on its volume.

mod announce;
mod carry;
mod decide;
mod dereference;
mod drill;
mod job;
mod look;
mod origin;
mod preflight;
mod reconcile;
mod scene;
mod source;
mod status;
mod wanted;
mod watch;

use std::time::Duration;

pub use watch::run;

/// Field manager of this controller's writes.
const FIELD_MANAGER: &str = "holdfast-restore";
/// What changes by itself wakes us; this is for what does not.
const LOOK: Duration = Duration::from_secs(5);
/// What was written is looked at again.
const SOON: Duration = Duration::from_secs(1);

//! The backup controller: dereference, decide (into a proof type), build, apply, status.
//!
//! Invariants: one backup of a cluster at a time, in the order of creation; pgBackRest runs only under the Lease of the
//! repository; a backup has succeeded when the repository holds it with its WAL, whatever its Job says; names are
//! derived from the object's uid, so that a controller that was killed at any line goes on where it was.

mod announce;
mod apply;
mod budget;
mod build;
mod decide;
mod dereference;
mod failure;
mod fate;
mod reconcile;
pub mod request;
mod shared;
mod source;
mod status;
mod told;
mod tries;
mod verify;
mod watch;

pub use decide::{ended, is_terminal, job_ended, job_has_ended};
pub use fate::fate;
pub use watch::run;

/// Field manager of this controller in server-side apply.
const FIELD_MANAGER: &str = "holdfast-backup";

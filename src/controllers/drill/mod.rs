//! The drill controller: makes the rehearsals that are due, and tells what the last ones came to.
//!
//! Invariants: a rehearsal is a `PerconaPGRestore` with its name from its time, so it exists at most once; the account follows from
//! the objects that are there and from what it said before, since the objects may be deleted. It touches no cluster: what a rehearsal
//! does is the restore controller's.

mod decide;
mod reconcile;
mod watch;

pub use watch::run;

/// Field manager of this controller's writes.
const FIELD_MANAGER: &str = "holdfast-drill";

//! Death right after a write, for tests: a controller that is killed between any two of its writes.
//!
//! State changes by writes alone, so these are all the places where a death can make a difference. Objects that are applied as a
//! whole in each reconcile, whatever is there, count only where one is named: nobody could get past the first of them. Only in builds with debug
//! assertions; a release has none of it.

use rustix::process::{Signal, getpid, kill_process};

/// What the write begins with after which the process dies; any one for an empty text.
const VARIABLE: &str = "HOLDFAST_DIE_AFTER";

/// Dies, if this write is the one that a test chose.
pub fn after(step: &str) {
    let chosen = |beginning: String| {
        step.starts_with(&beginning) && !(beginning.is_empty() && step.starts_with("apply "))
    };
    if std::env::var(VARIABLE).is_ok_and(chosen) {
        eprintln!("died after: {step}");
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

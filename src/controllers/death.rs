//! Death right after a write, for tests: a controller that is killed between any two of its writes.
//!
//! State changes by writes alone, so these are all the places where a death can make a difference. Only in builds with debug
//! assertions; a release has none of it.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// Writes after which the process dies.
const VARIABLE: &str = "HOLDFAST_DIE_AFTER_WRITES";

static WRITES: AtomicU64 = AtomicU64::new(0);

/// Counts a write, and dies if it was the one that a test chose.
pub fn after(step: &str) {
    let Some(chosen) = std::env::var(VARIABLE)
        .ok()
        .and_then(|count| count.parse::<u64>().ok())
    else {
        return;
    };
    if WRITES.fetch_add(1, Ordering::Relaxed) + 1 >= chosen {
        eprintln!("died after: {step}");
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

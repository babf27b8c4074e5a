//! Reaps orphans, for an agent that is process 1 of its container.
//!
//! Whatever a child leaves behind becomes a child of process 1. Processes that the agent itself started are
//! waited for by tokio and must not be taken away from it, so a zombie is reaped only once it has been seen at two
//! looks in a row: tokio reaps its own within milliseconds.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio_util::sync::CancellationToken;

use super::processes;

const INTERVAL: Duration = Duration::from_secs(10);

/// Looks for zombies until `stop` is cancelled.
pub async fn reap_orphans(stop: CancellationToken) {
    let mut before = BTreeSet::new();
    while stop
        .run_until_cancelled(tokio::time::sleep(INTERVAL))
        .await
        .is_some()
    {
        let now = zombies_of(std::process::id());
        for pid in before.intersection(&now) {
            if let Some(pid) = Pid::from_raw(*pid) {
                // Somebody else may have been quicker; there is nothing to do then.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        before = now;
    }
}

fn zombies_of(parent: u32) -> BTreeSet<i32> {
    processes::ids()
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| is_zombie_of(&stat, parent))
        })
        .collect()
}

/// Reads state and parent behind the last `)`: a program's name may hold anything.
fn is_zombie_of(stat: &str, parent: u32) -> bool {
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return false;
    };
    let mut fields = rest.split_whitespace();
    fields.next() == Some("Z") && fields.next().and_then(|ppid| ppid.parse().ok()) == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_parent_are_read_behind_a_strange_name() {
        assert!(is_zombie_of("17 (a) Z 1 (b) Z 1 17 17 0", 1));
        assert!(!is_zombie_of("17 (x) S 1 17 17 0", 1));
        assert!(!is_zombie_of("17 (x) Z 12 17 17 0", 1));
        assert!(!is_zombie_of("", 1));
    }
}

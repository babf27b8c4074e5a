//! Ends the processes of pgBackRest whose peer, the other end of `pgbackrest server`, has vanished in the middle of a question or
//! an answer.
//!
//! Keep-alive probes end what is cut off while the connection rests. They are not sent while something is on its way: then
//! only the kernel's retransmissions count, and it gives up after a quarter of an hour, in which a server holds its lock, so that
//! no other backup can begin, and a backup waits instead of being tried again. pgBackRest does not set `TCP_USER_TIMEOUT`, so
//! we look from outside: `/proc/net/tcp`, as proc(5) and the kernel's `net/ipv4/tcp_ipv4.c` (`get_tcp4_sock`) lay it out.
//! Its connections to an object store are not looked at: it limits these itself.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use super::processes;
use crate::pgbackrest::configuration::SERVER_PORT;

const INTERVAL: Duration = Duration::from_secs(5);
/// Retransmissions without any answer. They begin after 200 ms at the earliest and each takes twice as long as the one before,
/// so by then the peer has been silent for 25 s.
const UNANSWERED: u32 = 7;
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// Looks until `stop` is cancelled.
pub async fn end_severed(stop: &CancellationToken) {
    let mut asked = BTreeSet::new();
    while stop
        .run_until_cancelled(tokio::time::sleep(INTERVAL))
        .await
        .is_some()
    {
        let severed: BTreeSet<u64> = TABLES
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| severed(&table, SERVER_PORT))
            .collect();
        let holders = if severed.is_empty() {
            BTreeSet::new()
        } else {
            holders(&severed)
        };
        for pid in &holders {
            // It frees its locks when it is asked to end.
            let signal = if asked.contains(pid) {
                Signal::KILL
            } else {
                Signal::TERM
            };
            tracing::warn!(
                pid,
                ?signal,
                "the peer of a pgbackrest process has vanished: ending it, so that its locks are free"
            );
            if let Some(pid) = Pid::from_raw(*pid) {
                // It may have ended by itself.
                let _ = kill_process(pid, signal);
            }
        }
        asked = holders;
    }
}

/// Inodes of the established connections from or to a port whose peer has not answered for long.
fn severed(table: &str, port: u16) -> Vec<u64> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| severed_connection(line, port))
        .collect()
}

fn severed_connection(line: &str, port: u16) -> Option<u64> {
    const ESTABLISHED: &str = "01";
    const RETRANSMITTING: &str = "01";
    // sl, local address, remote address, state, queues, timer:when, retransmissions, uid, probes, inode
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, _, timer, unanswered, _, _, inode, ..] = fields[..] else {
        return None;
    };
    let is_port = |address: &str| {
        let (_, hexadecimal) = address.rsplit_once(':')?;
        Some(u16::from_str_radix(hexadecimal, 16).ok()? == port)
    };
    let (timer, _) = timer.split_once(':')?;
    let unanswered = u32::from_str_radix(unanswered, 16).ok()?;
    let is_severed = (is_port(local)? || is_port(remote)?)
        && state == ESTABLISHED
        && timer == RETRANSMITTING
        && unanswered >= UNANSWERED;
    is_severed.then_some(inode.parse().ok()?)
}

/// Processes of pgBackRest that have one of these connections open.
fn holders(inodes: &BTreeSet<u64>) -> BTreeSet<i32> {
    processes::ids()
        .filter(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim_end() == "pgbackrest") && has_open(*pid, inodes)
        })
        .collect()
}

fn has_open(pid: i32, inodes: &BTreeSet<u64>) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse::<u64>().ok()
        })
        .any(|inode| inodes.contains(&inode))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use super::*;

    const HEADER: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

    fn inodes(line: &str) -> Vec<u64> {
        severed(&format!("{HEADER}\n{line}\n"), 8432)
    }

    #[test]
    fn only_a_connection_of_the_server_or_to_one_that_has_long_been_unanswered_is_severed() {
        // As measured with the peer's link down; 20F0 is 8432.
        let severed = "   3: 0C00F40A:20F0 8000F40A:9C5E 01 000000B2:00000000 01:00000A2F 00000007  999        0 412873 4 0000000000000000 3264 4 27 10 7";
        assert_eq!(inodes(severed), [412_873]);
        let client = severed.replace("20F0", "9C5F").replace("9C5E", "20F0");
        assert_eq!(inodes(&client), [412_873]);
        assert_eq!(
            inodes(&severed.replace("00000007", "00000006")),
            [0; 0],
            "not yet"
        );
        assert_eq!(inodes(&severed.replace("20F0", "20F1")), [0; 0], "no server's");
        assert_eq!(inodes(&severed.replace(" 01:", " 02:")), [0; 0], "keep-alive");
        assert_eq!(
            inodes(&severed.replace(" 01 ", " 0A ")),
            [0; 0],
            "it only listens"
        );
        assert_eq!(inodes("   3: 0C00F40A:20F0 8000F40A"), [0; 0], "cut short");
        let six = severed.replace(
            "0C00F40A:20F0 8000F40A",
            "0000000000000000FFFF00000C00F40A:20F0 0000000000000000FFFF00008000F40A",
        );
        assert_eq!(inodes(&six), [412_873]);
    }

    #[test]
    fn the_kernels_own_table_names_the_socket_that_a_process_has_open() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", far.as_raw_fd())).unwrap();
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let inode = table
            .lines()
            .filter_map(|line| line.split_whitespace().nth(9)?.parse::<u64>().ok())
            .find(|inode| link.to_str() == Some(&format!("socket:[{inode}]")))
            .unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(has_open(own, &BTreeSet::from([inode])));
        assert!(!has_open(own, &BTreeSet::from([inode + 1_000_000])));
    }
}

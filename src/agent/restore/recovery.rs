//! Starts PostgreSQL on what was copied, alone and unseen, lets it recover to its target, looks at it and stops it.
//!
//! Archiving is on and has no command: what the new timeline writes waits on the volume until an instance is started on it, and its
//! history file waits with it. Without hot standby no setting has to be as large as it was on the primary. Nothing of the users
//! runs: no connection from outside, no subscription, no job.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch::{Sender, channel};
use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::report::{Category, Phase, Reached, RestoreProgress};
use super::{Failed, Request};
use crate::agent::instance::observe::{Observation, observe};
use crate::agent::instance::sql::connection::{Socket, SqlError};
use crate::agent::postgres::Layout;
use crate::agent::progress::{Handle, Publisher};
use crate::agent::redact::Redactor;
use crate::agent::supervise;
use crate::domain::wal::Lsn;

/// It is asked for this often whether it takes writes.
const LOOK: Duration = Duration::from_millis(250);
/// A clean stop writes everything to the disk.
const STOP: Duration = Duration::from_mins(30);
/// One that was told to stop is killed before Kubernetes would kill us.
const GRACE: Duration = Duration::from_secs(20);
/// The socket's name has it.
const PORT: u16 = 5432;

/// Settings that differ from those of the database.
const SETTINGS: &[&str] = &[
    "archive_mode=on",
    "archive_command=",
    "archive_library=",
    "autovacuum=off",
    "cron.launch_active_jobs=off",
    "hot_standby=off",
    "ident_file=",
    "lc_messages=C",
    "listen_addresses=",
    "log_destination=stderr",
    "log_line_prefix=%e ",
    "log_min_messages=warning",
    "log_startup_progress_interval=2s",
    "log_timezone=UTC",
    "logging_collector=off",
    "max_logical_replication_workers=0",
    "restart_after_crash=off",
    "ssl=off",
    "synchronous_standby_names=",
];

/// Recovers, and stops the database cleanly.
///
/// PostgreSQL writes into the history of the new timeline that it left the one that it was told to follow, also when it stopped on
/// an earlier one on the way: a history that says so cannot be followed by everybody. So where that may be, it is
/// found first where the target is, and then the timeline is followed that is written there.
pub async fn recover(
    request: &Request,
    layout: &Layout,
    publisher: &Publisher<RestoreProgress>,
    stop: &CancellationToken,
) -> Result<Reached, Failed> {
    if !request.passes_through {
        return Box::pin(promote(request, layout, &[], publisher, stop)).await;
    }
    Box::pin(find(layout, publisher, stop)).await?;
    let mut timeline = replayed(layout).await?;
    loop {
        tracing::info!(timeline, "the target is looked for on this timeline");
        let follow = format!("recovery_target_timeline={timeline}");
        let ended = Box::pin(promote(request, layout, &[&follow], publisher, stop)).await;
        // What was replayed last may have been the end of the one before.
        match ended {
            Err(failed) if failed.category == Category::NotReached && timeline != request.timeline => {
                timeline = after(layout, request.timeline, timeline)?;
            }
            other => return other,
        }
    }
}

/// Recovers to the target, and stops there before a new timeline begins.
async fn find(
    layout: &Layout,
    publisher: &Publisher<RestoreProgress>,
    stop: &CancellationToken,
) -> Result<(), Failed> {
    let mut child = start(layout, &["recovery_target_action=shutdown"])
        .map_err(|error| Failed::volume("PostgreSQL cannot be started", &error))?;
    let (learnt, log) = channel(Log::default());
    let reading = tokio::spawn(follow(child.stderr.take(), learnt, publisher.handle()));
    tokio::select! {
        _ = child.wait() => {}
        () = stop.cancelled() => {
            supervise::end(&mut child, Signal::INT, GRACE).await;
            return Err(Failed::stopped());
        }
    }
    let _ = reading.await;
    let log = log.borrow();
    if log.fatal.is_some() || log.stopped.is_none() {
        return Err(why(&log));
    }
    Ok(())
}

/// The timeline of what was replayed last.
async fn replayed(layout: &Layout) -> Result<u32, Failed> {
    let told = Command::new("pg_controldata")
        .arg("-D")
        .arg(&layout.data)
        .env("LC_ALL", "C")
        .output()
        .await
        .map_err(|error| Failed::volume("pg_controldata", &error))?;
    let text = String::from_utf8_lossy(&told.stdout);
    minimum_timeline(&text).ok_or_else(|| {
        let message = "pg_controldata does not tell the timeline that was replayed";
        Failed::transient(Category::Recovery, message)
    })
}

/// `Min recovery ending loc's timeline:  3`.
fn minimum_timeline(text: &str) -> Option<u32> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("Min recovery ending loc's timeline:"))?;
    value.trim().parse().ok().filter(|timeline| *timeline > 0)
}

/// The one that follows on the way to another, by the history that was fetched for that.
fn after(layout: &Layout, target: u32, timeline: u32) -> Result<u32, Failed> {
    let text = history(layout, target)?;
    let mut way: Vec<u32> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    way.push(target);
    let place = way.iter().position(|passed| *passed == timeline);
    let next = place.and_then(|place| way.get(place + 1));
    next.copied().ok_or_else(|| {
        let message = format!("timeline {timeline} is not on the way to timeline {target}");
        Failed::permanent(Category::Recovery, message)
    })
}

fn history(layout: &Layout, timeline: u32) -> Result<String, Failed> {
    let file = layout.data.join("pg_wal").join(format!("{timeline:08X}.history"));
    fs::read_to_string(file).map_err(|error| Failed::volume("the history of a timeline", &error))
}

async fn promote(
    request: &Request,
    layout: &Layout,
    settings: &[&str],
    publisher: &Publisher<RestoreProgress>,
    stop: &CancellationToken,
) -> Result<Reached, Failed> {
    let mut child =
        start(layout, settings).map_err(|error| Failed::volume("PostgreSQL cannot be started", &error))?;
    let (learnt, log) = channel(Log::default());
    let stderr = child.stderr.take();
    let reading = tokio::spawn(follow(stderr, learnt, publisher.handle()));
    let came_up = tokio::select! {
        came_up = until_writable(&layout.socket) => Some(came_up),
        _ = child.wait() => None,
        () = stop.cancelled() => {
            supervise::end(&mut child, Signal::INT, GRACE).await;
            return Err(Failed::stopped());
        }
    };
    let Some(observed) = came_up else {
        // What it said last is in the pipe.
        let _ = reading.await;
        return Err(why(&log.borrow()));
    };
    supervise::end(&mut child, Signal::INT, STOP).await;
    let stopped = child.wait().await.is_ok_and(|status| status.success());
    let _ = reading.await;
    if !stopped {
        let message = "the recovered database did not stop cleanly";
        return Err(Failed::transient(Category::Recovery, message));
    }
    judge(request, layout, &observed, &log.borrow())
}

fn start(layout: &Layout, more: &[&str]) -> std::io::Result<Child> {
    let rules = layout.socket.join("restore_hba.conf");
    fs::create_dir_all(&layout.socket)?;
    fs::write(&rules, "local all postgres peer\n")?;
    let mut command = Command::new("postgres");
    command
        .arg("-D")
        .arg(&layout.data)
        .args(["-p", &PORT.to_string()]);
    for setting in SETTINGS.iter().chain(more) {
        command.args(["-c", setting]);
    }
    command
        .arg("-c")
        .arg(format!("unix_socket_directories={}", layout.socket.display()))
        .arg("-c")
        .arg(format!("hba_file={}", rules.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Reads the log to its end.
async fn follow(stderr: Option<ChildStderr>, learnt: Sender<Log>, publisher: Handle<RestoreProgress>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr).lines();
    let mut redactor = Redactor::default();
    while let Ok(Some(line)) = lines.next_line().await {
        learnt.send_modify(|log| log.add(&line));
        let log = learnt.borrow().clone();
        publisher.tell(RestoreProgress {
            phase: Phase::Recovering,
            segment: log.segment,
            position: log.position,
            copied: None,
        });
        if let Some(text) = redactor.next(line.trim_end()) {
            tracing::info!(target: "postgres", "{text}");
        }
    }
}

/// Returns when it takes connections and writes.
async fn until_writable(socket: &Path) -> Observation {
    let socket = Socket::new(socket, PORT);
    loop {
        match look(&socket).await {
            Ok(observed) if !observed.in_recovery => return observed,
            Ok(_) => {}
            Err(error) => tracing::trace!(%error, "not yet"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(socket: &Socket) -> Result<Observation, SqlError> {
    let client = socket.connect("postgres").await?;
    observe(&client).await
}

fn why(log: &Log) -> Failed {
    let Some(fatal) = &log.fatal else {
        let message = "PostgreSQL ended while it recovered, without a word";
        return Failed::transient(Category::Recovery, message);
    };
    if fatal.is_not_reached() {
        let last = log.last_commit.map_or_else(
            || "no commit was replayed".to_owned(),
            |at| {
                format!(
                    "the last commit that was replayed is of {}",
                    at.format("%Y-%m-%d %H:%M:%S%.6f UTC")
                )
            },
        );
        return Failed::permanent(Category::NotReached, last);
    }
    let message = format!("PostgreSQL says: {} ({})", fatal.text, fatal.code);
    if fatal.is_of_fetching() {
        return Failed::transient(Category::Wal, message);
    }
    Failed::permanent(Category::Recovery, message)
}

/// Whether it is the right database, and as far as it must be.
fn judge(request: &Request, layout: &Layout, observed: &Observation, log: &Log) -> Result<Reached, Failed> {
    let wanted = request.system_identifier.map(|wanted| wanted.to_string());
    if wanted.is_some_and(|wanted| wanted != observed.system_identifier) {
        return Err(Failed::permanent(
            Category::OtherDatabase,
            format!(
                "the backup is of another database (system identifier {})",
                observed.system_identifier
            ),
        ));
    }
    let text = history(layout, observed.timeline)?;
    let Some(began) = began(&text) else {
        let message = format!("the history of timeline {} cannot be read", observed.timeline);
        return Err(Failed::permanent(Category::Recovery, message));
    };
    if let Some(known) = request.at_least
        && began < known
    {
        return Err(Failed::transient(
            Category::Wal,
            format!(
                "the recovery ended at {began}, and the repository is known to hold commits up to {known}"
            ),
        ));
    }
    Ok(Reached {
        lsn: began.to_string(),
        timeline: observed.timeline,
        last_commit: log.last_commit.or_else(|| observed.writing.as_ref()?.last_commit),
        stopped: log.stopped.clone(),
        system_identifier: observed.system_identifier.clone(),
    })
}

/// Where the timeline begins: the last line of its history file, `5 0/65000160 before …`.
fn began(history: &str) -> Option<Lsn> {
    let last = history
        .lines()
        .rfind(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    last.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(line: &str) -> Log {
        let mut log = Log::default();
        log.add(line);
        log
    }

    #[test]
    fn what_another_try_may_mend_is_told_from_what_it_may_not() {
        let missed = why(&log(
            "F0000 FATAL:  recovery ended before configured recovery target was reached",
        ));
        assert_eq!(missed.category, Category::NotReached);
        assert!(missed.message.contains("no commit was replayed"));
        let away = why(&log(
            "XX000 FATAL:  could not restore file \"000000010000000000000003\" from archive: child process exited with exit code 250",
        ));
        assert_eq!(away.category, Category::Wal);
        assert_ne!(missed.code, away.code);
        assert_eq!(why(&Log::default()).code, away.code);
    }

    #[test]
    fn the_timeline_that_was_replayed_is_told_by_the_control_file() {
        let text =
            "Minimum recovery ending location:     0/22007250\nMin recovery ending loc's timeline:   3\n";
        assert_eq!(minimum_timeline(text), Some(3));
        assert_eq!(
            minimum_timeline("Min recovery ending loc's timeline:   0\n"),
            None
        );
    }

    #[test]
    fn the_next_timeline_on_the_way_is_the_one_of_the_history() {
        let volume = tempfile::tempdir().unwrap();
        let layout = Layout {
            data: volume.path().to_owned(),
            version: "18".to_owned(),
            wal: volume.path().join("pg_wal"),
            socket: volume.path().to_owned(),
            keys: Vec::new(),
        };
        fs::create_dir(&layout.wal).unwrap();
        fs::write(
            layout.wal.join("00000005.history"),
            "1\t0/27000000\tx\n\n4\t0/28000000\ty\n",
        )
        .unwrap();
        assert_eq!(after(&layout, 5, 1).ok(), Some(4));
        assert_eq!(after(&layout, 5, 4).ok(), Some(5));
        assert!(after(&layout, 5, 3).is_err());
    }

    #[test]
    fn where_a_timeline_began_is_the_last_line_of_its_history() {
        let history = "1\t0/3000000\tno recovery target specified\n\n5\t0/65000160\tbefore 2026-11-20 23:31:06.198875+00\n";
        assert_eq!(began(history), Some(Lsn(0x6500_0160)));
        assert_eq!(began("# nothing\n"), None);
    }
}

//! Lets PostgreSQL recover what was copied to its target, and looks at what came of it.

use std::fs;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::report::{Category, Reached, RestoreProgress};
use super::running::Running;
use super::{Failed, Request};
use crate::agent::instance::observe::Observation;
use crate::agent::postgres::Layout;
use crate::agent::progress::Publisher;
use crate::domain::wal::Lsn;

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
    let mut running = Running::start(layout, &["recovery_target_action=shutdown"], publisher)?;
    running.until_ended(stop).await?;
    let log = running.said().await;
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
    let mut running = Running::start(layout, settings, publisher)?;
    let Some(observed) = running.until_writable(stop).await? else {
        return Err(why(&running.said().await));
    };
    let stopped = running.stop().await;
    let log = running.said().await;
    if !stopped {
        let message = "the recovered database did not stop cleanly";
        return Err(Failed::transient(Category::Recovery, message));
    }
    judge(request, layout, &observed, &log)
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
        let layout = super::super::tests::layout(volume.path());
        let wal = layout.data.join("pg_wal");
        fs::create_dir_all(&wal).unwrap();
        fs::write(
            wal.join("00000005.history"),
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

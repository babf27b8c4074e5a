//! `holdfast agent restore`: in a Job, on the claim of a stopped instance, puts a backup into the place of its data directory and
//! recovers it to the target; or, asked to, brings the previous data directory back.
//!
//! Invariants: what was there before is moved aside, not overwritten, unless the user gave it up; every step is written down on
//! the volume before it is taken, so that one who was killed goes on from there, and no instance starts on what is half done;
//! nothing that the recovered database writes leaves the volume here: its WAL waits until an instance is started on it.

mod checks;
mod copy;
pub mod journal;
mod log;
pub mod previous;
mod recovery;
pub mod report;
pub mod room;
mod running;

use std::path::PathBuf;
use std::time::Instant;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use self::journal::{Journal, Stage};
use self::previous::Places;
use self::report::{Phase, RestoreOutcome, RestoreProgress};
use super::environment;
use super::postgres::Layout;
use super::progress::Publisher;
use super::report::exit;
use super::termination;
use crate::api::cluster::drills::DrillChecks;
use crate::domain::wal::Lsn;

/// What becomes of the data that are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Previous {
    /// They are kept.
    Keep,
    /// They are given up: there is no way back.
    Discard,
    /// There must be none: a new cluster gets its first data.
    Absent,
}

/// What the Job asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Whose restore it is: the uid of the object.
    pub restore: String,
    /// The stanza.
    pub stanza: String,
    /// Key of the repository.
    pub repository: u8,
    /// It is read as it stood then, in pgBackRest's words.
    pub repository_time: Option<String>,
    /// Label of the backup.
    pub set: String,
    /// pgBackRest's `--type`.
    pub kind: String,
    /// pgBackRest's `--target`.
    pub target: Option<String>,
    /// What is at the target itself is left out.
    pub exclusive: bool,
    /// The timeline that is followed.
    pub timeline: u32,
    /// Where it stops may be on an earlier one on the way to that.
    pub passes_through: bool,
    /// Where the WAL is followed to its end: a position that is known to be there, so that an end before it is none.
    pub at_least: Option<Lsn>,
    /// What becomes of the data that are there.
    pub previous: Previous,
    /// Bytes that have to be free, where the previous directory stays.
    pub bytes: u64,
    /// The database that it must be.
    pub system_identifier: Option<u64>,
    /// What is checked afterwards: what is restored is thrown away.
    pub checks: Option<DrillChecks>,
    /// Further options of the user, validated by the controller, one argument each.
    pub options: Vec<String>,
}

/// How an attempt ended that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Exit code of the agent, of [`exit`].
    pub code: u8,
    /// Why, in a word of the outcome.
    pub category: report::Category,
    /// One sentence.
    pub message: String,
}

impl Failed {
    fn permanent(category: report::Category, message: impl Into<String>) -> Self {
        Self {
            code: exit::PERMANENT,
            category,
            message: message.into(),
        }
    }

    fn transient(category: report::Category, message: impl Into<String>) -> Self {
        Self {
            code: exit::TRANSIENT,
            ..Self::permanent(category, message)
        }
    }

    fn stopped() -> Self {
        Self {
            code: exit::STOPPED,
            ..Self::permanent(report::Category::Stopped, "stopped on request")
        }
    }

    fn volume(what: &str, error: &std::io::Error) -> Self {
        Self::transient(report::Category::Volume, format!("{what}: {error}"))
    }
}

/// Restores; the result is the process's exit code, of [`exit`].
pub async fn run(request: Request, stop: CancellationToken) -> u8 {
    tell(restore(request, stop).await)
}

/// Brings the previous data directory back; the result is the process's exit code, of [`exit`].
#[must_use]
pub fn undo(restore: &str) -> u8 {
    tell(layout().and_then(|layout| bring_back(&layout, restore)))
}

fn layout() -> Result<Layout, Failed> {
    Layout::read(environment::variable)
        .map_err(|error| Failed::permanent(report::Category::Refused, error.to_string()))
}

async fn restore(request: Request, stop: CancellationToken) -> Result<RestoreOutcome, Failed> {
    let layout = layout()?;
    let work = Work {
        places: Places::of(&layout),
        publisher: Publisher::begin(environment::variable).await,
        request,
        layout,
        stop,
    };
    let ended = work.attempt().await;
    work.publisher.end(|_| {}).await;
    ended
}

fn tell(ended: Result<RestoreOutcome, Failed>) -> u8 {
    let (outcome, code) = match ended {
        Ok(outcome) => (outcome, exit::OK),
        Err(failed) => (
            RestoreOutcome {
                message: failed.message,
                category: Some(failed.category),
                ..RestoreOutcome::default()
            },
            failed.code,
        ),
    };
    let outcome = RestoreOutcome {
        ended_at: Some(Utc::now()),
        ..outcome
    };
    tracing::info!(code, message = outcome.message, "ended");
    termination::tell(&outcome);
    code
}

struct Work {
    request: Request,
    layout: Layout,
    places: Places,
    publisher: Publisher<RestoreProgress>,
    stop: CancellationToken,
}

impl Work {
    async fn attempt(&self) -> Result<RestoreOutcome, Failed> {
        let mut journal = self.begin()?;
        let mut outcome = RestoreOutcome {
            kept: journal.keeps,
            started_at: Some(Utc::now()),
            ..RestoreOutcome::default()
        };
        if journal.stage == Stage::Keeping {
            self.make_place(&mut journal)?;
        }
        if journal.stage == Stage::Copying {
            let begun = Instant::now();
            outcome.bytes = copy::copy(
                &self.request,
                &self.layout,
                &self.places,
                &self.publisher,
                &self.stop,
            )
            .await?;
            outcome.copy_seconds = Some(begun.elapsed().as_secs());
            self.write(&mut journal, Stage::Recovering)?;
        }
        let begun = Instant::now();
        self.publisher.tell(RestoreProgress {
            phase: Phase::Recovering,
            ..RestoreProgress::default()
        });
        let reached = recovery::recover(&self.request, &self.layout, &self.publisher, &self.stop).await?;
        outcome.recovery_seconds = Some(begun.elapsed().as_secs());
        self.write(&mut journal, Stage::Recovered)?;
        outcome.message = format!(
            "the database is at {} on timeline {}",
            reached.lsn, reached.timeline
        );
        outcome.reached = Some(reached);
        if let Some(checks) = &self.request.checks {
            outcome.checks = checks::check(checks, &self.layout, &self.publisher, &self.stop).await?;
        }
        Ok(outcome)
    }

    /// What is written down, or the first entry.
    fn begin(&self) -> Result<Journal, Failed> {
        let read = Journal::read(self.layout.volume())
            .map_err(|error| Failed::volume("the journal of restores", &error))?;
        if self.request.previous == Previous::Absent && self.holds_a_database(read.as_ref()) {
            return Err(Failed::permanent(
                report::Category::Refused,
                "there is a database on the volume already: it is left alone",
            ));
        }
        let keeps = self.request.previous == Previous::Keep;
        match read {
            Some(journal) if journal.restore == self.request.restore && journal.stage != Stage::Returning => {
                tracing::info!(stage = ?journal.stage, "going on");
                Ok(journal)
            }
            Some(journal) if journal.stage.is_over() => {
                // The database of that restore is the one that is there now: what it had replaced is not needed any more.
                self.places
                    .release(self.layout.volume())
                    .map_err(|error| Failed::volume("what an earlier restore has kept", &error))?;
                self.first_entry(keeps)
            }
            Some(journal) if !journal.keeps && journal.stage != Stage::Returning => {
                // That restore has given its data up and did not get to its end: there is nothing that could be kept.
                self.first_entry(false)
            }
            Some(journal) => {
                // The controller has ended that one, or it is gone: what it moved aside is what counts.
                bring_back(&self.layout, &journal.restore)?;
                self.first_entry(keeps)
            }
            None if self.places.has_previous() => Err(Failed::permanent(
                report::Category::Refused,
                format!(
                    "{} is there and nobody has written down why: it may be somebody's data, so it is left alone",
                    self.places.previous_data().display()
                ),
            )),
            None => self.first_entry(keeps),
        }
    }

    /// One that is not what this restore, or another that did not get to its end, has begun.
    fn holds_a_database(&self, journal: Option<&Journal>) -> bool {
        if let Some(journal) = journal {
            return journal.restore != self.request.restore && journal.stage.is_over();
        }
        let has_files =
            |place: &PathBuf| std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some());
        self.layout.data.join("PG_VERSION").exists() || self.layout.tablespaces.iter().any(has_files)
    }

    fn first_entry(&self, keeps: bool) -> Result<Journal, Failed> {
        let mut journal = Journal {
            restore: self.request.restore.clone(),
            stage: Stage::Keeping,
            keeps,
        };
        // Before anything is moved: afterwards it would be too late to say so.
        if journal.keeps {
            room::is_enough(&self.layout.volumes(), self.request.bytes)?;
        }
        self.write(&mut journal, Stage::Keeping)?;
        Ok(journal)
    }

    fn make_place(&self, journal: &mut Journal) -> Result<(), Failed> {
        if journal.keeps {
            let moved = self.places.set_aside();
            moved.map_err(|error| Failed::volume("moving the previous data directory aside", &error))?;
        }
        self.write(journal, Stage::Copying)
    }

    fn write(&self, journal: &mut Journal, stage: Stage) -> Result<(), Failed> {
        journal.stage = stage;
        let written = journal.write(self.layout.volume());
        written.map_err(|error| Failed::volume("the journal of restores", &error))
    }
}

fn bring_back(layout: &Layout, restore: &str) -> Result<RestoreOutcome, Failed> {
    let volume = layout.volume();
    let told = |message: &str| RestoreOutcome {
        message: message.to_owned(),
        ..RestoreOutcome::default()
    };
    let failed = |error: std::io::Error| Failed::volume("bringing the previous data directory back", &error);
    let Some(mut journal) = Journal::read(volume).map_err(failed)? else {
        return Ok(told("nothing was changed"));
    };
    if journal.restore != restore {
        return Ok(told("another restore is at work: nothing was changed"));
    }
    if !journal.keeps {
        return Ok(RestoreOutcome {
            category: Some(report::Category::Discarded),
            ..told("the previous data was given up (previousData: Discard): there is nothing to bring back")
        });
    }
    journal.stage = Stage::Returning;
    journal.write(volume).map_err(failed)?;
    Places::of(layout).bring_back().map_err(failed)?;
    Journal::remove(volume).map_err(failed)?;
    Ok(told("the previous data directory is in its place again"))
}

#[cfg(test)]
mod tests;

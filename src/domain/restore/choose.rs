//! Which backup a restore begins from, and which timeline it follows.
//!
//! Without a word about the branch a time means the database as it was at that time: the branch that took writes then, also when it
//! was left later for one that had begun before it. That is the branch that began last before the time. What no recovery can stop
//! at is refused with the nearest moments on both sides: PostgreSQL finds out only at the end, when everything was replayed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::target::{Stop, Target, Timeline};
use crate::domain::label::Label;
use crate::domain::wal::{Lsn, Segment};
use crate::domain::windows::{Backup, BackupRecovery, Reach, Recovery, Restorable};

/// When a timeline began to take writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// The timeline.
    pub timeline: u32,
    /// The end of the recovery that it began with, by the clock of the database; nothing for the first timeline of all.
    pub began: Option<DateTime<Utc>>,
}

/// What can be chosen from: one database of one repository.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Which PostgreSQL cluster of the stanza's history it is.
    pub database_id: u32,
    /// What can be restored.
    pub recovery: &'a Recovery,
    /// Its backups.
    pub backups: &'a [Backup],
    /// Its timelines on which something was committed.
    pub branches: &'a [Branch],
}

/// What serves a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The backup to begin from.
    pub backup: Label,
    /// The timeline to name as the target's.
    pub timeline: u32,
    /// The first segment that is read.
    pub first_segment: Option<Segment>,
    /// The last segment that can be read on the way.
    pub last_segment: Segment,
    /// When the backup ended.
    pub stopped: DateTime<Utc>,
    /// The last commit that could be reached on that timeline.
    pub latest: Option<DateTime<Utc>>,
    /// Where that is in the WAL.
    pub position: Option<Lsn>,
    /// Where it stops may be on an earlier timeline of the way: which one is known only when it stops. The new timeline has to begin
    /// there, and PostgreSQL would have it begin on the one that it was told to follow.
    pub passes_through: bool,
    /// The target is the time of the very last commit, and has to be named by its position: PostgreSQL knows that a time is reached
    /// only by the end of a later transaction.
    pub by_position: Option<Lsn>,
    /// Whether it is known that the target can be reached. Of a transaction and of a restore point it is not.
    pub certain: bool,
}

/// A way from a backup along one chain of timelines.
#[derive(Clone, Copy)]
struct Way<'a> {
    backup: &'a Backup,
    reach: &'a Reach,
}

impl Way<'_> {
    /// Where the backup is consistent.
    fn consistent(&self) -> Option<Lsn> {
        self.backup.wal.and_then(|wal| wal.stop)
    }

    /// Its end is on another timeline than its beginning.
    fn is_over_several(&self) -> bool {
        self.reach.timelines.len() > 1
    }

    fn choice(&self) -> Choice {
        Choice {
            backup: self.backup.label.clone(),
            timeline: self.reach.timeline,
            first_segment: self.backup.wal.map(|wal| wal.first),
            last_segment: self.reach.last_segment,
            stopped: self.backup.stopped,
            latest: self.reach.to,
            position: self.reach.to_lsn,
            passes_through: false,
            by_position: None,
            certain: true,
        }
    }
}

/// Chooses what serves a target; `set` is the backup that the user names.
pub fn choose(source: &Source<'_>, target: &Target, set: Option<&Label>) -> Result<Choice, Refusal> {
    if let Some(label) = set {
        is_restorable(source, label)?;
    }
    let all = ways(source);
    if all.is_empty() {
        return Err(Refusal::NoBackup);
    }
    let branch = on_branch(source, target, &all)?;
    let named = |way: &&Way<'_>| set.is_none_or(|label| way.backup.label == *label);
    let own: Vec<Way<'_>> = branch.iter().filter(named).copied().collect();
    if own.is_empty() {
        return Err(match target.timeline {
            Timeline::Number(number) => Refusal::NoSuchTimeline(number),
            _ => set.map_or(Refusal::NoBackup, |label| Refusal::BackupTooLate(label.clone())),
        });
    }
    match &target.stop {
        Stop::Latest => Ok(newest(own).ok_or(Refusal::NoBackup)?.choice()),
        Stop::Immediate => {
            let way = newest(own).ok_or(Refusal::NoBackup)?;
            let timeline = way.backup.wal.map(|wal| wal.last.timeline());
            Ok(Choice {
                // It is consistent on its own.
                timeline: timeline.unwrap_or(way.reach.timeline),
                ..way.choice()
            })
        }
        Stop::Time(at) => {
            let before = own.iter().filter(|way| way.backup.stopped <= *at);
            let before: Vec<Way<'_>> = before.copied().collect();
            if let (true, Some(label)) = (before.is_empty(), set) {
                return Err(Refusal::BackupTooLate(label.clone()));
            }
            let serve: Vec<Way<'_>> = before
                .into_iter()
                .filter(|way| way.reach.to.is_some_and(|to| *at <= to))
                .collect();
            let last = serve
                .iter()
                .find(|way| way.reach.to == Some(*at) && !target.exclusive);
            let by_position = last.and_then(|way| way.reach.to_lsn);
            let way = newest(serve).ok_or_else(|| unreachable(source, *at))?;
            let by_position = by_position.filter(|_| way.reach.to == Some(*at));
            let mut branches = source.branches.iter();
            let began = branches.find(|branch| branch.timeline == way.reach.timeline);
            // All that was committed on the way to a timeline was committed before that began.
            let on_the_last = began.is_some_and(|branch| branch.began.is_some_and(|began| began <= *at));
            Ok(Choice {
                passes_through: way.is_over_several() && by_position.is_none() && !on_the_last,
                by_position,
                ..way.choice()
            })
        }
        Stop::Lsn(position) => {
            let before = own
                .iter()
                .filter(|way| way.consistent().is_none_or(|consistent| consistent <= *position));
            let before: Vec<Way<'_>> = before.copied().collect();
            if let (true, Some(label)) = (before.is_empty(), set) {
                return Err(Refusal::BackupTooLate(label.clone()));
            }
            let last = own.iter().filter_map(|way| way.reach.to_lsn).max();
            let serve = before
                .into_iter()
                .filter(|way| way.reach.to_lsn.is_some_and(|to| *position <= to));
            let way = newest(serve.collect()).ok_or(Refusal::PositionUnreachable { last })?;
            Ok(Choice {
                passes_through: way.is_over_several(),
                ..way.choice()
            })
        }
        // Where it is nobody knows before it is replayed: the oldest backup gets there in any case.
        Stop::Xid(_) | Stop::Name(_) => {
            let oldest = own.into_iter().min_by_key(|way| way.backup.stopped);
            let way = oldest.ok_or(Refusal::NoBackup)?;
            Ok(Choice {
                passes_through: way.is_over_several(),
                certain: false,
                ..way.choice()
            })
        }
    }
}

/// The way with the least WAL to replay. A page that is known to be damaged is the last choice.
fn newest(ways: Vec<Way<'_>>) -> Option<Way<'_>> {
    let best = ways.into_iter();
    best.max_by_key(|way| (!way.backup.page_errors, way.backup.stopped))
}

fn is_restorable(source: &Source<'_>, label: &Label) -> Result<(), Refusal> {
    match recovery(source, label) {
        None => Err(Refusal::NoSuchBackup(label.clone())),
        Some(found) if found.restorable == Restorable::Yes => Ok(()),
        Some(found) => Err(Refusal::Unrestorable(label.clone(), found.restorable.clone())),
    }
}

fn recovery<'a>(source: &Source<'a>, label: &Label) -> Option<&'a BackupRecovery> {
    let own = source.recovery.backups.iter();
    own.filter(|backup| backup.database_id == source.database_id)
        .find(|backup| backup.label == *label)
}

/// All ways there are.
fn ways<'a>(source: &Source<'a>) -> Vec<Way<'a>> {
    let restorable = source.backups.iter().filter_map(|backup| {
        let found = recovery(source, &backup.label)?;
        (found.restorable == Restorable::Yes).then_some((backup, found))
    });
    restorable
        .flat_map(|(backup, found)| found.reaches.iter().map(move |reach| Way { backup, reach }))
        .collect()
}

/// Those along the branch that the target is on.
fn on_branch<'a>(source: &Source<'_>, target: &Target, all: &[Way<'a>]) -> Result<Vec<Way<'a>>, Refusal> {
    let to = |number: u32| -> Vec<Way<'a>> {
        let named: Vec<Way<'a>> = all
            .iter()
            .filter(|way| way.reach.timeline == number)
            .copied()
            .collect();
        if !named.is_empty() {
            return named;
        }
        // All that was ever committed on it is also on the way to a later one.
        let through = all.iter().filter(|way| way.reach.timelines.contains(&number));
        through.copied().collect()
    };
    let newest = all.iter().map(|way| way.reach.timeline).max().unwrap_or(1);
    let found = match (target.timeline, &target.stop) {
        (Timeline::Number(number), _) => {
            let found = to(number);
            if found.is_empty() {
                return Err(Refusal::NoSuchTimeline(number));
            }
            found
        }
        (Timeline::Left, _) => to(left(all, newest).ok_or(Refusal::NothingLeft)?),
        (Timeline::Current, _) => {
            let own = |way: &&Way<'_>| {
                let timeline = way.backup.wal.map(|wal| wal.last.timeline());
                timeline == Some(way.reach.timeline)
            };
            all.iter().filter(own).copied().collect()
        }
        (Timeline::Natural, Stop::Time(at)) => {
            let known = |timeline: &u32| source.branches.iter().any(|branch| branch.timeline == *timeline);
            let mut timelines = all.iter().flat_map(|way| &way.reach.timelines);
            let unknown = timelines.clone().find(|timeline| !known(timeline)).copied();
            let first = timelines.next();
            // On a single timeline there is nothing to choose.
            let several = timelines.any(|timeline| Some(timeline) != first);
            if let Some(unknown) = unknown.filter(|_| several) {
                return Err(Refusal::BranchUnknown(unknown));
            }
            to(live(source.branches, *at).unwrap_or(newest))
        }
        // The end of one backup is on all branches that go through it.
        (Timeline::Natural, Stop::Immediate) => all.to_vec(),
        (Timeline::Latest | Timeline::Natural, _) => to(newest),
    };
    Ok(found)
}

/// The timeline that was left last: the newest but one that can be followed to an end of its own. What goes on to its end on another
/// has none.
fn left(all: &[Way<'_>], newest: u32) -> Option<u32> {
    let ends = all.iter().map(|way| way.reach.timeline);
    ends.filter(|timeline| *timeline != newest).max()
}

/// The timeline that took writes at a time: of those that had begun, the one that began last.
fn live(branches: &[Branch], at: DateTime<Utc>) -> Option<u32> {
    let begun = branches
        .iter()
        .filter(|branch| branch.began.is_none_or(|began| began <= at));
    begun
        .max_by_key(|branch| (branch.began, branch.timeline))
        .map(|branch| branch.timeline)
}

/// The nearest times on both sides that can be reached.
fn unreachable(source: &Source<'_>, at: DateTime<Utc>) -> Refusal {
    let windows = || {
        let all = source.recovery.windows.iter();
        all.filter(|window| window.database_id == source.database_id)
    };
    // What follows a window's start is there up to its last commit; a window without one ends with its backup, which `immediate` gets.
    let before = windows()
        .filter_map(|window| Some((window.to.filter(|to| *to < at)?, window.timeline)))
        .max();
    let after = windows()
        .filter(|window| window.from > at && window.to.is_some())
        .map(|window| (window.from, window.timeline))
        .min();
    Refusal::Unreachable { before, after }
}

#[cfg(test)]
mod tests;

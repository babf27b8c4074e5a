//! The computation: from archive, backups and commit times to windows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    input::{Backup, Database, SegmentCommits, Terms},
    output::{BackupRecovery, Reach, Recovery, Restorable, Window},
    reach::{View, Walk, distinct},
};
use crate::domain::wal::{Lsn, Segment};

/// Commits within the last moments of a backup may have times before its end; more than this is another clock.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// What a survey came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survey {
    /// It must know the commits of these segments. They are few; add them to what is known and ask again. Where the
    /// last segments hold no commit, the next survey asks for those before them.
    Needs(BTreeSet<Segment>),
    /// It knows all.
    Complete(Box<Recovery>),
}

/// Works out what can be restored from one db-id. `commits`: what is known of segments of this db-id; more than
/// needed does no harm.
#[must_use]
pub fn survey(database: &Database<'_>, commits: &BTreeMap<Segment, SegmentCommits>, terms: &Terms) -> Survey {
    let view = View::new(*database, commits);
    let walks = view.walks();
    let restorable = database.backups.iter().enumerate();
    let restorable = restorable
        .map(|(place, backup)| view.restorable(backup, walks.iter().any(|walk| walk.backup == place)))
        .collect();
    let mut resolver = Resolver {
        view,
        walks,
        restorable,
        commits,
        needs: BTreeSet::new(),
    };
    let recovery = resolver.recovery(terms);
    if resolver.needs.is_empty() {
        Survey::Complete(Box::new(recovery))
    } else {
        Survey::Needs(resolver.needs)
    }
}

/// The last commit of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastCommit {
    pub(super) time: DateTime<Utc>,
    pub(super) lsn: Lsn,
}

pub(super) struct Resolver<'a> {
    pub(super) view: View<'a>,
    pub(super) walks: Vec<Walk>,
    /// By the place of the backup in the list.
    pub(super) restorable: Vec<Restorable>,
    pub(super) commits: &'a BTreeMap<Segment, SegmentCommits>,
    /// Segments that have to be read.
    pub(super) needs: BTreeSet<Segment>,
}

impl View<'_> {
    fn restorable(&self, backup: &Backup, walked: bool) -> Restorable {
        if let Some(label) = self.missing_backup(backup) {
            return Restorable::MissingBackup(label);
        }
        let lacking = backup
            .wal
            .filter(|_| !walked)
            .and_then(|wal| self.first_lacking(&wal));
        let Some((timeline, index)) = lacking else {
            return Restorable::Yes;
        };
        let archive = self.database.archive;
        let highest = archive
            .timeline(timeline)
            .and_then(|segments| segments.runs().highest());
        match archive.segment(timeline, index) {
            Some(segment) if highest.is_some_and(|highest| index <= highest) => {
                Restorable::MissingWal(segment)
            }
            Some(segment) if self.ancestry.successors(timeline).next().is_some() => {
                Restorable::MissingWal(segment)
            }
            Some(segment) => Restorable::AwaitingWal(segment),
            None => Restorable::Yes,
        }
    }
}

impl Resolver<'_> {
    fn recovery(&mut self, terms: &Terms) -> Recovery {
        let mut recovery = Recovery::default();
        let reaches = self.reaches();
        self.add_gaps(terms, &mut recovery);
        recovery.unusable = self.unusable();
        recovery.windows = self.windows(&reaches);
        for (place, backup) in self.view.database.backups.iter().enumerate() {
            let own: Vec<_> = reaches.iter().filter(|(walk, _)| walk.backup == place).collect();
            let times = own
                .iter()
                .filter_map(|(walk, commit)| self.target_time(walk, *commit));
            recovery.backups.push(BackupRecovery {
                label: backup.label.clone(),
                database_id: self.view.database.id,
                restorable: self.restorable.get(place).cloned().unwrap_or(Restorable::Yes),
                latest_restorable_time: times.max(),
                clocks_disagree: own
                    .iter()
                    .filter_map(|(_, commit)| *commit)
                    .any(|commit| backup.stopped - commit.time > CLOCK_TOLERANCE),
                reaches: own
                    .iter()
                    .filter_map(|(walk, commit)| self.reach(walk, *commit))
                    .collect(),
                page_errors: backup.page_errors,
            });
        }
        recovery.bounded()
    }

    /// Walks that lead somewhere no other walk from the same backup leads, each with its last commit after the backup.
    fn reaches(&mut self) -> Vec<(Walk, Option<LastCommit>)> {
        let distinct: Vec<Walk> = distinct(&self.walks).into_iter().cloned().collect();
        let mut reaches = Vec::new();
        for walk in &distinct {
            let further = distinct.iter().filter(|other| other.backup == walk.backup);
            let left: Vec<Lsn> = further.filter_map(|other| walk.left_by(other)).collect();
            let size = self.view.size.bytes();
            // All that it reads is read on the way to a successor too; no commit need be known for that.
            if left.iter().any(|at| walk.last < at.0 / size) {
                continue;
            }
            let commit = self.reached(walk);
            if left.iter().any(|at| commit.is_none_or(|commit| commit.lsn < *at)) {
                continue;
            }
            reaches.push((walk.clone(), commit));
        }
        reaches
    }

    /// The last commit that a walk reaches after its backup. Looks back segment by segment to the backup's last.
    pub(super) fn reached(&mut self, walk: &Walk) -> Option<LastCommit> {
        let backup = self.view.database.backups.get(walk.backup)?;
        let stop = self.view.stop(&backup.wal?);
        for index in (walk.stop..=walk.last).rev() {
            let timeline = self.view.leg_at(walk.target, index)?.timeline;
            let segment = self.view.database.archive.segment(timeline, index)?;
            match self.commits.get(&segment) {
                Some(SegmentCommits::Some(times)) => {
                    let commit = LastCommit {
                        time: times.last,
                        lsn: times.last_lsn,
                    };
                    return Some(commit).filter(|commit| commit.lsn >= stop);
                }
                Some(SegmentCommits::None | SegmentCommits::Unreadable) => {}
                None => {
                    self.needs.insert(segment);
                    return None;
                }
            }
        }
        None
    }

    /// The time of a walk's last commit, where it can be a target: not before the end of the backup.
    fn target_time(&self, walk: &Walk, commit: Option<LastCommit>) -> Option<DateTime<Utc>> {
        let backup = self.view.database.backups.get(walk.backup)?;
        commit
            .map(|commit| commit.time)
            .filter(|time| *time >= backup.stopped)
    }

    fn reach(&self, walk: &Walk, commit: Option<LastCommit>) -> Option<Reach> {
        let timeline = walk.chain.last()?.timeline;
        let to = self.target_time(walk, commit);
        Some(Reach {
            timeline: walk.target,
            timelines: walk.chain.iter().map(|leg| leg.timeline).collect(),
            last_segment: self.view.database.archive.segment(timeline, walk.last)?,
            to,
            to_lsn: commit.filter(|_| to.is_some()).map(|commit| commit.lsn),
        })
    }

    fn windows(&self, reaches: &[(Walk, Option<LastCommit>)]) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        for (walk, commit) in reaches {
            let backup = self.view.database.backups.get(walk.backup);
            let Some((backup, reach)) = backup.zip(self.reach(walk, *commit)) else {
                continue;
            };
            windows.push(Window {
                from: backup.stopped,
                to: reach.to,
                timeline: reach.timeline,
                backup: backup.label.clone(),
                timelines: reach.timelines,
                to_lsn: reach.to_lsn,
                last_segment: reach.last_segment,
                database_id: self.view.database.id,
            });
        }
        windows.sort_by_key(|window| (window.timeline, window.from));
        let mut merged: Vec<Window> = Vec::new();
        for window in windows {
            match merged.last_mut().filter(|before| touches(before, &window)) {
                Some(before) if window.to > before.to => {
                    before.to = window.to;
                    before.to_lsn = window.to_lsn;
                    before.last_segment = window.last_segment;
                    for timeline in window.timelines {
                        if !before.timelines.contains(&timeline) {
                            before.timelines.push(timeline);
                        }
                    }
                }
                Some(_) => {}
                None => merged.push(window),
            }
        }
        merged
    }
}

/// To the same timeline, and without a moment between them that cannot be restored. A backup after which nothing was
/// committed adds nothing to a window that leads up to it on the same segments.
fn touches(before: &Window, after: &Window) -> bool {
    before.timeline == after.timeline
        && (before.last_segment == after.last_segment || before.to.is_some_and(|to| after.from <= to))
}

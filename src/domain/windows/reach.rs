//! How far recoveries can go: which segments follow one another along a path.

use std::collections::{BTreeMap, BTreeSet};

use super::input::{Backup, BackupWal, Database, SegmentCommits};
use crate::domain::{
    archive::{Ancestry, Leg},
    label::Label,
    wal::{Lsn, Segment, SegmentSize},
};

/// A db-id, ready to be walked.
pub(super) struct View<'a> {
    pub(super) database: Database<'a>,
    pub(super) ancestry: Ancestry,
    pub(super) size: SegmentSize,
    /// Segments whose content cannot be had, by timeline.
    pub(super) unreadable: BTreeMap<u32, BTreeSet<u64>>,
}

/// Where a recovery from a backup to a target timeline ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    /// Place of the backup in the list.
    pub(super) backup: usize,
    pub(super) target: u32,
    /// Index of the last segment that follows.
    pub(super) last: u64,
    /// Index of the backup's last segment.
    pub(super) stop: u64,
    /// From the leg of the backup's timeline to that of the last segment.
    pub(super) chain: Vec<Leg>,
}

impl Walk {
    /// Another walk goes on from this one's chain. Where did that leave it?
    pub(super) fn left_by(&self, other: &Self) -> Option<Lsn> {
        let (last, before) = self.chain.split_last()?;
        let (same, further) = other.chain.split_at_checked(self.chain.len())?;
        let (leaves, along) = same.split_last()?;
        let goes_on = !further.is_empty() && before == along && last.timeline == leaves.timeline;
        leaves.end.filter(|_| goes_on)
    }

    fn same_chain(&self, other: &Self) -> bool {
        let timelines = |walk: &Self| -> Vec<_> { walk.chain.iter().map(|leg| leg.timeline).collect() };
        let ends = |walk: &Self| walk.chain.split_last().map(|(_, before)| before.to_vec());
        self.backup == other.backup && timelines(self) == timelines(other) && ends(self) == ends(other)
    }
}

impl<'a> View<'a> {
    pub(super) fn new(database: Database<'a>, commits: &BTreeMap<Segment, SegmentCommits>) -> Self {
        let size = database.archive.segment_size();
        let of_backups = database.backups.iter().filter_map(|backup| backup.wal);
        let timelines = database
            .archive
            .timelines()
            .map(|(timeline, _)| timeline)
            .chain(database.archive.histories().keys().copied())
            .chain(of_backups.map(|wal| wal.last.timeline()));
        let mut unreadable: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for (segment, found) in commits {
            if *found == SegmentCommits::Unreadable {
                let timeline = unreadable.entry(segment.timeline()).or_default();
                timeline.insert(segment.index(size));
            }
        }
        Self {
            ancestry: Ancestry::new(database.histories, timelines),
            database,
            size,
            unreadable,
        }
    }

    /// The last segment of a timeline that can be used from `index` on without a break.
    fn usable_from(&self, timeline: u32, index: u64) -> Option<u64> {
        let segments = self.database.archive.timeline(timeline)?;
        let end = segments.runs().end_from(index)?;
        let duplicate = segments.duplicate().range(index..=end).next();
        let unreadable = self
            .unreadable
            .get(&timeline)
            .and_then(|set| set.range(index..=end).next());
        match duplicate.into_iter().chain(unreadable).min() {
            None => Some(end),
            Some(barrier) => barrier.checked_sub(1).filter(|end| *end >= index),
        }
    }

    /// True when a segment is there and of use.
    pub(super) fn is_usable(&self, timeline: u32, index: u64) -> bool {
        self.usable_from(timeline, index).is_some()
    }

    /// The leg of a path whose timeline a segment is read from.
    pub(super) fn leg_at(&self, target: u32, index: u64) -> Option<&Leg> {
        let path = self.ancestry.path(target);
        path.iter().find(|leg| leg.holds(index, self.size))
    }

    /// Place of the last leg, and index of the last segment, that follow from `start` along a path.
    fn follow(&self, path: &[Leg], start: u64) -> Option<(usize, u64)> {
        let mut at = start;
        let mut reached = None;
        for (place, leg) in path.iter().enumerate() {
            if !leg.holds(at, self.size) {
                continue;
            }
            let Some(end) = self.usable_from(leg.timeline, at) else {
                break;
            };
            let past = leg.past(self.size);
            let end = past.map_or(end, |past| end.min(past - 1));
            reached = Some((place, end));
            match past {
                Some(past) if past == end + 1 => at = past,
                _ => break,
            }
        }
        reached
    }

    /// The parts of timelines that a backup needs, along the path of its own timeline: timeline, first and last index.
    pub(super) fn needed(&self, wal: &BackupWal) -> Vec<(u32, u64, u64)> {
        let (start, stop) = (wal.first.index(self.size), wal.last.index(self.size));
        let path = self.ancestry.path(wal.last.timeline());
        let parts = path.iter().map(|leg| {
            let first = leg.first(self.size).max(start);
            let last = match leg.past(self.size) {
                Some(past) => past.checked_sub(1)?.min(stop),
                None => stop,
            };
            (first <= last).then_some((leg.timeline, first, last))
        });
        parts.flatten().collect()
    }

    /// The first segment that a backup needs and that is missing or of no use.
    pub(super) fn first_lacking(&self, wal: &BackupWal) -> Option<(u32, u64)> {
        self.needed(wal).into_iter().find_map(|(timeline, first, last)| {
            let lacking = match self.usable_from(timeline, first) {
                None => first,
                Some(end) => end + 1,
            };
            (lacking <= last).then_some((timeline, lacking))
        })
    }

    /// The backup whose files are needed and that is gone.
    pub(super) fn missing_backup(&self, backup: &Backup) -> Option<Label> {
        let find = |label: &Label| self.database.backups.iter().find(|other| other.label == *label);
        if !backup.references.is_empty() {
            return backup
                .references
                .iter()
                .find(|label| find(label).is_none())
                .cloned();
        }
        let mut prior = backup.prior.as_ref();
        // A chain cannot be longer than the list, unless it is a circle.
        for _ in self.database.backups {
            let label = prior?;
            let Some(found) = find(label) else {
                return Some(label.clone());
            };
            prior = found.prior.as_ref();
        }
        prior.cloned()
    }

    /// Where recoveries from all backups that can be restored end, for every target timeline.
    pub(super) fn walks(&self) -> Vec<Walk> {
        let mut walks = Vec::new();
        for (place, backup) in self.database.backups.iter().enumerate() {
            let Some(wal) = backup.wal.filter(|_| self.missing_backup(backup).is_none()) else {
                continue;
            };
            let targets = self.ancestry.paths();
            walks.extend(targets.filter_map(|(target, path)| self.walk(place, &wal, target, path)));
        }
        walks
    }

    fn walk(&self, backup: usize, wal: &BackupWal, target: u32, path: &[Leg]) -> Option<Walk> {
        let own = path.iter().position(|leg| leg.timeline == wal.last.timeline())?;
        let left = path.get(own)?.end;
        if left.is_some_and(|left| self.stop(wal) > left) {
            return None;
        }
        let stop = wal.last.index(self.size);
        let (end, last) = self.follow(path, wal.first.index(self.size))?;
        (last >= stop).then(|| Walk {
            backup,
            target,
            last,
            stop,
            chain: path.get(own..=end.max(own)).unwrap_or_default().to_vec(),
        })
    }

    /// Where a backup is consistent.
    pub(super) fn stop(&self, wal: &BackupWal) -> Lsn {
        let end = wal.last.start(self.size).0.saturating_add(self.size.bytes());
        wal.stop.unwrap_or(Lsn(end))
    }
}

/// One walk for each chain of timelines, the one to the lowest target: its own last timeline, where that knows the way.
pub(super) fn distinct(walks: &[Walk]) -> Vec<&Walk> {
    let mut distinct: Vec<&Walk> = Vec::new();
    for walk in walks {
        let of_backup = distinct
            .iter()
            .rev()
            .take_while(|other| other.backup == walk.backup);
        if !of_backup.into_iter().any(|other| other.same_chain(walk)) {
            distinct.push(walk);
        }
    }
    distinct
}

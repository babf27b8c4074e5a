//! Gaps of each timeline, and segments that are there and of no use.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    input::Terms,
    output::{Defect, Gap, Recovery, Unusable},
    reach::View,
    survey::Resolver,
};
use crate::domain::archive::{Runs, TimelineSegments};

/// Segments of one timeline that a recovery cannot pass. Indexes count from the beginning of the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Break {
    pub(super) timeline: u32,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl View<'_> {
    /// All gaps with the time since when they are visible, by timeline and position.
    pub(super) fn gaps(&self, now: DateTime<Utc>) -> Vec<(Break, DateTime<Utc>)> {
        let starts = self.starts();
        let timelines = self.ancestry.paths().map(|(timeline, _)| timeline);
        timelines
            .flat_map(|timeline| self.gaps_of(timeline, starts.get(&timeline).copied(), now))
            .collect()
    }

    /// The lowest segment of each timeline that a backup needs.
    fn starts(&self) -> BTreeMap<u32, u64> {
        let mut starts: BTreeMap<u32, u64> = BTreeMap::new();
        for wal in self.database.backups.iter().filter_map(|backup| backup.wal) {
            for (timeline, first, _) in self.needed(&wal) {
                let lowest = starts.entry(timeline).or_insert(first);
                *lowest = first.min(*lowest);
            }
        }
        starts
    }

    fn gaps_of(&self, timeline: u32, needed: Option<u64>, now: DateTime<Utc>) -> Vec<(Break, DateTime<Utc>)> {
        let nothing = Runs::default();
        let runs = self
            .database
            .archive
            .timeline(timeline)
            .map_or(&nothing, TimelineSegments::runs);
        let switch = self
            .ancestry
            .successors(timeline)
            .map(|(_, at)| at.0 / self.size.bytes())
            .max();
        let highest = match switch {
            Some(switch) => switch.checked_sub(1),
            None => runs.highest(),
        };
        let lowest = [runs.lowest(), needed, self.begin_if_older_is_left(timeline)];
        let Some((lowest, highest)) = lowest.into_iter().flatten().min().zip(highest) else {
            return Vec::new();
        };
        if lowest > highest {
            return Vec::new();
        }
        let gaps = runs.missing(lowest, highest).map(|gap| {
            let since = gap
                .since
                .unwrap_or_else(|| self.left_since(timeline, gap.first, now));
            let place = Break {
                timeline,
                first: gap.first,
                last: gap.last,
            };
            (place, since)
        });
        gaps.collect()
    }

    /// What is missing below the lowest segment has expired, and is no gap; not so at the beginning of a timeline
    /// while WAL that comes before it is still there.
    fn begin_if_older_is_left(&self, timeline: u32) -> Option<u64> {
        let (own, older) = self.ancestry.path(timeline).split_last()?;
        let left = older.iter().any(|leg| {
            let last = leg.past(self.size).and_then(|past| past.checked_sub(1));
            let segments = self.database.archive.timeline(leg.timeline);
            last.zip(segments)
                .is_some_and(|(last, segments)| segments.runs().any_within(leg.first(self.size), last))
        });
        left.then(|| own.first(self.size))
    }

    /// Above the highest segment of a timeline, what is missing is visible since it is known to have a successor.
    fn left_since(&self, timeline: u32, index: u64, now: DateTime<Utc>) -> DateTime<Utc> {
        let archive = self.database.archive;
        let beyond = self.ancestry.successors(timeline);
        beyond
            .filter(|(_, at)| at.0 / self.size.bytes() > index)
            .flat_map(|(successor, _)| {
                let file = archive.histories().get(&successor).copied();
                file.into_iter()
                    .chain(archive.timeline(successor).map(TimelineSegments::first_seen))
            })
            .min()
            .unwrap_or(now)
    }
}

impl Resolver<'_> {
    /// Gaps with what they cost, each in the list that it belongs to.
    pub(super) fn add_gaps(&mut self, terms: &Terms, recovery: &mut Recovery) {
        for (place, since) in self.view.gaps(terms.now) {
            let archive = self.view.database.archive;
            let first = archive.segment(place.timeline, place.first);
            let Some((first, last)) = first.zip(archive.segment(place.timeline, place.last)) else {
                continue;
            };
            let gap = Gap {
                timeline: place.timeline,
                first,
                last,
                segments: place.last - place.first + 1,
                since,
                cost: self.cost(place),
            };
            if terms.kept_from.is_some_and(|kept| last < kept) {
                recovery.gaps_of_expiry.push(gap);
            } else if terms.now - since < terms.grace {
                recovery.gaps_in_grace.push(gap);
            } else {
                recovery.gaps.push(gap);
            }
        }
    }

    /// Segments that are listed and cannot be used, with what they cost.
    pub(super) fn unusable(&mut self) -> Vec<Unusable> {
        let mut found = Vec::new();
        for (timeline, segments) in self.view.database.archive.timelines() {
            found.extend(
                segments
                    .empty()
                    .iter()
                    .map(|index| (timeline, *index, Defect::Empty)),
            );
            found.extend(
                segments
                    .duplicate()
                    .iter()
                    .map(|index| (timeline, *index, Defect::Duplicate)),
            );
        }
        for (timeline, set) in &self.view.unreadable {
            found.extend(set.iter().map(|index| (*timeline, *index, Defect::Unreadable)));
        }
        found.sort_by_key(|(timeline, index, _)| (*timeline, *index));
        let mut unusable = Vec::new();
        for (timeline, index, defect) in found {
            if let Some(segment) = self.view.database.archive.segment(timeline, index) {
                let place = Break {
                    timeline,
                    first: index,
                    last: index,
                };
                unusable.push(Unusable {
                    segment,
                    defect,
                    cost: self.cost(place),
                });
            }
        }
        unusable
    }
}

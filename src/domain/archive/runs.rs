//! Runs of consecutive segments of one timeline, and since when the gaps between them are visible.
//!
//! Segments are indexes counted from the beginning of the WAL. Runs never touch: two that would are one. A run keeps
//! the time at which the gap before it became visible, so that a gap that is filled in part keeps its age.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Consecutive segments, `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Index of its first segment.
    pub first: u64,
    /// Index of its last segment.
    pub last: u64,
    /// Since when what lies before it is known to be missing; for the lowest run: since when it is the lowest.
    pub since: DateTime<Utc>,
}

/// Consecutive segments that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Index of the first.
    pub first: u64,
    /// Index of the last.
    pub last: u64,
    /// [`Run::since`] of the run above; `None` when there is none.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail {
    last: u64,
    since: DateTime<Utc>,
}

/// The runs of a timeline, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Run>", into = "Vec<Run>")]
pub struct Runs(BTreeMap<u64, Tail>);

impl Runs {
    /// Adds a segment; false when it was there. `now` is the age of a gap that it makes visible.
    pub fn insert(&mut self, index: u64, now: DateTime<Utc>) -> bool {
        // Names come in order nearly always, so this is the path that has to be fast.
        if let Some(mut newest) = self.0.last_entry() {
            if newest.get().last.checked_add(1) == Some(index) {
                newest.get_mut().last = index;
                return true;
            }
            if *newest.key() <= index && index <= newest.get().last {
                return false;
            }
        }
        self.insert_anywhere(index, now)
    }

    fn insert_anywhere(&mut self, index: u64, now: DateTime<Utc>) -> bool {
        let before = self
            .0
            .range(..=index)
            .next_back()
            .map(|(first, tail)| (*first, tail.last));
        if before.is_some_and(|(_, last)| index <= last) {
            return false;
        }
        let after = self.0.range(index..).next().map(|(first, tail)| (*first, *tail));
        let joined = after.filter(|(first, _)| index.checked_add(1) == Some(*first));
        if let Some((first, _)) = joined {
            self.0.remove(&first);
        }
        let last = joined.map_or(index, |(_, tail)| tail.last);
        match before {
            Some((first, end)) if end.checked_add(1) == Some(index) => {
                if let Some(tail) = self.0.get_mut(&first) {
                    tail.last = last;
                }
            }
            // The gap that it falls into, or that it shortens, keeps its age.
            Some(_) => {
                let since = after.map_or(now, |(_, tail)| tail.since);
                self.0.insert(index, Tail { last, since });
            }
            None => {
                let since = joined.map_or(now, |(_, tail)| tail.since);
                self.0.insert(index, Tail { last, since });
                // What lay below the lowest run was taken for expired until now.
                if let (None, Some((first, _))) = (joined, after)
                    && let Entry::Occupied(mut run) = self.0.entry(first)
                {
                    run.get_mut().since = now;
                }
            }
        }
        true
    }

    /// Takes a segment away; false when it was not there. `now` is the age of a gap that this opens.
    pub fn remove(&mut self, index: u64, now: DateTime<Utc>) -> bool {
        let Some((first, tail)) = self.0.range(..=index).next_back() else {
            return false;
        };
        let (first, tail) = (*first, *tail);
        if tail.last < index {
            return false;
        }
        let lowest = self.0.range(..first).next().is_none();
        let shortened = if lowest { now } else { tail.since };
        self.0.remove(&first);
        if first < index {
            self.0.insert(
                first,
                Tail {
                    last: index - 1,
                    ..tail
                },
            );
        }
        if index < tail.last {
            let since = if first < index { now } else { shortened };
            self.0.insert(
                index + 1,
                Tail {
                    last: tail.last,
                    since,
                },
            );
        } else if first == index
            && let Some((_, next)) = self.0.range_mut(index..).next()
        {
            // The gaps on both sides became one, as old as the older of them.
            next.since = if lowest { now } else { next.since.min(tail.since) };
        }
        true
    }

    /// Takes away all below `index`, as expired.
    pub fn remove_below(&mut self, index: u64, now: DateTime<Utc>) {
        let kept = self.0.split_off(&index);
        let cut = self
            .0
            .last_key_value()
            .map(|(_, tail)| tail.last)
            .filter(|last| *last >= index);
        self.0 = kept;
        if let Some(last) = cut {
            self.0.insert(index, Tail { last, since: now });
        }
    }

    /// True when the segment is there.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        self.end_from(index).is_some()
    }

    /// The last segment that follows `index` without a gap; `None` when `index` itself is missing.
    #[must_use]
    pub fn end_from(&self, index: u64) -> Option<u64> {
        let (_, tail) = self.0.range(..=index).next_back()?;
        (index <= tail.last).then_some(tail.last)
    }

    /// The lowest segment.
    #[must_use]
    pub fn lowest(&self) -> Option<u64> {
        self.0.first_key_value().map(|(first, _)| *first)
    }

    /// The highest segment.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.0.last_key_value().map(|(_, tail)| tail.last)
    }

    /// True when any segment from `first` to `last` is there.
    #[must_use]
    pub fn any_within(&self, first: u64, last: u64) -> bool {
        let highest = self.0.range(..=last).next_back();
        first <= last && highest.is_some_and(|(_, tail)| tail.last >= first)
    }

    /// All runs, lowest first.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Run> {
        self.0.iter().map(|(first, tail)| Run {
            first: *first,
            last: tail.last,
            since: tail.since,
        })
    }

    /// How many segments there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.iter().map(|run| run.last - run.first + 1).sum()
    }

    /// What is missing from `first` to `last`, and since when the run above it is there; `None` above the highest.
    pub fn missing(&self, first: u64, last: u64) -> impl Iterator<Item = Missing> + '_ {
        let below = self.0.range(..=first).next_back();
        let mut next = below.map_or(Some(first), |(_, tail)| {
            tail.last.checked_add(1).map(|past| past.max(first))
        });
        let within = (first < last).then(|| self.0.range((Bound::Excluded(first), Bound::Included(last))));
        let above = self.0.range((Bound::Excluded(last), Bound::Unbounded)).next();
        let end = std::iter::once((last, None, above.map(|(_, tail)| tail.since)));
        within
            .into_iter()
            .flatten()
            .map(|(first, tail)| (first - 1, tail.last.checked_add(1), Some(tail.since)))
            .chain(end)
            .filter_map(move |(last, past, since)| {
                let first = std::mem::replace(&mut next, past)?;
                (first <= last).then_some(Missing { first, last, since })
            })
    }

    pub(super) fn set_since(&mut self, first: u64, since: DateTime<Utc>) {
        if let Some(tail) = self.0.get_mut(&first) {
            tail.since = since;
        }
    }
}

impl From<Vec<Run>> for Runs {
    /// Accepts any list: what overlaps or touches is joined, what is upside down is left out.
    fn from(mut list: Vec<Run>) -> Self {
        list.retain(|run| run.first <= run.last);
        list.sort_by_key(|run| run.first);
        let mut runs = Self::default();
        for run in list {
            let tail = Tail {
                last: run.last,
                since: run.since,
            };
            match runs.0.last_entry() {
                Some(mut before) if run.first <= before.get().last.saturating_add(1) => {
                    before.get_mut().last = before.get().last.max(run.last);
                }
                _ => {
                    runs.0.insert(run.first, tail);
                }
            }
        }
        runs
    }
}

impl From<Runs> for Vec<Run> {
    fn from(runs: Runs) -> Self {
        runs.iter().collect()
    }
}

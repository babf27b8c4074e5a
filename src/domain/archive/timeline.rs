//! What is archived of one timeline.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{StoredSegment, runs::Runs};

/// The files of one timeline, folded. Segments are indexes counted from the beginning of the WAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineSegments {
    runs: Runs,
    /// Only their unfinished beginning is there: where this timeline ended and another began.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    partial: BTreeSet<u64>,
    /// Files without content: missing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    empty: BTreeSet<u64>,
    /// Segments with more than one file.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    duplicate: BTreeSet<u64>,
    /// The last name folded: files of one segment stand side by side in a listing.
    newest: Option<StoredSegment>,
    first_seen: DateTime<Utc>,
}

impl TimelineSegments {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            runs: Runs::default(),
            partial: BTreeSet::new(),
            empty: BTreeSet::new(),
            duplicate: BTreeSet::new(),
            newest: None,
            first_seen: now,
        }
    }

    pub(super) fn add(&mut self, index: u64, stored: StoredSegment, bytes: u64, now: DateTime<Utc>) {
        let twin = self
            .newest
            .is_some_and(|newest| newest.segment == stored.segment && newest != stored);
        if twin {
            self.duplicate.insert(index);
        }
        self.newest = Some(stored);
        if bytes > 0 {
            self.runs.insert(index, now);
            self.empty.remove(&index);
        } else if !self.runs.contains(index) {
            self.empty.insert(index);
        }
    }

    pub(super) fn add_partial(&mut self, index: u64) {
        self.partial.insert(index);
    }

    /// One file of a segment is gone. Of two files one remains.
    pub(super) fn remove(&mut self, index: u64, now: DateTime<Utc>) {
        if !self.duplicate.remove(&index) && !self.empty.remove(&index) {
            self.runs.remove(index, now);
        }
    }

    pub(super) fn remove_partial(&mut self, index: u64) {
        self.partial.remove(&index);
    }

    pub(super) fn remove_below(&mut self, index: u64, now: DateTime<Utc>) {
        self.runs.remove_below(index, now);
        for set in [&mut self.partial, &mut self.empty, &mut self.duplicate] {
            *set = set.split_off(&index);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let sets = [&self.partial, &self.empty, &self.duplicate];
        self.runs.lowest().is_none() && sets.iter().all(|set| set.is_empty())
    }

    /// Ages of what is known already are taken over from what was known before a new listing.
    pub(super) fn keep_ages_of(&mut self, known: &Self) {
        self.first_seen = self.first_seen.min(known.first_seen);
        let runs: Vec<_> = self.runs.iter().collect();
        for (place, run) in runs.iter().enumerate() {
            let below = place.checked_sub(1).and_then(|place| runs.get(place));
            let old = match below {
                None => {
                    let lowest = known.runs.iter().next();
                    lowest.filter(|old| old.first >= run.first).map(|old| old.since)
                }
                Some(below) => {
                    let gaps = known.runs.missing(below.last + 1, run.first - 1);
                    // Below the lowest nothing was known to be missing.
                    let known =
                        gaps.filter(|gap| known.runs.lowest().is_some_and(|lowest| gap.last > lowest));
                    known.filter_map(|gap| gap.since).min()
                }
            };
            if let Some(since) = old {
                self.runs.set_since(run.first, since.min(run.since));
            }
        }
    }

    /// First and last missing segment between runs, and since when that is known.
    fn gaps(&self) -> impl Iterator<Item = (u64, u64, DateTime<Utc>)> {
        self.runs
            .iter()
            .zip(self.runs.iter().skip(1))
            .map(|(below, above)| (below.last + 1, above.first - 1, above.since))
    }

    /// The runs of whole segments.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Segments of which only the unfinished beginning is there.
    #[must_use]
    pub fn partial(&self) -> &BTreeSet<u64> {
        &self.partial
    }

    /// Segments whose file has no content; they count as missing.
    #[must_use]
    pub fn empty(&self) -> &BTreeSet<u64> {
        &self.empty
    }

    /// Segments with several files; pgBackRest refuses to choose (error 45), so a restore ends before them.
    #[must_use]
    pub fn duplicate(&self) -> &BTreeSet<u64> {
        &self.duplicate
    }

    /// When a file of this timeline was first seen.
    #[must_use]
    pub fn first_seen(&self) -> DateTime<Utc> {
        self.first_seen
    }

    /// The segment to list from (inclusive), so that all that can still be filled in is seen: the one before the lowest gap that
    /// became visible at `still_open` or later, else the highest.
    #[must_use]
    pub fn list_from(&self, still_open: DateTime<Utc>) -> Option<u64> {
        let mut gaps = self.gaps().filter(|(_, _, since)| *since >= still_open);
        gaps.next()
            .map(|(first, _, _)| first - 1)
            .or_else(|| self.runs.highest())
    }
}

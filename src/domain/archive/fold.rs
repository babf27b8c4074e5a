//! Folding of names into what an archive holds.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ArchiveFile, TimelineSegments};
use crate::domain::wal::{Segment, SegmentSize};

/// The WAL archive of one db-id.
///
/// Names may come in any order, and again. Files of the same segment are told from one another when their names come
/// one after the other, as in any sorted listing. Counters count names folded, so a name listed twice counts twice
/// until the next whole listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    pub(super) segment_size: SegmentSize,
    pub(super) timelines: BTreeMap<u32, TimelineSegments>,
    /// History files, and when each was first seen.
    pub(super) histories: BTreeMap<u32, DateTime<Utc>>,
    not_ours: u64,
    wrong_size: u64,
}

impl Archive {
    /// An archive of which nothing is known yet.
    #[must_use]
    pub fn new(segment_size: SegmentSize) -> Self {
        Self {
            segment_size,
            timelines: BTreeMap::new(),
            histories: BTreeMap::new(),
            not_ours: 0,
            wrong_size: 0,
        }
    }

    /// Adds a file: its path below `archive/<stanza>/<version>-<db-id>/` and its size in bytes. Returns what it is.
    pub fn fold(&mut self, path: &str, bytes: u64, now: DateTime<Utc>) -> Option<ArchiveFile> {
        let file = ArchiveFile::parse(path);
        match file {
            Some(ArchiveFile::Segment(stored)) => {
                if let Some((timeline, index)) = self.place(stored.segment, now) {
                    timeline.add(index, stored, bytes, now);
                }
            }
            Some(ArchiveFile::Partial(stored)) => {
                if let Some((timeline, index)) = self.place(stored.segment, now) {
                    timeline.add_partial(index);
                }
            }
            Some(ArchiveFile::History(timeline)) => {
                self.histories.entry(timeline).or_insert(now);
            }
            Some(ArchiveFile::BackupMark(_)) => {}
            None => self.not_ours += 1,
        }
        file
    }

    fn place(&mut self, segment: Segment, now: DateTime<Utc>) -> Option<(&mut TimelineSegments, u64)> {
        if !segment.fits(self.segment_size) {
            self.wrong_size += 1;
            return None;
        }
        let index = segment.index(self.segment_size);
        let timeline = self.timelines.entry(segment.timeline());
        Some((timeline.or_insert_with(|| TimelineSegments::new(now)), index))
    }

    /// Takes a file away that was folded and is no longer there.
    pub fn forget(&mut self, path: &str, now: DateTime<Utc>) {
        match ArchiveFile::parse(path) {
            Some(ArchiveFile::Segment(stored)) => {
                self.with(stored.segment, |timeline, index| timeline.remove(index, now));
            }
            Some(ArchiveFile::Partial(stored)) => {
                self.with(stored.segment, TimelineSegments::remove_partial);
            }
            Some(ArchiveFile::History(timeline)) => {
                self.histories.remove(&timeline);
            }
            Some(ArchiveFile::BackupMark(_)) | None => {}
        }
    }

    /// Takes away all segments of a timeline below this one: they expired.
    pub fn expire_before(&mut self, segment: Segment, now: DateTime<Utc>) {
        self.with(segment, |timeline, index| timeline.remove_below(index, now));
    }

    fn with(&mut self, segment: Segment, change: impl FnOnce(&mut TimelineSegments, u64)) {
        if !segment.fits(self.segment_size) {
            return;
        }
        let index = segment.index(self.segment_size);
        if let Some(timeline) = self.timelines.get_mut(&segment.timeline()) {
            change(timeline, index);
            if timeline.is_empty() {
                self.timelines.remove(&segment.timeline());
            }
        }
    }

    /// The size of its segments.
    #[must_use]
    pub fn segment_size(&self) -> SegmentSize {
        self.segment_size
    }

    /// What is there of a timeline.
    #[must_use]
    pub fn timeline(&self, timeline: u32) -> Option<&TimelineSegments> {
        self.timelines.get(&timeline)
    }

    /// All timelines that have files, in order.
    pub fn timelines(&self) -> impl Iterator<Item = (u32, &TimelineSegments)> {
        self.timelines.iter().map(|(id, timeline)| (*id, timeline))
    }

    /// Timelines that have a history file, and when it was first seen.
    #[must_use]
    pub fn histories(&self) -> &BTreeMap<u32, DateTime<Utc>> {
        &self.histories
    }

    /// The segment of a timeline with this index.
    #[must_use]
    pub fn segment(&self, timeline: u32, index: u64) -> Option<Segment> {
        Segment::at(timeline, index, self.segment_size)
    }

    /// Names that are not pgBackRest's.
    #[must_use]
    pub fn not_ours(&self) -> u64 {
        self.not_ours
    }

    /// Segments that cannot exist with this segment size, and were left out.
    #[must_use]
    pub fn wrong_size(&self) -> u64 {
        self.wrong_size
    }
}

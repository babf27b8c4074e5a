//! Commit times of the segments that windows ask for.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use crate::{
    domain::{
        archive::Archive,
        wal::Segment,
        windows::{CommitTimes, SegmentCommits},
        xlog,
    },
    pgbackrest::{
        content::ContentError,
        repository::{ArchiveInfo, Repository, RepositoryError, SegmentObject},
    },
    storage::ObjectInfo,
};

/// Segments that are read at once.
const AT_ONCE: usize = 4;
/// Where segment after segment holds no commit, so many are read before they are asked for.
const MOST_AHEAD: u64 = 32;

/// Reads segments of one archive.
pub(super) struct CommitReader<'a> {
    pub(super) repository: &'a Repository,
    pub(super) info: &'a ArchiveInfo,
    /// The directory of the archive, `18-1`.
    pub(super) directory: &'a str,
    /// Names that are known already.
    pub(super) recent: &'a [ObjectInfo],
}

/// What reading one segment gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Its commits.
    Commits(SegmentCommits),
    /// There is no such file any more.
    Gone,
}

/// Some segments with what was read of them, and how many objects were listed or read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Readings {
    pub(super) found: BTreeMap<Segment, Reading>,
    pub(super) listings: u64,
    pub(super) segments: u64,
}

impl CommitReader<'_> {
    /// Reads all of them. Fails where the store does not answer; what is wrong with a segment itself is a result.
    pub(super) async fn read(
        &self,
        wanted: &BTreeSet<Segment>,
        archive: &Archive,
    ) -> Result<Readings, RepositoryError> {
        let mut results = stream::iter(wanted.iter().copied())
            .map(|segment| async move { (segment, self.read_one(segment, archive).await) })
            .buffer_unordered(AT_ONCE);
        let mut readings = Readings::default();
        while let Some((segment, result)) = results.next().await {
            let (reading, listings, segments) = result?;
            readings.found.insert(segment, reading);
            readings.listings += listings;
            readings.segments += segments;
        }
        Ok(readings)
    }

    async fn read_one(
        &self,
        segment: Segment,
        archive: &Archive,
    ) -> Result<(Reading, u64, u64), RepositoryError> {
        let (object, mut listings) = self.find(segment).await?;
        let Some(object) = object else {
            return Ok((Reading::Gone, listings, 0));
        };
        let alone = match self.content(&[], &object).await? {
            Ok(commits) => commits,
            Err(reading) => return Ok((reading, listings, 1)),
        };
        if !alone.last_needs_previous() {
            return Ok((Reading::Commits(times(&alone)), listings, 1));
        }
        // It begins with the rest of a record, which may be its only commit.
        let mut whole = alone;
        let mut segments = 1;
        if let Some(previous) = previous(segment, archive) {
            let (before, more) = self.find(previous).await?;
            listings += more;
            if let Some(before) = before {
                segments += 2;
                if let Ok(commits) = self.content(&[before], &object).await? {
                    whole = commits;
                }
            }
        }
        Ok((Reading::Commits(times(&whole)), listings, segments))
    }

    /// The beginning of a segment's own timeline, if that is in it.
    pub(super) async fn timeline_start(
        &self,
        segment: Segment,
    ) -> Result<Option<xlog::TimelineStart>, RepositoryError> {
        let (Some(object), _) = self.find(segment).await? else {
            return Ok(None);
        };
        let commits = self.content(&[], &object).await?;
        Ok(commits.ok().and_then(|commits| commits.timeline_start))
    }

    /// The one file of a segment.
    async fn find(&self, segment: Segment) -> Result<(Option<SegmentObject>, u64), RepositoryError> {
        let beginning = format!(
            "{}{}/{}/{segment}-",
            self.repository.archive_root(),
            self.directory,
            segment.directory()
        );
        let mut known = self
            .recent
            .iter()
            .filter(|object| object.name.starts_with(&beginning));
        if let Some(object) = known.find_map(SegmentObject::of) {
            return Ok((Some(object), 0));
        }
        let objects = self.repository.segment_objects(self.directory, segment).await?;
        Ok((objects.into_iter().find(|object| !object.partial), 1))
    }

    /// The inner result is an error where the segment itself is at fault.
    async fn content(
        &self,
        before: &[SegmentObject],
        object: &SegmentObject,
    ) -> Result<Result<xlog::SegmentCommits, Reading>, RepositoryError> {
        let read = self.repository.read_segment_after(self.info, before, object);
        match read.await {
            Ok(reading) => Ok(Ok(reading.commits)),
            Err(ContentError::Unreadable(error)) => Err(RepositoryError::Storage(error)),
            Err(ContentError::Missing) => Ok(Err(Reading::Gone)),
            Err(_) => Ok(Err(Reading::Commits(SegmentCommits::Unreadable))),
        }
    }
}

/// The neighbour below: of the same timeline, or of the one that was left for it.
fn previous(segment: Segment, archive: &Archive) -> Option<Segment> {
    let index = segment.index(archive.segment_size()).checked_sub(1)?;
    let mut timelines = archive.timelines().collect::<Vec<_>>().into_iter().rev();
    let (timeline, _) = timelines
        .find(|(timeline, segments)| *timeline <= segment.timeline() && segments.runs().contains(index))?;
    archive.segment(timeline, index)
}

fn times(found: &xlog::SegmentCommits) -> SegmentCommits {
    match found.first.zip(found.last) {
        Some((first, last)) => SegmentCommits::Some(CommitTimes {
            first: first.time,
            last: last.time,
            last_lsn: last.lsn,
        }),
        None => SegmentCommits::None,
    }
}

/// What is asked for, and more that will be asked for next if it holds no commit: the more, the longer it goes on.
pub(super) fn ahead(
    needs: &BTreeSet<Segment>,
    known: &BTreeMap<Segment, SegmentCommits>,
    archive: &Archive,
    round: u32,
) -> BTreeSet<Segment> {
    let size = archive.segment_size();
    let more = 2_u64.saturating_pow(round).min(MOST_AHEAD) - 1;
    let mut wanted = needs.clone();
    for need in needs {
        let index = need.index(size);
        let above = archive.segment(need.timeline(), index + 1);
        let goes_on = above.is_some_and(|above| known.get(&above) == Some(&SegmentCommits::None));
        let Some(segments) = archive.timeline(need.timeline()).filter(|_| goes_on) else {
            continue;
        };
        let below = (index.saturating_sub(more)..index).rev();
        let there = below
            .take_while(|index| segments.runs().contains(*index) && !segments.duplicate().contains(index));
        wanted.extend(
            there
                .filter_map(|index| archive.segment(need.timeline(), index))
                .filter(|segment| !known.contains_key(segment)),
        );
    }
    wanted
}

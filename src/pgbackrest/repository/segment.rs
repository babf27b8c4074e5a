//! WAL segments as objects: finding them, and reading the commits in them.

use chrono::{DateTime, Utc};

use super::{ArchiveInfo, Repository, RepositoryError};
use crate::{
    domain::{
        archive::{ArchiveFile, StoredSegment},
        wal::Segment,
        xlog::{Carry, Scan, SegmentCommits, XlogError},
    },
    pgbackrest::content::{self, Checked, Coding, ContentError, Piece, Take},
    storage::{ObjectInfo, list_all},
};

/// A segment as an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentObject {
    /// Which one, its checksum and its compression.
    pub stored: StoredSegment,
    /// The unfinished last one of a timeline. A restore does not read it.
    pub partial: bool,
    /// The full name.
    pub name: String,
    /// As stored, in bytes.
    pub size: u64,
    /// When the store wrote it, where the store tells.
    pub modified: Option<DateTime<Utc>>,
}

impl SegmentObject {
    /// From a listing. `None`: it is no segment.
    #[must_use]
    pub fn of(object: &ObjectInfo) -> Option<Self> {
        // The last two parts: the directory repeats the beginning of the name.
        let directory = object.name.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
        let (stored, partial) = match ArchiveFile::parse(object.name.get(directory..)?)? {
            ArchiveFile::Segment(stored) => (stored, false),
            ArchiveFile::Partial(stored) => (stored, true),
            _ => return None,
        };
        Some(Self {
            stored,
            partial,
            name: object.name.clone(),
            size: object.size,
            modified: object.modified,
        })
    }
}

/// What was read of a segment, and what the next one needs of it.
#[derive(Clone)]
pub struct SegmentReading {
    /// The commits and where the records end.
    pub commits: SegmentCommits,
    /// For the segment that follows; see [`crate::domain::xlog`].
    pub carry: Option<Carry>,
}

/// Content on its way through the scanner; what is wrong is told at the end.
struct Scanning {
    scan: Scan,
    wrong: Option<XlogError>,
}

impl Take for Scanning {
    fn take(&mut self, bytes: &[u8]) {
        if self.wrong.is_none() {
            self.wrong = self.scan.feed(bytes).err();
        }
    }
}

impl Repository {
    /// The objects of one segment in the archive of `archive_id` (`18-1`). More than one: it was archived again with
    /// another content. `.partial` ones are among them.
    pub async fn segment_objects(
        &self,
        archive_id: &str,
        segment: Segment,
    ) -> Result<Vec<SegmentObject>, RepositoryError> {
        let prefix = format!(
            "{}{archive_id}/{}/{segment}",
            self.archive_root(),
            segment.directory()
        );
        let objects = list_all(self.store.as_ref(), &prefix).await?;
        Ok(objects.iter().filter_map(SegmentObject::of).collect())
    }

    /// Reads a segment, compares its SHA-1 with its name, and finds its commits. `carry` is what the segment before
    /// left over, if that was read.
    pub async fn read_segment(
        &self,
        archive: &ArchiveInfo,
        object: &SegmentObject,
        carry: Option<Carry>,
    ) -> Result<SegmentReading, ContentError> {
        let scan = match carry {
            Some(carry) => Scan::after(object.stored.segment, carry),
            None => Scan::new(object.stored.segment),
        };
        let taker = Checked::new(Scanning { scan, wrong: None });
        let (piece, coding) = wal_piece(archive, object);
        let taker = content::read(&self.store, &piece, &coding, taker).await?;
        let scanning = taker.expect(None, &object.stored.checksum)?;
        if let Some(wrong) = scanning.wrong {
            return Err(ContentError::NoWal(wrong));
        }
        let (commits, carry) = scanning.scan.finish().map_err(ContentError::NoWal)?;
        Ok(SegmentReading { commits, carry })
    }

    /// Reads the last of some neighbours, given in their order, with those before it read first: for a segment that
    /// alone [needs the one before](SegmentCommits::first_needs_previous).
    pub async fn read_segment_after(
        &self,
        archive: &ArchiveInfo,
        before: &[SegmentObject],
        object: &SegmentObject,
    ) -> Result<SegmentReading, ContentError> {
        let mut carry = None;
        for earlier in before {
            carry = self.read_segment(archive, earlier, carry).await?.carry;
        }
        self.read_segment(archive, object, carry).await
    }
}

/// Where and how a segment is stored.
pub(super) fn wal_piece(archive: &ArchiveInfo, object: &SegmentObject) -> (Piece, Coding) {
    let piece = Piece {
        name: object.name.clone(),
        offset: 0,
        length: object.size,
    };
    let coding = Coding {
        cipher: archive.cipher.clone(),
        compression: object.stored.compression,
        raw: false,
    };
    (piece, coding)
}

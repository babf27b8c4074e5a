//! Feeding a segment, in parts of any size.

use super::{
    found::{Begin, End, SegmentCommits, XlogError},
    page::{LONG_HEADER, LongHeader, PageHeader, major_version},
    pages::{Counted, Expect, Pages},
    unfinished::Unfinished,
};
use crate::domain::wal::{Lsn, Segment};

/// What the next segment needs of this one.
#[derive(Clone)]
pub struct Carry {
    next: Lsn,
    timeline: u32,
    last_record: Option<Lsn>,
    unfinished: Option<Box<Unfinished>>,
}

/// What the first page says of the segment.
struct Frame {
    version: u8,
    system_id: u64,
    begin: Begin,
    start: Lsn,
    /// In bytes.
    size: u64,
    page_size: usize,
    pages: Pages,
}

/// A segment that is being read. Memory is bounded by a page.
pub struct Scan {
    segment: Segment,
    carry: Option<Carry>,
    frame: Option<Frame>,
    /// Bytes of a page that is not whole yet.
    buffer: Vec<u8>,
    fed: u64,
}

/// Reads a whole segment, with nothing known of the one before.
pub fn scan(segment: Segment, content: &[u8]) -> Result<SegmentCommits, XlogError> {
    let mut scan = Scan::new(segment);
    scan.feed(content)?;
    Ok(scan.finish()?.0)
}

impl Scan {
    /// Begins with nothing known of the segment before.
    #[must_use]
    pub fn new(segment: Segment) -> Self {
        Self {
            segment,
            carry: None,
            frame: None,
            buffer: Vec::new(),
            fed: 0,
        }
    }

    /// Begins with what the segment before left over. One that is not the neighbour is of no use and is ignored.
    #[must_use]
    pub fn after(segment: Segment, carry: Carry) -> Self {
        Self {
            carry: Some(carry),
            ..Self::new(segment)
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), XlogError> {
        self.fed += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let frame = if let Some(frame) = &mut self.frame {
            frame
        } else {
            bytes = fill(&mut self.buffer, bytes, LONG_HEADER);
            if self.buffer.len() < LONG_HEADER {
                return Ok(());
            }
            let frame = Frame::open(self.segment, &self.buffer, self.carry.take())?;
            self.frame.insert(frame)
        };
        if self.fed > frame.size {
            return Err(XlogError::TooLong(frame.size));
        }
        if !self.buffer.is_empty() {
            bytes = fill(&mut self.buffer, bytes, frame.page_size);
            if self.buffer.len() < frame.page_size {
                return Ok(());
            }
            frame.pages.read(&self.buffer);
            self.buffer.clear();
        }
        let mut pages = bytes.chunks_exact(frame.page_size);
        for page in &mut pages {
            frame.pages.read(page);
        }
        self.buffer.extend_from_slice(pages.remainder());
        Ok(())
    }

    /// Says what was found, and what the next segment needs of this one, if this one is whole.
    pub fn finish(self) -> Result<(SegmentCommits, Option<Carry>), XlogError> {
        let frame = self.frame.ok_or(XlogError::NoWal)?;
        let pages = frame.pages;
        let end = match pages.end {
            Some(end) => end,
            None if self.fed < frame.size => End::CutOff(pages.valid_until(pages.next)),
            None => End::Full,
        };
        let Counted {
            first,
            last,
            last_end,
            commits,
            records,
            timeline_start,
        } = pages.counted;
        let found = SegmentCommits {
            first,
            last,
            last_end,
            commits,
            records,
            timeline_start,
            begin: frame.begin,
            end,
            version: frame.version,
            system_id: frame.system_id,
        };
        let unfinished = match (end, pages.expect) {
            (End::Switch(_), _) | (End::Full, Expect::Record) => None,
            (End::Full, Expect::Rest(unfinished)) => Some(unfinished),
            // What was skipped here is as unknown to the next segment, and behind another end nothing follows.
            _ => return Ok((found, None)),
        };
        let carry = Carry {
            next: Lsn(frame.start.0 + frame.size),
            timeline: pages.timeline,
            last_record: pages.last_record,
            unfinished,
        };
        Ok((found, Some(carry)))
    }
}

/// Moves bytes into the buffer until it has `length`, and gives back the rest.
fn fill<'a>(buffer: &mut Vec<u8>, bytes: &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(bytes.len().min(length.saturating_sub(buffer.len())));
    buffer.extend_from_slice(taken);
    rest
}

impl Frame {
    /// Reads the header of the first page.
    fn open(segment: Segment, first: &[u8], carry: Option<Carry>) -> Result<Self, XlogError> {
        let header = PageHeader::parse(first).ok_or(XlogError::NoWal)?;
        let version = match major_version(header.magic) {
            Some(version) => version,
            None if header.magic == 0 => return Err(XlogError::NoWal),
            None => return Err(XlogError::UnknownVersion(header.magic)),
        };
        let long = LongHeader::parse(first)
            .filter(|_| header.is_long())
            .ok_or(XlogError::NoWal)?;
        let (size, page_size) = long.sizes().ok_or(XlogError::Sizes {
            segment: long.segment_size,
            page: long.page_size,
        })?;
        let start = segment.start(size);
        if header.address != start {
            return Err(XlogError::AnotherSegment {
                found: header.address,
            });
        }
        let mut pages = Pages {
            magic: header.magic,
            newest_timeline: segment.timeline(),
            timeline: 0,
            next: start,
            expect: Expect::Record,
            last_record: None,
            counted: Counted::default(),
            end: None,
        };
        let mut begin = Begin::Known;
        if let Some(carry) = carry.filter(|carry| carry.next == start) {
            pages.timeline = carry.timeline;
            pages.last_record = carry.last_record;
            pages.expect = carry.unfinished.map_or(Expect::Record, Expect::Rest);
        } else if header.continues() {
            begin = Begin::Unread;
            pages.expect = Expect::Skip(header.remaining);
        }
        Ok(Self {
            version,
            system_id: long.system_id,
            begin,
            start,
            size: size.bytes(),
            page_size,
            pages,
        })
    }
}

//! Headers of WAL pages (`XLogPageHeaderData`, `XLogLongPageHeaderData`).

use crate::domain::wal::{Lsn, SegmentSize};

/// `SizeOfXLogShortPHD`, with the padding to 8 bytes.
pub(super) const SHORT_HEADER: usize = 24;
/// `SizeOfXLogLongPHD`: the first page of each segment.
pub(super) const LONG_HEADER: usize = 40;

const FIRST_IS_CONTINUATION: u16 = 0x0001;
const IS_LONG: u16 = 0x0002;
/// Up to 18; `XLP_BKP_REMOVABLE` (4) is the other bit that may be set.
const FIRST_IS_OVERWRITE: u16 = 0x0008;
const ALL_FLAGS: u16 = 0x000F;

/// `XLOG_PAGE_MAGIC` of each major version.
pub(super) fn major_version(magic: u16) -> Option<u8> {
    match magic {
        0xD106 => Some(13),
        0xD10D => Some(14),
        0xD110 => Some(15),
        0xD113 => Some(16),
        0xD116 => Some(17),
        0xD118 => Some(18),
        _ => None,
    }
}

/// What every page begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageHeader {
    pub(super) magic: u16,
    flags: u16,
    pub(super) timeline: u32,
    pub(super) address: Lsn,
    /// Bytes that a record from before still has, on this page and on those that follow.
    pub(super) remaining: u32,
}

impl PageHeader {
    /// `None` where the page is shorter than a header.
    pub(super) fn parse(page: &[u8]) -> Option<Self> {
        let &[
            m0,
            m1,
            f0,
            f1,
            t0,
            t1,
            t2,
            t3, //
            a0,
            a1,
            a2,
            a3,
            a4,
            a5,
            a6,
            a7, //
            r0,
            r1,
            r2,
            r3,
            _,
            _,
            _,
            _,
        ] = page.first_chunk::<SHORT_HEADER>()?;
        Some(Self {
            magic: u16::from_le_bytes([m0, m1]),
            flags: u16::from_le_bytes([f0, f1]),
            timeline: u32::from_le_bytes([t0, t1, t2, t3]),
            address: Lsn(u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7])),
            remaining: u32::from_le_bytes([r0, r1, r2, r3]),
        })
    }

    /// Where the records begin.
    pub(super) fn length(self) -> usize {
        if self.is_long() { LONG_HEADER } else { SHORT_HEADER }
    }

    pub(super) fn is_long(self) -> bool {
        self.flags & IS_LONG != 0
    }

    /// The page begins with the rest of a record.
    pub(super) fn continues(self) -> bool {
        self.flags & FIRST_IS_CONTINUATION != 0
    }

    /// The record from before was never finished, and another takes its place.
    pub(super) fn overwrites(self) -> bool {
        self.flags & FIRST_IS_OVERWRITE != 0
    }

    pub(super) fn flags_are_known(self) -> bool {
        self.flags & !ALL_FLAGS == 0
    }
}

/// What the first page of a segment says besides.
#[derive(Debug, Clone, Copy)]
pub(super) struct LongHeader {
    pub(super) system_id: u64,
    pub(super) segment_size: u32,
    pub(super) page_size: u32,
}

impl LongHeader {
    pub(super) fn parse(page: &[u8]) -> Option<Self> {
        let &[
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            s6,
            s7, //
            z0,
            z1,
            z2,
            z3,
            p0,
            p1,
            p2,
            p3,
        ] = page.get(SHORT_HEADER..)?.first_chunk::<16>()?;
        Some(Self {
            system_id: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            segment_size: u32::from_le_bytes([z0, z1, z2, z3]),
            page_size: u32::from_le_bytes([p0, p1, p2, p3]),
        })
    }

    /// Sizes that PostgreSQL can be built with: pages of 1 to 64 KiB.
    pub(super) fn sizes(self) -> Option<(SegmentSize, usize)> {
        let segment = SegmentSize::new(u64::from(self.segment_size)).ok()?;
        let page = usize::try_from(self.page_size).ok()?;
        ((1 << 10..=1 << 16).contains(&page) && page.is_power_of_two()).then_some((segment, page))
    }
}

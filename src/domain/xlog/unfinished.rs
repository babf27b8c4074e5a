//! A record that goes on on the next page, or in the next segment.

use super::record::{Checksum, HEADER, PREFIX, RecordHeader};
use crate::domain::wal::Lsn;

/// The record as far as it was read. Memory is bounded: only what is looked at is kept.
#[derive(Clone)]
pub(super) struct Unfinished {
    pub(super) start: Lsn,
    /// Bytes that are to come.
    pub(super) remaining: u32,
    total: u32,
    /// The header and the beginning of the body.
    head: Vec<u8>,
    checksum: Checksum,
}

impl Unfinished {
    pub(super) fn begin(start: Lsn, total: u32) -> Self {
        Self {
            start,
            remaining: total,
            total,
            head: Vec::with_capacity(HEADER + PREFIX),
            checksum: Checksum::new(),
        }
    }

    /// Takes as much of `bytes` as belongs to the record, and says how much that is.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let bytes = bytes.get(..wanted).unwrap_or(bytes);
        let (header, body) = bytes.split_at(bytes.len().min(HEADER.saturating_sub(self.head.len())));
        self.head.extend_from_slice(header);
        let room = (HEADER + PREFIX).saturating_sub(self.head.len());
        self.head.extend_from_slice(body.get(..room).unwrap_or(body));
        self.checksum.update(body);
        // Not more than `remaining`, which is an u32.
        self.remaining -= u32::try_from(bytes.len()).unwrap_or(self.remaining);
        bytes.len()
    }

    /// The record, once nothing remains.
    pub(super) fn complete(&self) -> Option<Record<'_>> {
        let (header, prefix) = self.head.split_first_chunk::<HEADER>()?;
        Some(Record {
            start: self.start,
            header: RecordHeader::parse(header),
            is_right: self.checksum.clone().fits(header),
            prefix,
            body: usize::try_from(self.total).ok()?.checked_sub(HEADER)?,
        })
    }
}

/// A whole record.
pub(super) struct Record<'a> {
    pub(super) start: Lsn,
    pub(super) header: RecordHeader,
    /// The checksum fits.
    pub(super) is_right: bool,
    /// The beginning of the body.
    pub(super) prefix: &'a [u8],
    /// Length of the body.
    pub(super) body: usize,
}

impl<'a> Record<'a> {
    /// A record that lies on one page.
    pub(super) fn on_one_page(start: Lsn, bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_first_chunk::<HEADER>()?;
        let mut checksum = Checksum::new();
        checksum.update(body);
        Some(Self {
            start,
            header: RecordHeader::parse(header),
            is_right: checksum.fits(header),
            prefix: body,
            body: body.len(),
        })
    }
}

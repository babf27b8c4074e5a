//! Writes WAL by the rules of `xloginsert.c` and `xlog.c`, for tests: what the reader must find is known beforehand.

use chrono::DateTime;
use crc_fast::{CrcAlgorithm, Digest};

use super::{Outcome, TransactionEnd};
use crate::domain::wal::{Lsn, Segment, SegmentSize};

pub(crate) const PAGE: usize = 8192;
pub(crate) const SYSTEM_ID: u64 = 7_710_444_307_258_826_731;

/// A record's kind and content.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// With a time, and so many bytes of invalidation messages and subtransactions.
    Commit {
        micros: i64,
        more: usize,
    },
    /// The same for a prepared transaction, replicated from elsewhere: both optional headers are there.
    CommitPrepared {
        micros: i64,
        more: usize,
    },
    Abort {
        micros: i64,
    },
    /// A record of a table, of that length.
    Other(usize),
    Switch,
    /// A recovery ended: this timeline goes on from that one.
    EndOfRecovery {
        micros: i64,
        timelines: (u32, u32),
    },
    /// A shutdown checkpoint.
    Checkpoint {
        seconds: i64,
        timelines: (u32, u32),
    },
}

pub(crate) struct Writer {
    pub(crate) timeline: u32,
    pub(crate) magic: u16,
    size: SegmentSize,
    start: u64,
    last: u64,
    pub(crate) bytes: Vec<u8>,
    /// What was written, in order.
    pub(crate) ends: Vec<TransactionEnd>,
}

impl Writer {
    pub(crate) fn new(start: Segment, size: SegmentSize) -> Self {
        Self {
            timeline: start.timeline(),
            magic: 0xD118,
            size,
            start: start.start(size).0,
            last: start.start(size).0.saturating_sub(64),
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    pub(crate) fn at(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn segment_bytes(&self) -> usize {
        usize::try_from(self.size.bytes()).unwrap()
    }

    /// Writes the header, where a page begins.
    fn page_header(&mut self, flags: u16, remaining: u32) {
        if !self.bytes.len().is_multiple_of(PAGE) {
            return;
        }
        let long = self.bytes.len().is_multiple_of(self.segment_bytes());
        let flags = flags | u16::from(remaining > 0) | if long { 2 } else { 0 };
        let address = self.at();
        self.bytes.extend(self.magic.to_le_bytes());
        self.bytes.extend(flags.to_le_bytes());
        self.bytes.extend(self.timeline.to_le_bytes());
        self.bytes.extend(address.to_le_bytes());
        self.bytes.extend(remaining.to_le_bytes());
        self.bytes.extend([0; 4]);
        if long {
            self.bytes.extend(SYSTEM_ID.to_le_bytes());
            self.bytes
                .extend(u32::try_from(self.size.bytes()).unwrap().to_le_bytes());
            self.bytes.extend(u32::try_from(PAGE).unwrap().to_le_bytes());
        }
    }

    /// Writes a record and gives its position.
    fn record(&mut self, manager: u8, info: u8, body: &[u8]) -> Lsn {
        self.page_header(0, 0);
        let start = self.at();
        let mut header = Vec::new();
        header.extend(u32::try_from(24 + body.len()).unwrap().to_le_bytes());
        header.extend(77_u32.to_le_bytes());
        header.extend(self.last.to_le_bytes());
        header.extend([info, manager, 0, 0]);
        let mut checksum = Digest::new(CrcAlgorithm::Crc32Iscsi);
        checksum.update(body);
        checksum.update(&header);
        header.extend(u32::try_from(checksum.finalize()).unwrap().to_le_bytes());
        let record = [&header, body].concat();
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            self.page_header(0, u32::try_from(rest.len()).unwrap());
            let room = PAGE - self.bytes.len() % PAGE;
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.bytes.extend(now);
            rest = later;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.last = start;
        Lsn(start)
    }

    fn transaction(&mut self, outcome: Outcome, info: u8, headers: &[u8], micros: i64, more: usize) {
        let mut data = micros.to_le_bytes().to_vec();
        data.extend(1_u32.to_le_bytes());
        data.resize(data.len() + more, 0xAB);
        let mut body = headers.to_vec();
        if let Ok(short) = u8::try_from(data.len()) {
            body.extend([255, short]);
        } else {
            body.push(254);
            body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        }
        body.extend(data);
        let lsn = self.record(1, info, &body);
        self.ends.push(TransactionEnd {
            outcome,
            lsn,
            end: Lsn(self.at()),
            time: DateTime::from_timestamp_micros(micros + 946_684_800_000_000).unwrap(),
        });
    }

    /// A record of PostgreSQL's own that has data only.
    fn of_data(&mut self, info: u8, data: &[u8]) {
        let header = [255, u8::try_from(data.len()).unwrap()];
        self.record(0, info, &[&header, data].concat());
    }

    pub(crate) fn write(&mut self, entry: &Entry) {
        match *entry {
            Entry::Commit { micros, more } => self.transaction(Outcome::Committed, 0x80, &[], micros, more),
            Entry::CommitPrepared { micros, more } => {
                let headers = [253, 1, 0, 252, 9, 0, 0, 0];
                self.transaction(Outcome::Committed, 0x80 | 0x30, &headers, micros, more);
            }
            Entry::Abort { micros } => self.transaction(Outcome::Aborted, 0x20, &[], micros, 0),
            Entry::Other(length) => {
                self.record(10, 0, &vec![0x55; length]);
            }
            Entry::EndOfRecovery {
                micros,
                timelines: (timeline, left),
            } => {
                let time = micros.to_le_bytes();
                let data = [&time[..], &timeline.to_le_bytes(), &left.to_le_bytes(), &[0; 4]].concat();
                self.of_data(0x90, &data);
            }
            Entry::Checkpoint {
                seconds,
                timelines: (timeline, left),
            } => {
                let mut data = [&[0; 8][..], &timeline.to_le_bytes(), &left.to_le_bytes()].concat();
                data.resize(64, 0);
                data.extend(seconds.to_le_bytes());
                data.resize(88, 0);
                self.of_data(0x00, &data);
            }
            Entry::Switch => {
                self.record(0, 0x40, &[]);
                self.fill();
            }
        }
    }

    /// Gives up a record of that length in the middle, as after a crash: the next page begins with another record.
    pub(crate) fn abandon(&mut self, length: usize) {
        let (last, before) = (self.last, self.bytes.len());
        self.record(10, 0, &vec![0x55; length]);
        let next_page = (before / PAGE + 1) * PAGE;
        assert!(
            self.bytes.len() > next_page,
            "the record must reach the next page"
        );
        self.bytes.truncate(next_page);
        self.last = last;
        self.page_header(8, 0);
    }

    /// Fills the segment with zeros.
    pub(crate) fn fill(&mut self) {
        let whole = self.bytes.len().next_multiple_of(self.segment_bytes());
        self.bytes.resize(whole, 0);
    }

    /// The segments, the last one filled with zeros.
    pub(crate) fn segments(mut self) -> Vec<(Segment, Vec<u8>)> {
        self.fill();
        let first = self.start / self.size.bytes();
        let contents = self.bytes.chunks(self.segment_bytes());
        (first..)
            .zip(contents)
            .map(|(index, content)| {
                let segment = Segment::at(self.timeline, index, self.size).unwrap();
                (segment, content.to_vec())
            })
            .collect()
    }
}

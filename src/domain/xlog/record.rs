//! WAL records (`XLogRecord`) and the ends of transactions among them.

use chrono::{DateTime, Utc};
use crc_fast::{CrcAlgorithm, Digest};

use crate::domain::wal::Lsn;

/// `SizeOfXLogRecord`.
pub(super) const HEADER: usize = 24;
/// The header without its last field, which is the checksum of all the rest.
const CHECKED_HEADER: usize = 20;
/// `XLogRecordMaxSize` (1020 MiB, from 16 on) is below it, and so is what older versions can allocate.
pub(super) const LARGEST: u32 = 1 << 30;
/// All that the end of a transaction is read from: two optional headers, the header of the data, and the time.
pub(super) const PREFIX: usize = 3 + 5 + 5 + 8;

const RM_XLOG: u8 = 0;
const RM_XACT: u8 = 1;
const XLOG_SWITCH: u8 = 0x40;
/// The bits of `xl_info` that belong to the resource manager.
const MANAGER_INFO: u8 = 0xF0;
const XACT_OPERATION: u8 = 0x70;
const XACT_COMMIT: u8 = 0x00;
const XACT_ABORT: u8 = 0x20;
const XACT_COMMIT_PREPARED: u8 = 0x30;
const XACT_ABORT_PREPARED: u8 = 0x40;

const DATA_SHORT: u8 = 255;
const DATA_LONG: u8 = 254;
const ORIGIN: u8 = 253;
const TOP_LEVEL_XID: u8 = 252;

/// PostgreSQL counts microseconds from 2000-01-01; this is that day since 1970-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// COMMIT or COMMIT PREPARED.
    Committed,
    /// ABORT or ABORT PREPARED.
    Aborted,
}

/// The record with which a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEnd {
    /// How.
    pub outcome: Outcome,
    /// Where the record begins, as `pg_waldump` and `recovery_target_lsn` name it.
    pub lsn: Lsn,
    /// Where it ends, which is the least that recovery must have.
    pub end: Lsn,
    /// When, to the microsecond.
    pub time: DateTime<Utc>,
}

/// What every record begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeader {
    pub(super) previous: Lsn,
    info: u8,
    manager: u8,
    checksum: u32,
}

impl RecordHeader {
    pub(super) fn parse(bytes: &[u8; HEADER]) -> Self {
        let &[
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _, //
            p0,
            p1,
            p2,
            p3,
            p4,
            p5,
            p6,
            p7, //
            info,
            manager,
            _,
            _,
            c0,
            c1,
            c2,
            c3,
        ] = bytes;
        Self {
            previous: Lsn(u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7])),
            info,
            manager,
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        }
    }

    /// Everything behind it in the segment is unused.
    pub(super) fn is_switch(self) -> bool {
        self.manager == RM_XLOG && self.info & MANAGER_INFO == XLOG_SWITCH
    }

    /// How a transaction ended, if this is the record of that.
    pub(super) fn outcome(self) -> Option<Outcome> {
        match (self.manager, self.info & XACT_OPERATION) {
            (RM_XACT, XACT_COMMIT | XACT_COMMIT_PREPARED) => Some(Outcome::Committed),
            (RM_XACT, XACT_ABORT | XACT_ABORT_PREPARED) => Some(Outcome::Aborted),
            _ => None,
        }
    }
}

/// CRC-32C over what follows the header, then the header; the record's body comes in parts.
#[derive(Clone)]
pub(super) struct Checksum(Digest);

impl Checksum {
    pub(super) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub(super) fn update(&mut self, body: &[u8]) {
        if !body.is_empty() {
            self.0.update(body);
        }
    }

    pub(super) fn fits(mut self, header: &[u8; HEADER]) -> bool {
        if let Some(checked) = header.first_chunk::<CHECKED_HEADER>() {
            self.0.update(checked);
        }
        self.0.finalize() == u64::from(RecordHeader::parse(header).checksum)
    }
}

/// The time at the beginning of the data of `xl_xact_commit` and `xl_xact_abort`. `prefix` is at least [`PREFIX`]
/// bytes of the body, or all of it; `length` is that of the whole body. `None`: the record is not built like that.
pub(super) fn transaction_time(prefix: &[u8], length: usize) -> Option<DateTime<Utc>> {
    let mut rest = prefix;
    // Such a record refers to no block, so the header of its data comes first, but for these two.
    let (data, data_length) = loop {
        let (id, behind) = rest.split_first()?;
        match *id {
            ORIGIN => rest = behind.get(2..)?,
            TOP_LEVEL_XID => rest = behind.get(4..)?,
            DATA_SHORT => {
                let (length, data) = behind.split_first()?;
                break (data, usize::from(*length));
            }
            DATA_LONG => {
                let (length, data) = behind.split_first_chunk::<4>()?;
                break (data, usize::try_from(u32::from_le_bytes(*length)).ok()?);
            }
            _ => return None,
        }
    };
    let headers = prefix.len() - data.len();
    if headers + data_length != length {
        return None;
    }
    let micros = i64::from_le_bytes(*data.first_chunk::<8>()?);
    DateTime::from_timestamp_micros(micros.checked_add(EPOCH_MICROS)?)
}

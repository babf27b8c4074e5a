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
/// All that is read of a body: two optional headers, the header of the data, and a checkpoint up to its time.
pub(super) const PREFIX: usize = 3 + 5 + 5 + CHECKPOINT_TIME + 8;

const RM_XLOG: u8 = 0;
const RM_XACT: u8 = 1;
const XLOG_CHECKPOINT_SHUTDOWN: u8 = 0x00;
const XLOG_SWITCH: u8 = 0x40;
const XLOG_END_OF_RECOVERY: u8 = 0x90;
/// `CheckPoint.ThisTimeLineID`; the one before follows.
const CHECKPOINT_TIMELINES: usize = 8;
/// `CheckPoint.time`, in seconds since 1970.
const CHECKPOINT_TIME: usize = 64;
/// `xl_end_of_recovery.ThisTimeLineID`, behind the time in microseconds since 2000; the one before follows.
const END_OF_RECOVERY_TIMELINES: usize = 8;
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

/// The record with which a timeline began: a recovery ended there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineStart {
    /// The timeline.
    pub timeline: u32,
    /// The one that was left.
    pub left: u32,
    /// Where the record begins.
    pub lsn: Lsn,
    /// When, by the clock of the database; to the second where a recovery ended with a checkpoint.
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

    /// The beginning of a timeline, if this is the record of that. `prefix` and `length` as for [`transaction_time`].
    pub(super) fn timeline_start(self, start: Lsn, prefix: &[u8], length: usize) -> Option<TimelineStart> {
        if self.manager != RM_XLOG {
            return None;
        }
        let (timelines, time) = match self.info & MANAGER_INFO {
            XLOG_END_OF_RECOVERY => {
                let data = data(prefix, length)?;
                (data.get(END_OF_RECOVERY_TIMELINES..)?, since_2000(data)?)
            }
            XLOG_CHECKPOINT_SHUTDOWN => {
                let data = data(prefix, length)?;
                let seconds = i64::from_le_bytes(*data.get(CHECKPOINT_TIME..)?.first_chunk::<8>()?);
                (
                    data.get(CHECKPOINT_TIMELINES..)?,
                    DateTime::from_timestamp(seconds, 0)?,
                )
            }
            _ => return None,
        };
        let (timeline, behind) = timelines.split_first_chunk::<4>()?;
        let (timeline, left) = (
            u32::from_le_bytes(*timeline),
            u32::from_le_bytes(*behind.first_chunk::<4>()?),
        );
        // A checkpoint of a database that only stopped stays on its timeline.
        (timeline != left).then_some(TimelineStart {
            timeline,
            left,
            lsn: start,
            time,
        })
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
    since_2000(data(prefix, length)?)
}

/// A time in microseconds since 2000.
fn since_2000(data: &[u8]) -> Option<DateTime<Utc>> {
    let micros = i64::from_le_bytes(*data.first_chunk::<8>()?);
    DateTime::from_timestamp_micros(micros.checked_add(EPOCH_MICROS)?)
}

/// The data of a record, as far as they are in its prefix.
fn data(prefix: &[u8], length: usize) -> Option<&[u8]> {
    let mut rest = prefix;
    // A record that is read refers to no block, so the header of its data comes first, but for these two.
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
    (headers + data_length == length).then_some(data)
}

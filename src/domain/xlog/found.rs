//! What a segment was found to hold, and what can be wrong with it.

use super::record::{TimelineStart, TransactionEnd};
use crate::domain::wal::Lsn;

/// Why bytes are no segment that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XlogError {
    /// It does not begin with the first page of a segment, or is shorter than that page's header.
    #[error("it does not begin with the first page of a WAL segment")]
    NoWal,
    /// A version of PostgreSQL that is not known here, or a big-endian machine.
    #[error("its pages are of no known PostgreSQL version from 13 to 18 (magic {0:04X})")]
    UnknownVersion(u16),
    /// Sizes that PostgreSQL cannot have.
    #[error("it gives a segment size of {segment} and a page size of {page} bytes")]
    Sizes {
        /// In bytes.
        segment: u32,
        /// In bytes.
        page: u32,
    },
    /// It is another segment than its name says.
    #[error("it begins at {found}, and is another segment than its name says")]
    AnotherSegment {
        /// The address of the first page.
        found: Lsn,
    },
    /// It has more bytes than a segment of that size.
    #[error("it is longer than a segment of {0} bytes")]
    TooLong(u64),
}

impl XlogError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::UnknownVersion(_) => "unknown-version",
            _ => "damaged",
        }
    }
}

/// What the segment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A record of its own, or the rest of one whose beginning was known: nothing is missing.
    Known,
    /// The rest of a record that begins in the segment before. It was not read, and may be a commit.
    Unread,
}

/// What PostgreSQL would find wrong where the records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Of another version, or with unknown flags.
    #[error("the page header is wrong")]
    PageHeader,
    /// What was in the file before it was used again, or damage.
    #[error("the page is of another place in the WAL")]
    PageAddress,
    /// Of a later timeline than the segment, or of an earlier one than the page before.
    #[error("the page is of another timeline")]
    Timeline,
    /// The rest of a record is missing, or there is one that nothing began.
    #[error("the page does not continue the record before it")]
    Continuation,
    /// Shorter than a header, or longer than PostgreSQL can write.
    #[error("the length of the record cannot be")]
    Length,
    /// What was in the file before it was used again, or damage.
    #[error("the record does not follow the one before it")]
    Previous,
    /// Damage, or a record that was written in part.
    #[error("the checksum of the record is wrong")]
    Checksum,
    /// The checksum is right, and it is no record that PostgreSQL 13 to 18 write.
    #[error("the end of a transaction has no time")]
    Transaction,
}

/// Where and why the records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// They fill the segment.
    Full,
    /// A switch to the next segment (`pg_switch_wal`, `archive_timeout`, end of a timeline): the rest is unused.
    Switch(Lsn),
    /// Zeros follow: the segment was not filled yet.
    Blank(Lsn),
    /// Something follows that is not valid, such as the former content of a file that was used again. Recovery ends
    /// here. In a segment that is not `.partial`, and is not the last one, this is damage.
    Invalid(Lsn, Invalid),
    /// There are fewer bytes than a segment has.
    CutOff(Lsn),
}

/// What was found in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentCommits {
    /// The first commit that ends in it. Not certain where [`Self::begin`] is [`Begin::Unread`].
    pub first: Option<TransactionEnd>,
    /// The last commit that ends in it.
    pub last: Option<TransactionEnd>,
    /// The last commit or abort that ends in it: a time target must lie before its time, to be reached by it.
    pub last_end: Option<TransactionEnd>,
    /// How many commits end in it.
    pub commits: u64,
    /// How many records end in it.
    pub records: u64,
    /// The beginning of its own timeline, if that is in it.
    pub timeline_start: Option<TimelineStart>,
    /// What it begins with.
    pub begin: Begin,
    /// Where and why the records end.
    pub end: End,
    /// PostgreSQL's major version.
    pub version: u8,
    /// `system_identifier` of the cluster.
    pub system_id: u64,
}

impl SegmentCommits {
    /// The first commit cannot be known without the segment before.
    #[must_use]
    pub fn first_needs_previous(&self) -> bool {
        self.begin == Begin::Unread
    }

    /// There is no commit, but what was not read at the beginning may be one.
    #[must_use]
    pub fn last_needs_previous(&self) -> bool {
        self.begin == Begin::Unread && self.last.is_none()
    }
}

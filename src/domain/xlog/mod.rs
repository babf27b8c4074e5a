//! Commit times from the bytes of WAL segments of PostgreSQL 13 to 18.
//!
//! A segment is read page by page and record by record, as PostgreSQL's recovery reads it: page magic and address,
//! the link to the record before, and each record's CRC-32C must be right, and reading ends where one is not. What is
//! reported can therefore be reached by recovery, as far as this one segment goes.
//!
//! A transaction counts for the segment in which its record *ends*, since it cannot be replayed without that byte. A
//! record that begins in the segment before needs the end of that one: [`Scan::after`] takes it, and without it
//! [`SegmentCommits::begin`] says that something was not read.
//!
//! Formats: PostgreSQL's `access/xlog_internal.h` (pages), `access/xlogrecord.h` (records), `access/xact.h` (ends of
//! transactions), `access/rmgrlist.h` and `catalog/pg_control.h` (numbers of resource managers and of the switch
//! record, and the checkpoint with which a timeline may begin). They are the same from 13 to 18 in all that is used here. Little-endian machines only: on others the
//! magic does not match, and the segment is refused.
//!
//! What `recovery_target_time` sees (`recoveryStopsBefore` and `getRecordTimestamp` in `xlogrecovery.c`; `xlog.c`
//! before 15): only the ends of transactions, COMMIT, COMMIT PREPARED, ABORT and ABORT PREPARED. Recovery stops
//! *before* the first one whose time is later than the target (not earlier, if the target is exclusive), and fails
//! with "recovery ended before configured recovery target was reached" when no such record follows. So an abort can
//! make a target reachable but brings nothing back: the latest time at which there is something to restore is that of
//! the last *commit*, and a time target can be that commit's own time only if a later end of a transaction follows
//! ([`SegmentCommits::last_end`]). To stop right behind the last commit use its position as `recovery_target_lsn`, or
//! recover to the end. Times need not rise with positions: they are taken before the record is written.
//!
//! Not here: reading a repository (`pgbackrest::repository`), and which segments are needed (`domain::windows`).

mod found;
mod page;
mod pages;
mod record;
mod scan;
mod unfinished;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

pub use found::{Begin, End, Invalid, SegmentCommits, XlogError};
pub use record::{Outcome, TimelineStart, TransactionEnd};
pub use scan::{Carry, Scan, scan};

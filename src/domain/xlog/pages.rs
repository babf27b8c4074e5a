//! Records on the pages of one segment, in their order.

use super::{
    found::{End, Invalid},
    page::PageHeader,
    record::{HEADER, LARGEST, Outcome, TimelineStart, TransactionEnd, transaction_time},
    unfinished::{Record, Unfinished},
};
use crate::domain::wal::Lsn;

/// Records begin at multiples of this (`MAXALIGN`).
const ALIGNMENT: usize = 8;

/// What the next page must begin with.
#[derive(Clone)]
pub(super) enum Expect {
    /// The rest of a record whose beginning is not known.
    Skip(u32),
    /// The rest of this record.
    Rest(Box<Unfinished>),
    /// A record of its own.
    Record,
}

/// Ends of transactions, so far.
#[derive(Default, Clone, Copy)]
pub(super) struct Counted {
    pub(super) first: Option<TransactionEnd>,
    pub(super) last: Option<TransactionEnd>,
    pub(super) last_end: Option<TransactionEnd>,
    pub(super) commits: u64,
    pub(super) records: u64,
    pub(super) timeline_start: Option<TimelineStart>,
}

/// The state between two pages.
pub(super) struct Pages {
    pub(super) magic: u16,
    /// The segment's own timeline. Pages that were copied from an earlier one, up to the switch, keep theirs.
    pub(super) newest_timeline: u32,
    /// The timeline of the page before.
    pub(super) timeline: u32,
    /// The address of the next page.
    pub(super) next: Lsn,
    pub(super) expect: Expect,
    /// The last whole record, which the next must point back to. An unfinished one that was overwritten is none.
    pub(super) last_record: Option<Lsn>,
    pub(super) counted: Counted,
    /// Set once, where reading ends.
    pub(super) end: Option<End>,
}

fn align(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

fn lsn(page: Lsn, offset: usize) -> Lsn {
    // A page is at most 64 KiB.
    Lsn(page.0.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX)))
}

impl Pages {
    /// Reads the next page; nothing, once reading has ended.
    pub(super) fn read(&mut self, page: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let address = self.next;
        self.next = lsn(address, page.len());
        let first = match self.enter(address, page) {
            Ok(first) => first,
            Err(end) => {
                self.end = Some(end);
                return;
            }
        };
        if let Some(first) = first
            && let Err(end) = self.records(address, page, first)
        {
            self.end = Some(end);
        }
    }

    /// The position up to which everything is valid, if reading ends at `here`.
    pub(super) fn valid_until(&self, here: Lsn) -> Lsn {
        match &self.expect {
            Expect::Rest(unfinished) => unfinished.start,
            _ => here,
        }
    }

    /// Checks the header and reads the rest of a record from before. `None`: that fills the page.
    fn enter(&mut self, address: Lsn, page: &[u8]) -> Result<Option<usize>, End> {
        let here = self.valid_until(address);
        let invalid = |why| End::Invalid(here, why);
        let header = PageHeader::parse(page).ok_or(invalid(Invalid::PageHeader))?;
        if header.magic == 0 {
            return Err(End::Blank(here));
        }
        if header.magic != self.magic || !header.flags_are_known() {
            return Err(invalid(Invalid::PageHeader));
        }
        if header.address != address {
            return Err(invalid(Invalid::PageAddress));
        }
        if !(self.timeline..=self.newest_timeline).contains(&header.timeline) {
            return Err(invalid(Invalid::Timeline));
        }
        self.timeline = header.timeline;

        if header.overwrites() {
            self.expect = Expect::Record;
        }
        let start = header.length();
        let rest = page.get(start..).unwrap_or_default();
        let expected = match &self.expect {
            Expect::Record => 0,
            Expect::Skip(remaining) => *remaining,
            Expect::Rest(unfinished) => unfinished.remaining,
        };
        if header.continues() != (expected > 0) || (expected > 0 && header.remaining != expected) {
            return Err(invalid(Invalid::Continuation));
        }
        let taken = match &mut self.expect {
            Expect::Record => 0,
            Expect::Skip(remaining) => {
                let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(rest.len());
                *remaining -= u32::try_from(taken).unwrap_or(*remaining);
                if *remaining > 0 {
                    return Ok(None);
                }
                self.expect = Expect::Record;
                taken
            }
            Expect::Rest(unfinished) => {
                let taken = unfinished.take(rest);
                if unfinished.remaining > 0 {
                    return Ok(None);
                }
                let Expect::Rest(unfinished) = std::mem::replace(&mut self.expect, Expect::Record) else {
                    return Ok(None);
                };
                let record = unfinished.complete().ok_or(invalid(Invalid::Length))?;
                self.take(&record, lsn(address, start + align(taken)))?;
                taken
            }
        };
        Ok(Some(start + align(taken)))
    }

    /// Reads records from an offset on, to the end of the page.
    fn records(&mut self, address: Lsn, page: &[u8], mut offset: usize) -> Result<(), End> {
        while let Some(rest) = page.get(offset..)
            && let Some(length) = rest.first_chunk::<4>()
        {
            let start = lsn(address, offset);
            let total = u32::from_le_bytes(*length);
            if total == 0 {
                return Err(End::Blank(start));
            }
            let length = usize::try_from(total).unwrap_or(usize::MAX);
            if length < HEADER || total > LARGEST {
                return Err(End::Invalid(start, Invalid::Length));
            }
            let Some(bytes) = rest.get(..length) else {
                let mut unfinished = Unfinished::begin(start, total);
                unfinished.take(rest);
                self.expect = Expect::Rest(Box::new(unfinished));
                return Ok(());
            };
            offset += align(length);
            let record = Record::on_one_page(start, bytes).ok_or(End::Invalid(start, Invalid::Length))?;
            self.take(&record, lsn(address, offset))?;
        }
        Ok(())
    }

    /// Checks a whole record and counts it.
    fn take(&mut self, record: &Record<'_>, end: Lsn) -> Result<(), End> {
        let start = record.start;
        let invalid = |why| Err(End::Invalid(start, why));
        let previous = record.header.previous;
        let follows = match self.last_record {
            Some(last) => previous == last,
            None => previous < start,
        };
        if !follows {
            return invalid(Invalid::Previous);
        }
        if !record.is_right {
            return invalid(Invalid::Checksum);
        }
        if let Some(outcome) = record.header.outcome() {
            let Some(time) = transaction_time(record.prefix, record.body) else {
                return invalid(Invalid::Transaction);
            };
            self.counted.count(TransactionEnd {
                outcome,
                lsn: start,
                end,
                time,
            });
        }
        let begins = record
            .header
            .timeline_start(start, record.prefix, record.body)
            .filter(|begins| begins.timeline == self.newest_timeline);
        self.counted.timeline_start = self.counted.timeline_start.or(begins);
        self.counted.records += 1;
        self.last_record = Some(start);
        if record.header.is_switch() {
            return Err(End::Switch(start));
        }
        Ok(())
    }
}

impl Counted {
    fn count(&mut self, end: TransactionEnd) {
        self.last_end = Some(end);
        if end.outcome == Outcome::Committed {
            self.first.get_or_insert(end);
            self.last = Some(end);
            self.commits += 1;
        }
    }
}

//! What a zone's clock shows, as the list of the times at which it was set.
//!
//! To ask the time zone database about one moment costs as much as all the rest of a due time, which needs several answers. So
//! each zone is asked once in the life of the process, which takes a millisecond, and the answers are kept. They reach from
//! 1970 to the end of what the database foresees; before and behind that a clock is never set.

use std::fmt;
use std::iter::Rev;
use std::slice::Iter;
use std::sync::OnceLock;

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

const DAY: i64 = 24 * 60 * 60;
/// The first and the last moment that the database is asked for: 1970, and 2100.
const ASKED: (i64, i64) = (0, 47_482 * DAY);
/// A zone is asked for every sixth day: nowhere is the clock set twice within less than a week, less an hour.
const STEP: i64 = 6 * DAY;

/// The list of each zone, at the place of the zone.
static CLOCKS: [OnceLock<Vec<Span>>; TZ_VARIANTS.len()] = [const { OnceLock::new() }; TZ_VARIANTS.len()];

/// The clock of a zone.
#[derive(Clone, Copy)]
pub struct Clock {
    zone: Tz,
    spans: &'static [Span],
    /// The place of a span near which most questions are.
    near: usize,
}

/// The time from one setting of the clock to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first moment, in seconds of UTC, and the first one behind it.
    pub begin: i64,
    pub end: i64,
    /// What the clock shows more than UTC.
    offset: i64,
    /// All times below this one were shown before. Where the span's first is higher, the clock was set forward, and those between
    /// are left out; where it is lower, it was set back, and those between come twice.
    pub shown: i64,
}

impl Clock {
    /// `now`: what it is asked about will be behind that, as a rule, and not by much.
    pub fn of(zone: Tz, now: i64) -> Option<Self> {
        // The zone's number is its place in the list of all.
        let spans = CLOCKS.get(zone as usize)?.get_or_init(|| spans(zone));
        let near = place(spans, now);
        Some(Self { zone, spans, near })
    }

    /// The span of a moment, and those behind it.
    pub fn from(&self, utc: i64) -> Iter<'static, Span> {
        self.spans.get(self.place(utc)..).unwrap_or_default().iter()
    }

    /// The span of a moment, and those before it, the last one first.
    pub fn back_from(&self, utc: i64) -> Rev<Iter<'static, Span>> {
        let spans = self.spans.get(..=self.place(utc)).unwrap_or_default();
        spans.iter().rev()
    }

    fn place(&self, utc: i64) -> usize {
        let mut near = self.spans.iter().enumerate().skip(self.near).take(3);
        let found = near.find(|(_, span)| span.begin <= utc && utc < span.end);
        found.map_or_else(|| place(self.spans, utc), |(place, _)| place)
    }
}

/// The place of the span of a moment.
fn place(spans: &[Span], utc: i64) -> usize {
    spans.partition_point(|span| span.end <= utc)
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.zone)
    }
}

impl Span {
    /// What the clock shows at a moment.
    pub const fn at(&self, utc: i64) -> i64 {
        utc.saturating_add(self.offset)
    }

    /// What it shows first.
    pub const fn first(&self) -> i64 {
        self.at(self.begin)
    }

    /// The moment at which the clock shows a time, or the first one, for a time that was left out right before.
    pub fn moment(&self, shown: i64) -> i64 {
        shown.saturating_sub(self.offset).max(self.begin)
    }
}

fn spans(zone: Tz) -> Vec<Span> {
    let (first, last) = ASKED;
    let mut spans = Vec::new();
    let mut span = Span {
        begin: i64::MIN,
        end: i64::MAX,
        offset: offset(zone, first),
        shown: i64::MIN,
    };
    let mut asked = first;
    while asked < last {
        let then = asked + STEP;
        if offset(zone, then) != span.offset {
            span.end = set_between(zone, asked, then, span.offset);
            spans.push(span);
            span = Span {
                begin: span.end,
                end: i64::MAX,
                offset: offset(zone, span.end),
                shown: span.at(span.end),
            };
        }
        asked = then;
    }
    spans.push(span);
    spans
}

/// The first second with another offset than this one: `later` has another one, `earlier` has not.
fn set_between(zone: Tz, mut earlier: i64, mut later: i64, before: i64) -> i64 {
    while later - earlier > 1 {
        let middle = earlier + (later - earlier) / 2;
        if offset(zone, middle) == before {
            earlier = middle;
        } else {
            later = middle;
        }
    }
    later
}

fn offset(zone: Tz, utc: i64) -> i64 {
    let moment = DateTime::from_timestamp(utc, 0).unwrap_or_default();
    let offset = zone.offset_from_utc_datetime(&moment.naive_utc()).fix();
    i64::from(offset.local_minus_utc())
}

//! The moments at which a zone's clock shows the times of an expression.
//!
//! A time is due at the first moment at which the clock shows it or a later one: right after the gap, if it is in one, and once,
//! if it comes twice. An expression for every hour goes by the hours as they pass, and is due in both of two equal ones.

use std::slice::Iter;

use chrono::{DateTime, Utc};

use super::Schedule;
use super::clock::Span;
use super::fields::Times;

impl Schedule {
    /// The times behind a moment, one after the other.
    pub fn after(&self, moment: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let moment = moment.timestamp();
        let mut spans = self.clock.from(moment);
        let now = spans.next().and_then(|span| {
            let times = self.fields.from(self.new_from(span).max(span.at(moment) + 1))?;
            Some((span, times))
        });
        Moments {
            schedule: self,
            last: moment,
            now,
            spans,
        }
    }

    /// The first time behind a moment.
    #[must_use]
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.after(moment).next()
    }

    /// The last time up to a moment, or at it.
    #[must_use]
    pub fn last_until(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let moment = moment.timestamp();
        for span in self.clock.back_from(moment) {
            let time = self.fields.last_until(span.at(moment.min(span.end - 1)))?;
            if time >= self.new_from(span) {
                return DateTime::from_timestamp(span.moment(time), 0);
            }
        }
        None
    }

    /// From which time on a span's times are due in it, and not in one before it.
    fn new_from(&self, span: &Span) -> i64 {
        if self.fields.every_hour() {
            span.shown.min(span.first())
        } else {
            span.shown
        }
    }
}

struct Moments<'a> {
    schedule: &'a Schedule,
    /// The one before.
    last: i64,
    /// Where it is, and the times that are not past there.
    now: Option<(&'static Span, Times<'a>)>,
    spans: Iter<'static, Span>,
}

impl Iterator for Moments<'_> {
    type Item = DateTime<Utc>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (span, times) = self.now.as_mut()?;
            let due = span.moment(times.next()?);
            if due >= span.end {
                let span = self.spans.next()?;
                let times = self.schedule.fields.from(self.schedule.new_from(span));
                self.now = times.map(|times| (span, times));
            } else if due > self.last {
                self.last = due;
                return DateTime::from_timestamp(due, 0);
            }
        }
    }
}

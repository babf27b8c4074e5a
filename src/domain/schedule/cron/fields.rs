//! The five fields of an expression as sets of numbers, and the times of a clock that are in all of them.
//!
//! A clock's time is in seconds as if it were UTC: which moment that is, and whether there is one, is `clock`'s to say.
//! Every set holds something, or nothing ever comes.

use super::bits::Bits;
use super::month::Month;

const MINUTES_OF_A_DAY: i64 = 24 * 60;
const EVERY_HOUR: Bits = Bits((1 << 24) - 1);
/// A set of weekdays times this is that set in each of five weeks.
const FIVE_WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
/// Between two years with a 29th of February there are eight at most.
const MONTHS_SEARCHED: usize = 12 * 9;

/// What the fields say. Sunday is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    pub minutes: Bits,
    pub hours: Bits,
    pub days: Bits,
    pub months: Bits,
    pub weekdays: Bits,
    /// A day is in one of the two sets of days, and need not be in both: so it is where neither was left open.
    pub either_day: bool,
}

/// The times that come one after the other: what is left of the month, of its first day in that, and of its first hour.
#[derive(Debug, Clone)]
pub struct Times<'a> {
    fields: &'a Fields,
    month: Month,
    days: Bits,
    hours: Bits,
    minutes: Bits,
}

impl Fields {
    /// It goes by hours, whichever these are, and not by the time of the day.
    pub fn every_hour(&self) -> bool {
        self.hours == EVERY_HOUR
    }

    /// The times that are not before this one.
    pub fn from(&self, clock: i64) -> Option<Times<'_>> {
        let (month, day, hour, minute) = split(clock.saturating_add(59))?;
        let days = self.days_of(month).from(day);
        let (mut hours, mut minutes) = (self.hours, self.minutes);
        if days.has(day) {
            hours = hours.from(hour);
            if hours.has(hour) {
                minutes = minutes.from(minute);
            }
        }
        Some(Times {
            fields: self,
            month,
            days,
            hours,
            minutes,
        })
    }

    /// The last time that is not after this one.
    pub fn last_until(&self, clock: i64) -> Option<i64> {
        let (mut month, day, hour, minute) = split(clock)?;
        let mut days = self.days_of(month).until(day);
        if days.has(day) {
            let earlier = self
                .minutes
                .until(minute)
                .highest()
                .filter(|_| self.hours.has(hour));
            let time = match earlier {
                Some(minute) => Some((hour, minute)),
                None => self.hours.until(hour - 1).highest().zip(self.minutes.highest()),
            };
            if let Some((hour, minute)) = time {
                return Some(seconds(month, day, hour, minute));
            }
            days = days.until(day - 1);
        }
        for _ in 0..MONTHS_SEARCHED {
            if let Some(day) = days.highest() {
                return Some(seconds(
                    month,
                    day,
                    self.hours.highest()?,
                    self.minutes.highest()?,
                ));
            }
            month = month.previous();
            days = self.days_of(month);
        }
        None
    }

    /// Which days of a month are in both fields of days, or in either of them.
    fn days_of(&self, month: Month) -> Bits {
        if !self.months.has(month.number) {
            return Bits::default();
        }
        let (Bits(days), Bits(weekdays)) = (self.days, self.weekdays);
        let first = month.begins_on();
        let week = (weekdays >> first | weekdays << (7 - first)) & 0x7f;
        let weekdays = (week * FIVE_WEEKS) << 1;
        let days = if self.either_day {
            days | weekdays
        } else {
            days & weekdays
        };
        Bits(days).from(1).until(month.length)
    }
}

impl Iterator for Times<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        for _ in 0..MONTHS_SEARCHED {
            while let Some(day) = self.days.lowest() {
                while let Some(hour) = self.hours.lowest() {
                    if let Some(minute) = self.minutes.lowest() {
                        self.minutes = self.minutes.rest();
                        return Some(seconds(self.month, day, hour, minute));
                    }
                    self.hours = self.hours.rest();
                    self.minutes = self.fields.minutes;
                }
                self.days = self.days.rest();
                self.hours = self.fields.hours;
            }
            self.month = self.month.next();
            self.days = self.fields.days_of(self.month);
        }
        None
    }
}

/// The month, the day in it, the hour and the minute.
fn split(clock: i64) -> Option<(Month, i64, i64, i64)> {
    let minute = clock.div_euclid(60);
    let (month, day) = Month::of(minute.div_euclid(MINUTES_OF_A_DAY))?;
    let minute = minute.rem_euclid(MINUTES_OF_A_DAY);
    Some((month, day, minute / 60, minute % 60))
}

const fn seconds(month: Month, day: i64, hour: i64, minute: i64) -> i64 {
    (month.day(day) * MINUTES_OF_A_DAY + hour * 60 + minute) * 60
}

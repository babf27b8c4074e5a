//! Months, and days as numbers: those since the first of January 1970.

use chrono::{Datelike as _, NaiveDate};

/// A month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    year: i64,
    /// 1 to 12.
    pub number: i64,
    pub length: i64,
    /// Its first day.
    first: i64,
}

impl Month {
    /// The month of a day, and which of its days that is.
    pub fn of(day: i64) -> Option<(Self, i64)> {
        let date = NaiveDate::from_epoch_days(i32::try_from(day).ok()?)?;
        let number = i64::from(date.day());
        let month = Self::new(i64::from(date.year()), i64::from(date.month()), day - number + 1);
        Some((month, number))
    }

    const fn new(year: i64, number: i64, first: i64) -> Self {
        Self {
            year,
            number,
            length: length(year, number),
            first,
        }
    }

    pub const fn next(self) -> Self {
        let first = self.first + self.length;
        match self.number {
            12 => Self::new(self.year + 1, 1, first),
            number => Self::new(self.year, number + 1, first),
        }
    }

    pub const fn previous(self) -> Self {
        let (year, number) = match self.number {
            1 => (self.year - 1, 12),
            number => (self.year, number - 1),
        };
        Self::new(year, number, self.first - length(year, number))
    }

    pub const fn day(self, number: i64) -> i64 {
        self.first + number - 1
    }

    /// The weekday on which it begins; Sunday is 0. The first day of all was a Thursday.
    pub const fn begins_on(self) -> i64 {
        (self.first + 4).rem_euclid(7)
    }
}

const fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

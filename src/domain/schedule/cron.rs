//! Five fields of cron, `@daily` and its kin, with `CRON_TZ=Zone` before them: what the compatible operator takes.
//!
//! Its parser is robfig/cron v3 of Go. `@every` is refused (the resource's rules refuse it too). What differs is what becomes
//! of a clock that is set: there, a time that is left out has no run, and one that comes twice has two. Here it is due at the
//! first moment at which the clock shows it or a later one. Only an expression for every hour goes by the hours as they
//! pass: it is due in both of two equal ones.

mod bits;
mod clock;
mod fields;
mod moments;
mod month;
mod parse;

#[cfg(test)]
mod tests;

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use clock::Clock;
use fields::Fields;

/// Why there is no schedule. Names what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No five fields of cron.
    #[error(
        "'{0}' is no schedule: write five cron fields, or one of @hourly @daily @weekly @monthly @yearly"
    )]
    Expression(String),
    /// No such time zone.
    #[error("'{0}' is no time zone: write a name of the IANA database such as Europe/Berlin")]
    Zone(String),
    /// Two zones that differ.
    #[error("the schedule names the time zone {prefix}, and timeZone says {field}: leave one of them out")]
    TwoZones {
        /// Before the expression.
        prefix: String,
        /// In its own field.
        field: String,
    },
    /// It never comes.
    #[error("'{0}' never comes: there is no such day")]
    Never(String),
}

/// Times that come again and again.
#[derive(Debug, Clone)]
pub struct Schedule {
    fields: Fields,
    clock: Clock,
}

impl Schedule {
    /// Reads an expression. Without a zone it is UTC. `now` is for the question whether it ever comes.
    pub fn parse(text: &str, zone: Option<&str>, now: DateTime<Utc>) -> Result<Self, ScheduleError> {
        let (prefix, expression) = split(text.trim());
        let name = match (prefix, zone) {
            (Some(prefix), Some(field)) if prefix != field => {
                return Err(ScheduleError::TwoZones {
                    prefix: prefix.to_owned(),
                    field: field.to_owned(),
                });
            }
            (prefix, field) => prefix.or(field).unwrap_or("UTC"),
        };
        let zone = Tz::from_str(name).ok();
        let clock = zone.and_then(|zone| Clock::of(zone, now.timestamp()));
        let schedule = Self {
            clock: clock.ok_or_else(|| ScheduleError::Zone(name.to_owned()))?,
            fields: parse::fields(expression).ok_or_else(|| ScheduleError::Expression(text.to_owned()))?,
        };
        match schedule.next_after(now) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(text.to_owned())),
        }
    }
}

/// The zone before an expression, and the expression.
fn split(text: &str) -> (Option<&str>, &str) {
    let zone = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
    match zone.and_then(|rest| rest.split_once(char::is_whitespace)) {
        Some((zone, expression)) => (Some(zone), expression.trim()),
        None => (None, text),
    }
}

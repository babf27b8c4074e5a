//! Five fields of cron, `@daily` and its kin, with `CRON_TZ=Zone` before them: what the compatible operator takes.
//!
//! Its parser is robfig/cron v3 of Go. What differs from it: a time in the gap of a clock that is set forward is not left
//! out, and `@every` is refused (the resource's rules refuse it too).

use std::str::FromStr as _;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// Highest value of each field: minute, hour, day of the month, month, day of the week.
const HIGHEST: [u32; 5] = [59, 23, 31, 12, 6];

/// Minutes that a zone's clock leaves out at most: those west of the date line that moved east of it left out a day.
const LONGEST_GAP: i64 = 2 * 24 * 60;

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
    cron: Cron,
    zone: Tz,
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
        let zone = Tz::from_str(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?;
        let refused = || ScheduleError::Expression(text.to_owned());
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&plain(expression).ok_or_else(refused)?)
            .map_err(|_| refused())?;
        let schedule = Self { cron, zone };
        match schedule.next_after(now) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(text.to_owned())),
        }
    }

    /// The first time behind a moment.
    #[must_use]
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = moment.with_timezone(&self.zone);
        if let Ok(next) = self.cron.find_next_occurrence(&local, false) {
            return Some(next.with_timezone(&Utc));
        }
        // It gives up on a gap of a whole day: what the clock shows next, in a zone without gaps.
        let shown = local.naive_local().and_utc();
        let next = self.cron.find_next_occurrence(&shown, false).ok()?;
        self.moment_of(next.naive_utc())
    }

    /// The last time up to a moment, or at it.
    #[must_use]
    pub fn last_until(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = moment.with_timezone(&self.zone);
        if let Ok(last) = self.cron.find_previous_occurrence(&local, true) {
            return Some(last.with_timezone(&Utc));
        }
        let shown = local.naive_local().and_utc();
        let last = self.cron.find_previous_occurrence(&shown, true).ok()?;
        self.moment_of(last.naive_utc())
    }

    /// The first moment at which the zone's clock shows this, or the end of the gap that it is in.
    fn moment_of(&self, clock: NaiveDateTime) -> Option<DateTime<Utc>> {
        (0..=LONGEST_GAP)
            .find_map(|minute| {
                let shown = clock.checked_add_signed(TimeDelta::minutes(minute))?;
                self.zone.from_local_datetime(&shown).earliest()
            })
            .map(|moment| moment.with_timezone(&Utc))
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

/// Spells out what robfig/cron takes and croner does not: `@midnight`, and `5/15` for `5-59/15`.
fn plain(expression: &str) -> Option<String> {
    if expression.starts_with('@') {
        let word = if expression == "@midnight" {
            "@daily"
        } else {
            expression
        };
        return Some(word.to_owned());
    }
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != HIGHEST.len() {
        return None;
    }
    let items = |(field, highest): (&&str, u32)| {
        let items = field.split(',').map(|item| open_range(item, highest));
        items.collect::<Vec<_>>().join(",")
    };
    let fields: Vec<String> = fields.iter().zip(HIGHEST).map(items).collect();
    Some(fields.join(" "))
}

fn open_range(item: &str, highest: u32) -> String {
    match item.split_once('/') {
        Some((first, step)) if first.bytes().all(|byte| byte.is_ascii_digit()) && !first.is_empty() => {
            format!("{first}-{highest}/{step}")
        }
        _ => item.to_owned(),
    }
}

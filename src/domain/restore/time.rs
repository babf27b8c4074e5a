//! A time as people write it for PostgreSQL: `2022-11-30 15:12:11+03`.
//!
//! PostgreSQL takes a time without a zone as one of its server's zone, pgBackRest as one of its own process'; here it is one of UTC, and
//! what was understood is shown with its offset before anything is done.

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not the form.
    #[error(
        "'{0}' is no time: write 2026-11-20 23:31:05+00, 2026-11-20T23:31:05Z or 2026-11-20 23:31:05.25 Europe/Berlin"
    )]
    Form(String),
    /// The zone is not known.
    #[error("'{0}' is no time zone: write an offset (+02, +05:30), Z, or a name as Europe/Berlin")]
    Zone(String),
    /// The clock was set forward over it, or back over it.
    #[error("{0} does not say which moment it is, since the clock was set then: write it with an offset")]
    Ambiguous(String),
}

/// Reads a time: date, `T` or a blank, time of the day to the microsecond, and an offset, `Z` or the name of a zone; without one it is UTC.
pub fn read_time(text: &str) -> Result<DateTime<Utc>, TimeError> {
    let wrong = || TimeError::Form(shortened(text));
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10).ok_or_else(wrong)?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").map_err(|_| wrong())?;
    let rest = rest.strip_prefix(['T', 't', ' ']).ok_or_else(wrong)?.trim_start();
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.')
        .unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(end).ok_or_else(wrong)?;
    let at = date.and_time(time_of_day(clock).ok_or_else(wrong)?);
    in_zone(at, zone.trim())
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    // More digits than PostgreSQL keeps are no moment that it could stop at.
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    if digits > 6 || text.ends_with('.') {
        return None;
    }
    ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

fn in_zone(at: NaiveDateTime, zone: &str) -> Result<DateTime<Utc>, TimeError> {
    if zone.is_empty() || ["z", "utc", "gmt"].contains(&zone.to_ascii_lowercase().as_str()) {
        return Ok(at.and_utc());
    }
    let unknown = || TimeError::Zone(shortened(zone));
    if zone.starts_with(['+', '-']) {
        let offset = offset(zone).ok_or_else(unknown)?;
        return moment(offset.from_local_datetime(&at), at, zone);
    }
    let named: Tz = zone.parse().map_err(|_| unknown())?;
    moment(named.from_local_datetime(&at), at, zone)
}

fn moment<Z: chrono::TimeZone>(
    found: LocalResult<DateTime<Z>>,
    at: NaiveDateTime,
    zone: &str,
) -> Result<DateTime<Utc>, TimeError> {
    let moment = found.single();
    moment
        .map(|moment| moment.to_utc())
        .ok_or_else(|| TimeError::Ambiguous(format!("{at} {zone}")))
}

/// `+2`, `+02`, `+0230`, `+02:30`, `+02:30:15`: as PostgreSQL takes them, east of Greenwich.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let parts: Vec<&str> = if digits.contains(':') {
        digits.split(':').collect()
    } else {
        match digits.len() {
            1 | 2 => vec![digits],
            4 => vec![digits.get(..2)?, digits.get(2..)?],
            _ => return None,
        }
    };
    let numbers: Vec<i32> = parts
        .iter()
        .map(|part| {
            let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| is_number)
        })
        .collect::<Option<_>>()?;
    let seconds = match numbers.as_slice() {
        [hours] => hours * 3600,
        [hours, minutes] if *minutes < 60 => hours * 3600 + minutes * 60,
        [hours, minutes, seconds] if *minutes < 60 && *seconds < 60 => hours * 3600 + minutes * 60 + seconds,
        _ => return None,
    };
    // PostgreSQL's own bound of offsets.
    let seconds = Some(seconds).filter(|seconds| *seconds < 16 * 3600)?;
    FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2022-11-30 15:12:11+03", "2022-11-30T12:12:11Z")]
    #[case("2026-11-20 23:31:05.060835+00", "2026-11-20T23:31:05.060835Z")]
    #[case("2026-11-20T23:31:05Z", "2026-11-20T23:31:05Z")]
    #[case("2026-11-20 23:31:05", "2026-11-20T23:31:05Z")]
    #[case("2026-11-20 23:31 -0530", "2026-11-21T05:01:00Z")]
    #[case("2026-11-20 23:31:05 +5:30", "2026-11-20T18:01:05Z")]
    #[case("2026-07-01 12:00:00 Europe/Berlin", "2026-07-01T10:00:00Z")]
    #[case(" 2026-07-01 12:00:00 utc ", "2026-07-01T12:00:00Z")]
    fn times_are_read_as_postgresql_reads_them(#[case] text: &str, #[case] expected: DateTime<Utc>) {
        assert_eq!(read_time(text), Ok(expected));
    }

    #[rstest]
    #[case("yesterday")]
    #[case("2026-11-20")]
    #[case("2026-11-31 10:00:00+00")]
    #[case("2026-11-20 25:00:00+00")]
    #[case("2026-11-20 10:00:00.1234567+00")]
    #[case("20261120 10:00:00")]
    #[case("")]
    fn what_is_no_time_is_refused_with_the_forms(#[case] text: &str) {
        assert!(matches!(read_time(text), Err(TimeError::Form(_))), "{text}");
    }

    #[rstest]
    #[case("2026-11-20 10:00:00 Nowhere/Land")]
    #[case("2026-11-20 10:00:00+1")]
    #[case("2026-11-20 10:00:00+99")]
    #[case("2026-11-20 10:00:00+02:75")]
    fn an_offset_that_is_none_and_a_zone_that_is_not_known_are_refused(#[case] text: &str) {
        let read = read_time(text);
        // One digit is an offset of PostgreSQL's too.
        assert_eq!(read.is_ok(), text.ends_with("+1"), "{read:?}");
    }

    #[rstest]
    #[case("2026-10-25 02:30:00 Europe/Berlin")]
    #[case("2026-03-29 02:30:00 Europe/Berlin")]
    fn a_time_that_comes_twice_or_never_is_refused(#[case] text: &str) {
        let Err(error @ TimeError::Ambiguous(_)) = read_time(text) else {
            panic!("{text} was read");
        };
        assert!(error.to_string().contains("with an offset"));
    }
}

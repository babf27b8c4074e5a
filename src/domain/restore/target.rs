//! Where a restore stops.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::time::{TimeError, read_time};
use crate::domain::wal::Lsn;

/// The longest name of a restore point (`MAXFNAMELEN` of PostgreSQL, less the zero).
const LONGEST_NAME: usize = 63;

/// Why a target cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A time that is none.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A position that is none.
    #[error("'{0}' is no position in the WAL: write 0/65000160")]
    Lsn(String),
    /// A transaction that is none.
    #[error("'{0}' is no transaction id: a number from 3 to 18446744073709551615 without signs")]
    Xid(String),
    /// A name that cannot be one.
    #[error("a restore point's name has 1 to {LONGEST_NAME} characters and no control characters")]
    Name,
    /// A timeline that is none.
    #[error("'{0}' is no timeline: write a number, `latest` or `current`")]
    Timeline(String),
}

/// The moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// The end of the WAL.
    Latest,
    /// The end of the backup: as soon as it is consistent.
    Immediate,
    /// A time.
    Time(DateTime<Utc>),
    /// A position in the WAL.
    Lsn(Lsn),
    /// A transaction.
    Xid(u64),
    /// A restore point (`pg_create_restore_point`).
    Name(String),
}

/// The branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timeline {
    /// The one that the target was on when it was now; where that cannot be told, it is asked for.
    #[default]
    Natural,
    /// The newest of the repository.
    Latest,
    /// The backup's own.
    Current,
    /// The one that was left last, for an earlier moment of another.
    Left,
    /// This one.
    Number(u32),
}

impl Timeline {
    /// Reads the value of `--target-timeline`: PostgreSQL takes decimal numbers and those that begin with `0x`.
    pub fn read(text: &str) -> Result<Self, TargetError> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        match (text, number) {
            ("latest", _) => Ok(Self::Latest),
            ("current", _) => Ok(Self::Current),
            (_, Ok(number)) if number > 0 => Ok(Self::Number(number)),
            _ => Err(TargetError::Timeline(text.chars().take(20).collect())),
        }
    }
}

/// Where a restore stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The moment.
    pub stop: Stop,
    /// What is at the moment itself is left out.
    pub exclusive: bool,
    /// The branch.
    pub timeline: Timeline,
}

impl Default for Target {
    fn default() -> Self {
        Self::of(Stop::Latest)
    }
}

impl Target {
    /// Up to and with the moment, on the natural branch.
    #[must_use]
    pub fn of(stop: Stop) -> Self {
        Self {
            stop,
            exclusive: false,
            timeline: Timeline::Natural,
        }
    }
}

impl Stop {
    /// From `--type` and `--target` of pgBackRest. Nothing: the type is none that ends with a database that takes writes.
    pub fn read(kind: &str, target: &str) -> Result<Option<Self>, TargetError> {
        Ok(Some(match kind {
            "default" => Self::Latest,
            "immediate" => Self::Immediate,
            "time" => Self::Time(read_time(target)?),
            "lsn" => Self::Lsn(
                target
                    .trim()
                    .parse()
                    .map_err(|_| TargetError::Lsn(target.chars().take(40).collect()))?,
            ),
            "xid" => Self::Xid(xid(target)?),
            "name" => Self::Name(name(target)?),
            _ => return Ok(None),
        }))
    }

    /// pgBackRest's `--type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Latest => "default",
            Self::Immediate => "immediate",
            Self::Time(_) => "time",
            Self::Lsn(_) => "lsn",
            Self::Xid(_) => "xid",
            Self::Name(_) => "name",
        }
    }

    /// pgBackRest's `--target`: what was understood, a time with its offset.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        match self {
            Self::Latest | Self::Immediate => None,
            Self::Time(at) => Some(at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()),
            Self::Lsn(position) => Some(position.to_string()),
            Self::Xid(number) => Some(number.to_string()),
            Self::Name(name) => Some(name.clone()),
        }
    }
}

fn xid(text: &str) -> Result<u64, TargetError> {
    let wrong = || TargetError::Xid(text.chars().take(40).collect());
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    // 0 to 2 stand for no transaction of anybody's.
    number.filter(|number| *number >= 3).ok_or_else(wrong)
}

fn name(text: &str) -> Result<String, TargetError> {
    let fits = (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or(TargetError::Name)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exclusive {
            f.write_str("just before ")?;
        }
        match &self.stop {
            Stop::Latest => f.write_str("the latest that can be reached")?,
            Stop::Immediate => f.write_str("the end of the backup")?,
            Stop::Time(at) => write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S%.f UTC"))?,
            Stop::Lsn(position) => write!(f, "position {position}")?,
            Stop::Xid(number) => write!(f, "transaction {number}")?,
            Stop::Name(name) => write!(f, "restore point '{name}'")?,
        }
        match self.timeline {
            Timeline::Natural => Ok(()),
            Timeline::Latest => f.write_str(" on the newest timeline"),
            Timeline::Current => f.write_str(" on the backup's own timeline"),
            Timeline::Left => f.write_str(" on the timeline that was left last"),
            Timeline::Number(number) => write!(f, " on timeline {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("default", "", Stop::Latest)]
    #[case("immediate", "", Stop::Immediate)]
    #[case("lsn", "0/65000160", Stop::Lsn(Lsn(0x6500_0160)))]
    #[case("xid", "742", Stop::Xid(742))]
    #[case("name", "before the migration", Stop::Name("before the migration".to_owned()))]
    fn each_type_is_read_and_written_again(#[case] kind: &str, #[case] target: &str, #[case] expected: Stop) {
        assert_eq!(Stop::read(kind, target), Ok(Some(expected.clone())));
        assert_eq!(expected.kind(), kind);
        assert_eq!(expected.value().unwrap_or_default(), target);
    }

    #[test]
    fn a_time_is_written_as_it_was_understood() {
        let stop = Stop::read("time", "2022-11-30 15:12:11+03").unwrap().unwrap();
        assert_eq!(stop.value().as_deref(), Some("2022-11-30 12:12:11.000000+00"));
        let target = Target {
            exclusive: true,
            timeline: Timeline::Number(3),
            ..Target::of(stop)
        };
        assert_eq!(
            target.to_string(),
            "just before 2022-11-30 12:12:11 UTC on timeline 3"
        );
    }

    #[rstest]
    #[case("lsn", "65000160")]
    #[case("lsn", "")]
    #[case("xid", "-5")]
    #[case("xid", "2")]
    #[case("xid", "1e3")]
    #[case("name", "")]
    #[case("name", "two\nlines")]
    #[case("time", "noon")]
    fn what_cannot_be_understood_is_refused(#[case] kind: &str, #[case] target: &str) {
        assert!(Stop::read(kind, target).is_err(), "{kind} {target}");
    }

    #[rstest]
    #[case("standby")]
    #[case("preserve")]
    #[case("none")]
    fn a_type_that_does_not_end_with_a_database_that_takes_writes_is_none(#[case] kind: &str) {
        assert_eq!(Stop::read(kind, ""), Ok(None));
    }

    #[rstest]
    #[case("latest", Some(Timeline::Latest))]
    #[case("current", Some(Timeline::Current))]
    #[case("7", Some(Timeline::Number(7)))]
    #[case("0x1F", Some(Timeline::Number(31)))]
    #[case("0", None)]
    #[case("newest", None)]
    fn timelines_are_read_as_postgresql_reads_them(#[case] text: &str, #[case] expected: Option<Timeline>) {
        assert_eq!(Timeline::read(text).ok(), expected);
    }
}

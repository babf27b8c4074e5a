//! Why a repository cannot serve a target, with the nearest that it can.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::label::Label;
use crate::domain::wal::Lsn;
use crate::domain::windows::Restorable;

/// Why nothing serves a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing to restore from.
    NoBackup,
    /// The backup that was asked for is not there.
    NoSuchBackup(Label),
    /// The backup that was asked for cannot be restored.
    Unrestorable(Label, Restorable),
    /// The backup that was asked for ended behind the target.
    BackupTooLate(Label),
    /// No recovery gets onto the timeline that was asked for.
    NoSuchTimeline(u32),
    /// No timeline was ever left.
    NothingLeft,
    /// It is not known when this timeline began, so a time alone does not say which branch it is on.
    BranchUnknown(u32),
    /// The target lies where no recovery can stop.
    Unreachable {
        /// The nearest time before it that can be reached, and its timeline.
        before: Option<(DateTime<Utc>, u32)>,
        /// The nearest time after it.
        after: Option<(DateTime<Utc>, u32)>,
    },
    /// The position lies behind what is archived.
    PositionUnreachable {
        /// The last one that can be reached.
        last: Option<Lsn>,
    },
}

impl Refusal {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NoBackup | Self::NoSuchBackup(_) | Self::Unrestorable(..) => "no-backup",
            Self::BackupTooLate(_) | Self::Unreachable { .. } | Self::PositionUnreachable { .. } => {
                "target-unreachable"
            }
            Self::NoSuchTimeline(_) | Self::NothingLeft | Self::BranchUnknown(_) => "no-timeline",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |(at, timeline): &(DateTime<Utc>, u32)| {
            format!("{} (timeline {timeline})", at.format("%Y-%m-%d %H:%M:%S%.f UTC"))
        };
        match self {
            Self::NoBackup => f.write_str("the repository holds no backup that can be restored"),
            Self::NoSuchBackup(label) => write!(f, "the repository holds no backup {label}"),
            Self::Unrestorable(label, Restorable::MissingBackup(other)) => {
                write!(f, "{label} cannot be restored: it needs {other}, which is gone")
            }
            Self::Unrestorable(label, Restorable::MissingWal(segment)) => {
                write!(
                    f,
                    "{label} cannot be restored: WAL segment {segment} is missing or damaged"
                )
            }
            Self::Unrestorable(label, _) => {
                write!(
                    f,
                    "{label} cannot be restored yet: the WAL of its end has not arrived"
                )
            }
            Self::BackupTooLate(label) => {
                write!(f, "{label} ended after the target: an earlier backup is needed")
            }
            Self::NoSuchTimeline(number) => write!(f, "no backup leads to timeline {number}"),
            Self::NothingLeft => {
                f.write_str("no timeline was left for another that is here: there is no restore to undo")
            }
            Self::BranchUnknown(number) => write!(
                f,
                "it is not known when timeline {number} began, so the time alone does not say which timeline is meant: name it"
            ),
            Self::Unreachable { before, after } => match (before, after) {
                (None, None) => f.write_str("no time can be reached"),
                (Some(before), None) => write!(f, "the latest time that can be reached is {}", time(before)),
                (None, Some(after)) => write!(f, "the earliest time that can be reached is {}", time(after)),
                (Some(before), Some(after)) => write!(
                    f,
                    "it cannot be reached; the nearest before it is {}, the nearest after it {}",
                    time(before),
                    time(after)
                ),
            },
            Self::PositionUnreachable { last: Some(last) } => {
                write!(f, "the last position that is known to be reached is {last}")
            }
            Self::PositionUnreachable { last: None } => {
                f.write_str("nothing was committed behind the backups")
            }
        }
    }
}

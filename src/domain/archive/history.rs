//! Timeline history files, and how timelines descend from one another.
//!
//! Format: PostgreSQL's `src/backend/access/transam/timeline.c`: a line for each ancestor, oldest first, with its
//! timeline, the position at which it was left, and a reason, separated by white space; `#` begins a comment. As in PostgreSQL
//! a timeline's own file alone says what it descends from: without it nothing is known of its parents, and a
//! recovery that has this timeline as its target finds none either.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::wal::{Lsn, SegmentSize};

/// A text that is no history file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A line without a timeline and a position.
    #[error("line {line} of the history of timeline {timeline} does not name a timeline and a WAL position")]
    Line {
        /// The timeline of the file.
        timeline: u32,
        /// Counted from 1.
        line: usize,
    },
    /// Timelines must rise from line to line and stay below the file's own.
    #[error(
        "line {line} of the history of timeline {timeline} names timeline {named}, which cannot come there"
    )]
    Order {
        /// The timeline of the file.
        timeline: u32,
        /// Counted from 1.
        line: usize,
        /// The timeline that was named.
        named: u32,
    },
}

impl HistoryError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-history-file"
    }
}

/// Where a timeline was left for its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The timeline that was left.
    pub timeline: u32,
    /// The first position that is of the successor.
    pub at: Lsn,
    /// PostgreSQL's words for it.
    pub reason: String,
}

/// The content of one history file: the ancestors of a timeline, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The timeline it is of.
    pub timeline: u32,
    /// Its ancestors.
    pub switches: Vec<Switch>,
}

impl History {
    /// Reads the content of `<timeline>.history`. An empty file says that there is no parent, as for PostgreSQL.
    pub fn parse(timeline: u32, content: &[u8]) -> Result<Self, HistoryError> {
        let mut switches: Vec<Switch> = Vec::new();
        for (number, line) in String::from_utf8_lossy(content).lines().enumerate() {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = number + 1;
            let switch = switch(text).ok_or(HistoryError::Line { timeline, line })?;
            let named = switch.timeline;
            let above = switches.last().map_or(0, |before| before.timeline);
            if named <= above || named >= timeline {
                return Err(HistoryError::Order {
                    timeline,
                    line,
                    named,
                });
            }
            switches.push(switch);
        }
        Ok(Self { timeline, switches })
    }
}

fn switch(line: &str) -> Option<Switch> {
    let (timeline, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (at, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some(Switch {
        timeline: timeline.parse().ok()?,
        at: at.parse().ok()?,
        reason: reason.trim_start().to_owned(),
    })
}

/// The part of a path that runs on one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The timeline.
    pub timeline: u32,
    /// Where it begins.
    pub begin: Lsn,
    /// Where the next one begins; `None` on the last.
    pub end: Option<Lsn>,
}

impl Leg {
    /// Index of the first segment that a recovery along the path reads of this timeline: the one of the switch, since
    /// a new timeline begins with a copy of it.
    #[must_use]
    pub fn first(&self, size: SegmentSize) -> u64 {
        self.begin.0 / size.bytes()
    }

    /// Index of the first segment that is read of the next timeline instead.
    #[must_use]
    pub fn past(&self, size: SegmentSize) -> Option<u64> {
        self.end.map(|end| end.0 / size.bytes())
    }

    /// True when a recovery along the path reads the segment of this timeline.
    #[must_use]
    pub fn holds(&self, index: u64, size: SegmentSize) -> bool {
        self.first(size) <= index && self.past(size).is_none_or(|past| index < past)
    }
}

/// How the timelines of an archive descend from one another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ancestry(BTreeMap<u32, Vec<Leg>>);

impl Ancestry {
    /// From all history files that can be read, for all timelines that exist.
    #[must_use]
    pub fn new(histories: &BTreeMap<u32, History>, timelines: impl IntoIterator<Item = u32>) -> Self {
        let mut all: BTreeSet<u32> = timelines.into_iter().collect();
        for history in histories.values() {
            all.insert(history.timeline);
            all.extend(history.switches.iter().map(|switch| switch.timeline));
        }
        let path = |timeline| legs(timeline, histories.get(&timeline));
        Self(
            all.into_iter()
                .map(|timeline| (timeline, path(timeline)))
                .collect(),
        )
    }

    /// The timelines a recovery to this timeline goes along, oldest first; the last leg is the timeline itself.
    #[must_use]
    pub fn path(&self, timeline: u32) -> &[Leg] {
        self.0.get(&timeline).map_or(&[], Vec::as_slice)
    }

    /// All timelines, in order, with their paths.
    pub fn paths(&self) -> impl Iterator<Item = (u32, &[Leg])> {
        self.0.iter().map(|(timeline, legs)| (*timeline, legs.as_slice()))
    }

    /// Successors of a timeline and where each of them begins.
    pub fn successors(&self, timeline: u32) -> impl Iterator<Item = (u32, Lsn)> {
        self.0.values().flat_map(move |legs| {
            legs.iter()
                .zip(legs.iter().skip(1))
                .filter(move |(leg, _)| leg.timeline == timeline)
                .map(|(_, next)| (next.timeline, next.begin))
        })
    }
}

/// A recovery that stops before it has come to the timeline that it was told to follow leaves that one behind all the same, by its
/// history: positions fall there. PostgreSQL takes the newest entry that a position fits into (`tliOfPointInHistory`).
fn legs(timeline: u32, history: Option<&History>) -> Vec<Leg> {
    let mut begin = Lsn(0);
    let mut legs = Vec::new();
    for switch in history.into_iter().flat_map(|history| &history.switches) {
        legs.push(Leg {
            timeline: switch.timeline,
            begin,
            end: Some(switch.at),
        });
        begin = switch.at;
    }
    legs.push(Leg {
        timeline,
        begin,
        end: None,
    });
    let mut limit: Option<Lsn> = None;
    let mut newest_first = Vec::new();
    for leg in legs.into_iter().rev() {
        let end = match (leg.end, limit) {
            (Some(end), Some(limit)) => Some(end.min(limit)),
            (end, limit) => end.or(limit),
        };
        if end.is_none_or(|end| leg.begin <= end) {
            limit = Some(leg.begin);
            newest_first.push(Leg { end, ..leg });
        }
    }
    newest_first.reverse();
    newest_first
}

//! What can be restored: gaps of an archive, and windows that follow from its backups.
//!
//! The words are those of the design. A **gap** is a maximal run of missing segments below the highest one of a
//! timeline, or below the switch point for a timeline that has a successor in a history file. A **window** is
//! `[from, to]` for one chain of timelines: from a backup's consistency point to the last commit in the last segment
//! that follows without a gap. Windows that touch are merged within one target timeline only: the same time on two
//! branches is two different contents. A timeline whose every commit also lies on the way to a successor gets no
//! window of its own.
//!
//! A recovery reads each segment from the newest timeline of its path that has begun by then (PostgreSQL,
//! `XLogFileReadAnyTLI`), so the segment of a switch comes from the successor. It follows nothing but the target
//! timeline's own history file; where that is missing, only the timeline's own backups lead to it.
//!
//! One db-id at a time: [`survey`] asks for the commit times of the few segments it must know, until it knows all. It
//! reads nothing itself.

mod cost;
mod gaps;
mod input;
mod output;
mod reach;
mod survey;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use input::{Backup, BackupWal, CommitTimes, Database, SegmentCommits, Terms};
pub use output::{BackupRecovery, Cost, Defect, Gap, Reach, Recovery, Restorable, Unusable, Window};
pub use survey::{Survey, survey};

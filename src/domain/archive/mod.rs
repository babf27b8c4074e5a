//! A WAL archive as its names tell it: which segments are there, timeline by timeline, and how timelines descend.
//!
//! [`Archive`] is the state of one db-id, folded from names; it grows with the number of gaps, not of segments, and
//! can be stored. Nothing here reads a store: names, sizes and the time are passed in. Gaps and
//! windows follow from it elsewhere.

mod changes;
mod fold;
mod history;
mod name;
mod runs;
mod timeline;

pub use changes::{Changes, SegmentRange};
pub use fold::Archive;
pub use history::{Ancestry, History, HistoryError, Leg, Switch};
pub use name::{ArchiveFile, Compression, StoredSegment, database_id};
pub use runs::{Missing, Run, Runs};
pub use timeline::TimelineSegments;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

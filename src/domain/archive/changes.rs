//! What a whole new listing changes.

use serde::{Deserialize, Serialize};

use super::{Archive, Runs};
use crate::domain::wal::Segment;

/// Consecutive segments of one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentRange {
    /// The first.
    pub first: Segment,
    /// The last.
    pub last: Segment,
}

/// How a listing differs from what was known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Segments that are new.
    pub arrived: u64,
    /// Segments that are gone below the lowest that is left of their timeline: expired.
    pub expired: u64,
    /// Segments that are gone from elsewhere. An expiry leaves such holes too where it keeps an older backup; at the
    /// upper end of a timeline it means that the repository is older than what was seen of it.
    pub vanished: Vec<SegmentRange>,
}

impl Archive {
    /// Replaces what was known by a whole new listing. Gaps that are known already keep their age.
    pub fn relist(&mut self, mut fresh: Self) -> Changes {
        let mut changes = Changes::default();
        for (id, timeline) in &mut fresh.timelines {
            if let Some(known) = self.timelines.get(id) {
                timeline.keep_ages_of(known);
            }
        }
        for (id, seen) in &mut fresh.histories {
            if let Some(known) = self.histories.get(id) {
                *seen = (*seen).min(*known);
            }
        }
        if fresh.segment_size == self.segment_size {
            self.compare(&fresh, &mut changes);
        }
        *self = fresh;
        changes
    }

    fn compare(&self, fresh: &Self, changes: &mut Changes) {
        let nothing = Runs::default();
        for (id, known) in &self.timelines {
            let now = fresh
                .timelines
                .get(id)
                .map_or(&nothing, |timeline| timeline.runs());
            for (first, last) in difference(known.runs(), now) {
                match now.lowest() {
                    Some(lowest) if first > lowest => {
                        let range = self.segment(*id, first).zip(self.segment(*id, last));
                        changes
                            .vanished
                            .extend(range.map(|(first, last)| SegmentRange { first, last }));
                    }
                    _ => changes.expired += last - first + 1,
                }
            }
        }
        for (id, timeline) in &fresh.timelines {
            let known = self
                .timelines
                .get(id)
                .map_or(&nothing, |timeline| timeline.runs());
            let new = difference(timeline.runs(), known);
            changes.arrived += new.map(|(first, last)| last - first + 1).sum::<u64>();
        }
    }
}

/// What is in the one and not in the other.
fn difference(these: &Runs, others: &Runs) -> impl Iterator<Item = (u64, u64)> {
    these
        .iter()
        .flat_map(|run| others.missing(run.first, run.last))
        .map(|gap| (gap.first, gap.last))
}

//! When each timeline began to take writes: the record with which a recovery ended, in the segment of the switch.
//!
//! A restore without a word about the branch needs it: a time means the database as it was then. One segment is read for each timeline,
//! once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::commits::CommitReader;
use crate::{
    domain::{
        archive::{Archive, History},
        restore::Branch,
        wal::Segment,
    },
    pgbackrest::repository::RepositoryError,
};

/// So many are read in one look, the newest first; the next look goes on.
const AT_ONCE: u64 = 16;

/// By timeline; nothing where the segment does not tell.
pub(super) type Starts = BTreeMap<u32, Option<DateTime<Utc>>>;

/// Reads what is not known of timelines whose first segment has arrived; how many segments were read.
pub(super) async fn read_starts(
    reader: &CommitReader<'_>,
    archive: &Archive,
    histories: &BTreeMap<u32, History>,
    known: &mut Starts,
) -> Result<u64, RepositoryError> {
    known.retain(|timeline, _| histories.contains_key(timeline));
    let mut read = 0;
    for history in histories.values().rev() {
        if known.contains_key(&history.timeline) {
            continue;
        }
        if read == AT_ONCE {
            break;
        }
        let Some((segment, at)) = first_segment(archive, history) else {
            continue;
        };
        let start = reader.timeline_start(segment).await?;
        read += 1;
        let own = start.filter(|start| start.lsn >= at);
        known.insert(history.timeline, own.map(|start| start.time));
    }
    Ok(read)
}

fn first_segment(archive: &Archive, history: &History) -> Option<(Segment, crate::domain::wal::Lsn)> {
    let at = history.switches.last()?.at;
    let index = at.0 / archive.segment_size().bytes();
    let segments = archive.timeline(history.timeline)?;
    let there = segments.runs().contains(index) && !segments.duplicate().contains(&index);
    Some((archive.segment(history.timeline, index).filter(|_| there)?, at))
}

/// The timelines of which it is known when they began; the oldest of all has no beginning.
pub(super) fn branches(archive: &Archive, histories: &BTreeMap<u32, History>, known: &Starts) -> Vec<Branch> {
    let oldest = archive
        .timelines()
        .map(|(timeline, _)| timeline)
        .chain(
            histories
                .values()
                .flat_map(|history| history.switches.iter().map(|switch| switch.timeline)),
        )
        .min();
    let first = oldest
        .filter(|timeline| !known.contains_key(timeline))
        .map(|timeline| Branch {
            timeline,
            began: None,
        });
    let others = known.iter().filter_map(|(timeline, began)| {
        Some(Branch {
            timeline: *timeline,
            began: Some((*began)?),
        })
    });
    first.into_iter().chain(others).collect()
}

//! The fold against sets of segments, and its speed.

use std::{collections::BTreeSet, fmt::Write, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::domain::wal::{Segment, SegmentSize};

#[derive(Debug, Clone)]
enum Step {
    Add(u64),
    Remove(u64),
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40_u64).prop_map(Step::Add),
        2 => (0..40_u64).prop_map(Step::Remove),
        1 => (0..40_u64).prop_map(Step::Expire),
    ]
}

fn time(minute: usize) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(i64::try_from(minute).unwrap())
}

fn path(index: u64, size: SegmentSize) -> String {
    let segment = Segment::at(1, index, size).unwrap();
    format!("{}/{segment}-{}.zst", segment.directory(), "0".repeat(40))
}

fn members(archive: &Archive) -> BTreeSet<u64> {
    let runs = archive.timeline(1).map(|timeline| timeline.runs().iter());
    runs.into_iter()
        .flatten()
        .flat_map(|run| run.first..=run.last)
        .collect()
}

/// Runs are maximal: none touches the next.
fn well_formed(archive: &Archive) -> bool {
    let runs: Vec<_> = archive
        .timeline(1)
        .map(|timeline| timeline.runs().iter().collect())
        .unwrap_or_default();
    runs.iter().all(|run| run.first <= run.last) && runs.windows(2).all(|two| two[0].last + 1 < two[1].first)
}

fn size() -> impl Strategy<Value = SegmentSize> {
    (20..=30_u32).prop_map(|power| SegmentSize::new(1 << power).unwrap())
}

fn folded(segments: &BTreeSet<u64>, size: SegmentSize, now: DateTime<Utc>) -> Archive {
    let mut archive = Archive::new(size);
    for index in segments {
        archive.fold(&path(*index, size), 1, now);
    }
    archive
}

proptest! {
    #[test]
    fn folding_is_a_set_of_segments(steps in prop::collection::vec(step(), 0..120), size in size()) {
        let mut archive = Archive::new(size);
        let mut set = BTreeSet::new();
        for (minute, step) in steps.iter().enumerate() {
            let now = time(minute);
            match step {
                Step::Add(index) => {
                    archive.fold(&path(*index, size), 1, now);
                    set.insert(*index);
                }
                Step::Remove(index) => {
                    archive.forget(&path(*index, size), now);
                    set.remove(index);
                }
                Step::Expire(index) => {
                    archive.expire_before(Segment::at(1, *index, size).unwrap(), now);
                    set = set.split_off(index);
                }
            }
            prop_assert_eq!(members(&archive), set.clone());
            prop_assert!(well_formed(&archive));
        }
        let runs = Runs::from(archive.timeline(1).map(|timeline| timeline.runs().iter().collect::<Vec<_>>()).unwrap_or_default());
        for index in 0..41 {
            prop_assert_eq!(runs.contains(index), set.contains(&index));
            let end = (index..41).take_while(|next| set.contains(next)).last();
            prop_assert_eq!(runs.end_from(index), end);
        }
        prop_assert_eq!(runs.count(), set.len() as u64);
        for (first, last) in [(0, 40), (3, 17), (9, 9), (20, 10)] {
            let missing: BTreeSet<u64> = runs.missing(first, last).flat_map(|gap| gap.first..=gap.last).collect();
            let expected: BTreeSet<u64> = (first..=last).filter(|index| !set.contains(index)).collect();
            prop_assert_eq!(missing, expected);
        }
    }

    /// A segment is missing since the first of an unbroken series of moments at which it was missing between others.
    #[test]
    fn a_gap_is_as_old_as_its_oldest_segment(steps in prop::collection::vec(step(), 0..120)) {
        let size = SegmentSize::default();
        let mut archive = Archive::new(size);
        let mut since = [None; 40];
        for (minute, step) in steps.iter().enumerate() {
            let now = time(minute);
            match step {
                Step::Add(index) => { archive.fold(&path(*index, size), 1, now); }
                Step::Remove(index) => archive.forget(&path(*index, size), now),
                Step::Expire(index) => archive.expire_before(Segment::at(1, *index, size).unwrap(), now),
            }
            let set = members(&archive);
            for (index, since) in (0_u64..).zip(&mut since) {
                let between = set.range(..index).next().is_some() && set.range(index..).next().is_some();
                *since = (between && !set.contains(&index)).then(|| since.unwrap_or(now));
            }
        }
        let Some(timeline) = archive.timeline(1) else { return Ok(()) };
        let (Some(lowest), Some(highest)) = (timeline.runs().lowest(), timeline.runs().highest()) else { return Ok(()) };
        for gap in timeline.runs().missing(lowest, highest) {
            let oldest = (gap.first..=gap.last).filter_map(|index| since[usize::try_from(index).unwrap()]).min();
            // A part that is filled leaves its age to the rest; so a gap may be older than what is left of it, never younger.
            prop_assert!(gap.since <= oldest, "{gap:?} {oldest:?}");
        }
    }

    #[test]
    fn a_new_listing_is_as_if_nothing_had_been_known(
        known in prop::collection::btree_set(0..40_u64, 0..30), fresh in prop::collection::btree_set(0..40_u64, 0..30), size in size(),
    ) {
        let mut archive = folded(&known, size, time(0));
        let changes = archive.relist(folded(&fresh, size, time(9)));
        prop_assert_eq!(members(&archive), fresh.clone());
        prop_assert_eq!(changes.arrived, fresh.difference(&known).count() as u64);
        let vanished: u64 = changes.vanished.iter().map(|range| range.last.index(size) - range.first.index(size) + 1).sum();
        prop_assert_eq!(changes.expired + vanished, known.difference(&fresh).count() as u64);
        let Some(timeline) = archive.timeline(1) else { return Ok(()) };
        let missing_before = |index: &u64| {
            !known.contains(index) && known.range(..index).next().is_some() && known.range(index..).next().is_some()
        };
        for (below, above) in timeline.runs().iter().zip(timeline.runs().iter().skip(1)) {
            let old = (below.last + 1..above.first).any(|index| missing_before(&index));
            prop_assert_eq!(above.since, if old { time(0) } else { time(9) });
        }
    }

    #[test]
    fn order_does_not_matter(segments in prop::collection::vec(0..60_u64, 0..50), size in size()) {
        let shuffled: BTreeSet<u64> = segments.iter().copied().collect();
        let mut archive = Archive::new(size);
        for index in &segments {
            archive.fold(&path(*index, size), 1, time(0));
        }
        prop_assert_eq!(members(&archive), shuffled.clone());
        let stored: Archive = serde_json::from_str(&serde_json::to_string(&archive).unwrap()).unwrap();
        prop_assert_eq!(members(&stored), shuffled);
    }
}

/// `cargo test --release --lib -- --ignored fold_speed --nocapture`: prints names per second on one core.
#[test]
#[ignore = "a measurement; run it in release"]
fn fold_speed() {
    const NAMES: u64 = 1_000_000;
    let size = SegmentSize::default();
    let mut names = String::new();
    let mut ends = Vec::new();
    for index in 0..NAMES {
        let segment = Segment::at(1, index, size).unwrap();
        let checksum = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        write!(
            names,
            "{}/{segment}-{checksum:016x}{checksum:016x}{:08x}.zst",
            segment.directory(),
            index
        )
        .unwrap();
        ends.push(names.len());
    }
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let mut archive = Archive::new(size);
        let now = time(0);
        let mut begin = 0;
        let clock = Instant::now();
        for end in &ends {
            archive.fold(&names[begin..*end], 5_000_000, now);
            begin = *end;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate, printed")]
        let rate = NAMES as f64 / clock.elapsed().as_secs_f64();
        assert_eq!(archive.timeline(1).unwrap().runs().count(), NAMES);
        best = best.max(rate);
    }
    println!(r#"{{"bench":"fold","names":{NAMES},"namesPerSecond":{best:.0}}}"#);
}

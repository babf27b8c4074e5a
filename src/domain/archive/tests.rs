use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::domain::wal::{Segment, SegmentSize};

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn path(segment: &str, rest: &str) -> String {
    format!("{}/{segment}{rest}", &segment[..16])
}

fn sha(digit: char) -> String {
    format!("-{}.zst", digit.to_string().repeat(40))
}

fn archive() -> Archive {
    Archive::new(SegmentSize::default())
}

fn with(segments: &[u64], now: DateTime<Utc>) -> Archive {
    let mut archive = archive();
    add(&mut archive, segments, now);
    archive
}

fn add(archive: &mut Archive, segments: &[u64], now: DateTime<Utc>) {
    for index in segments {
        let name = Segment::at(1, *index, archive.segment_size())
            .unwrap()
            .to_string();
        archive.fold(&path(&name, &sha('a')), 100, now);
    }
}

fn runs(archive: &Archive) -> Vec<(u64, u64)> {
    let runs = archive.timeline(1).map(|timeline| timeline.runs().iter());
    runs.into_iter()
        .flatten()
        .map(|run| (run.first, run.last))
        .collect()
}

/// First and last segment of each gap, and the minute since which it is visible.
fn gaps(archive: &Archive) -> Vec<(u64, u64, i64)> {
    let runs = archive.timeline(1).unwrap().runs();
    runs.missing(runs.lowest().unwrap(), runs.highest().unwrap())
        .map(|gap| (gap.first, gap.last, gap.since.unwrap().timestamp() / 60))
        .collect()
}

#[test]
fn segments_in_order_are_one_run_across_the_end_of_a_log() {
    let mut archive = archive();
    for name in [
        "0000000100000000000000FE",
        "0000000100000000000000FF",
        "000000010000000100000000",
    ] {
        archive.fold(&path(name, &sha('a')), 100, minute(0));
    }
    assert_eq!(runs(&archive), [(0xFE, 0x100)]);
}

#[test]
fn a_log_has_as_many_segments_as_the_segment_size_makes() {
    let mut archive = Archive::new(SegmentSize::new(1 << 30).unwrap());
    for name in ["000000010000000000000003", "000000010000000100000000"] {
        archive.fold(&path(name, &sha('a')), 100, minute(0));
    }
    assert_eq!(runs(&archive), [(3, 4)]);
    archive.fold(&path("000000010000000100000004", &sha('a')), 100, minute(0));
    assert_eq!(runs(&archive), [(3, 4)]);
    assert_eq!(archive.wrong_size(), 1);
}

#[test]
fn a_gap_is_as_old_as_the_segment_that_made_it_visible() {
    let mut archive = with(&[1, 2], minute(0));
    add(&mut archive, &[7], minute(5));
    assert_eq!(gaps(&archive), [(3, 6, 5)]);
}

#[test]
fn a_gap_that_is_filled_in_part_keeps_its_age() {
    let mut archive = with(&[1, 7], minute(5));
    add(&mut archive, &[4], minute(9));
    assert_eq!(gaps(&archive), [(2, 3, 5), (5, 6, 5)]);
    add(&mut archive, &[6, 2], minute(10));
    assert_eq!(gaps(&archive), [(3, 3, 5), (5, 5, 5)]);
}

#[test]
fn a_gap_closes_when_an_archiver_catches_up() {
    let mut archive = with(&[1, 4], minute(5));
    add(&mut archive, &[3, 2], minute(6));
    assert_eq!(runs(&archive), [(1, 4)]);
}

#[test]
fn a_segment_below_the_lowest_opens_a_new_gap() {
    let mut archive = with(&[5], minute(0));
    add(&mut archive, &[2], minute(8));
    assert_eq!(gaps(&archive), [(3, 4, 8)]);
}

#[test]
fn an_expiry_moves_the_lower_bound_and_opens_no_gap() {
    let mut archive = with(&[1, 2, 3, 6, 7, 8], minute(0));
    archive.expire_before("000000010000000000000007".parse().unwrap(), minute(3));
    assert_eq!(runs(&archive), [(7, 8)]);
    archive.expire_before("000000010000000000000009".parse().unwrap(), minute(3));
    assert_eq!(archive.timelines().count(), 0);
}

#[test]
fn a_segment_that_is_taken_away_opens_a_gap() {
    let mut archive = with(&[1, 2, 3, 4], minute(0));
    archive.forget(&path("000000010000000000000002", &sha('a')), minute(4));
    assert_eq!(gaps(&archive), [(2, 2, 4)]);
    archive.forget(&path("000000010000000000000003", &sha('a')), minute(6));
    assert_eq!(gaps(&archive), [(2, 3, 4)]);
    archive.forget(&path("000000010000000000000001", &sha('a')), minute(7));
    assert_eq!(runs(&archive), [(4, 4)]);
}

#[test]
fn a_partial_segment_does_not_count_as_one() {
    let mut archive = with(&[1, 2], minute(0));
    archive.fold(
        &path("000000010000000000000003", &format!(".partial{}", sha('a'))),
        100,
        minute(0),
    );
    assert_eq!(runs(&archive), [(1, 2)]);
    assert!(archive.timeline(1).unwrap().partial().contains(&3));
}

#[test]
fn an_empty_file_is_a_missing_segment_until_it_has_content() {
    let mut archive = with(&[1, 3], minute(0));
    let name = path("000000010000000000000002", &sha('a'));
    archive.fold(&name, 0, minute(0));
    assert_eq!(gaps(&archive), [(2, 2, 0)]);
    assert!(archive.timeline(1).unwrap().empty().contains(&2));
    archive.fold(&name, 100, minute(1));
    assert_eq!(runs(&archive), [(1, 3)]);
    assert!(archive.timeline(1).unwrap().empty().is_empty());
}

#[test]
fn two_files_of_one_segment_are_an_oddity() {
    let mut archive = archive();
    for (segment, rest) in [
        ("000000010000000000000001", sha('a')),
        ("000000010000000000000001", sha('a')),
        ("000000010000000000000002", sha('a')),
        ("000000010000000000000002", sha('b')),
        ("000000010000000000000003", sha('a')),
    ] {
        archive.fold(&path(segment, &rest), 100, minute(0));
    }
    let duplicate = |archive: &Archive| {
        archive
            .timeline(1)
            .unwrap()
            .duplicate()
            .iter()
            .copied()
            .collect::<Vec<u64>>()
    };
    assert_eq!(duplicate(&archive), [2]);
    assert_eq!(runs(&archive), [(1, 3)]);
    archive.forget(&path("000000010000000000000002", &sha('b')), minute(1));
    assert!(duplicate(&archive).is_empty());
    assert_eq!(runs(&archive), [(1, 3)]);
}

#[test]
fn foreign_files_are_counted_and_history_files_are_noted() {
    let mut archive = archive();
    archive.fold("lost+found", 0, minute(0));
    archive.fold("00000002.history", 30, minute(2));
    archive.fold("00000002.history", 30, minute(3));
    assert_eq!(archive.not_ours(), 1);
    assert_eq!(archive.histories().get(&2), Some(&minute(2)));
}

#[test]
fn a_new_listing_keeps_the_age_of_gaps() {
    let mut known = with(&[1, 2, 3, 7, 9], minute(0));
    let changes = known.relist(with(&[2, 4, 7, 9, 12], minute(30)));
    assert_eq!(gaps(&known), [(3, 3, 30), (5, 6, 0), (8, 8, 0), (10, 11, 30)]);
    assert_eq!(changes.arrived, 2);
    assert_eq!(changes.expired, 1);
    let three = "000000010000000000000003".parse().unwrap();
    assert_eq!(
        changes.vanished,
        [SegmentRange {
            first: three,
            last: three
        }]
    );
}

#[test]
fn a_new_listing_keeps_when_a_timeline_and_its_history_were_first_seen() {
    let seen = |now| {
        let mut archive = with(&[5], now);
        archive.fold("00000002.history", 30, now);
        archive
    };
    let mut known = seen(minute(0));
    known.relist(seen(minute(30)));
    assert_eq!(known.histories().get(&2), Some(&minute(0)));
    let timeline = known.timeline(1).unwrap();
    assert_eq!(timeline.first_seen(), minute(0));
    // What precedes the lowest segment may be the missing beginning of a timeline.
    assert_eq!(timeline.runs().iter().next().unwrap().since, minute(0));
}

#[test]
fn the_lowest_run_keeps_its_age_when_it_grows_downwards() {
    let mut archive = with(&[5], minute(0));
    add(&mut archive, &[4], minute(9));
    let lowest = archive.timeline(1).unwrap().runs().iter().next().unwrap();
    assert_eq!((lowest.first, lowest.last, lowest.since), (4, 5, minute(0)));
}

#[test]
fn any_stored_list_of_runs_is_put_in_order() {
    let run = |first, last| Run {
        first,
        last,
        since: minute(0),
    };
    let runs = Runs::from(vec![run(7, 9), run(1, 6), run(2, 3), run(5, 4), run(11, 11)]);
    let list: Vec<_> = runs.iter().map(|run| (run.first, run.last)).collect();
    assert_eq!(list, [(1, 9), (11, 11)]);
}

#[test]
fn a_repository_swapped_for_an_older_copy_has_lost_its_newest_segments() {
    let mut known = with(&[1, 2, 3, 4], minute(0));
    let changes = known.relist(with(&[1, 2], minute(30)));
    let range = SegmentRange {
        first: "000000010000000000000003".parse().unwrap(),
        last: "000000010000000000000004".parse().unwrap(),
    };
    assert_eq!(changes.vanished, [range]);
    assert_eq!(runs(&known), [(1, 2)]);
}

#[test]
fn listing_goes_on_before_the_lowest_gap_that_may_still_be_filled() {
    let mut archive = with(&[1, 3], minute(0));
    add(&mut archive, &[4, 6, 8], minute(10));
    let timeline = archive.timeline(1).unwrap();
    assert_eq!(timeline.list_from(minute(5)), Some(4));
    assert_eq!(timeline.list_from(minute(0)), Some(1));
    assert_eq!(timeline.list_from(minute(11)), Some(8));
}

#[test]
fn an_archive_without_gaps_stays_small_whatever_its_length() {
    let mut archive = archive();
    for index in 0..200_000 {
        add(&mut archive, &[index], minute(0));
    }
    assert_eq!(runs(&archive), [(0, 199_999)]);
    let timeline = archive.timeline(1).unwrap();
    // One entry of one run is all that grows; a B-tree node holds eleven.
    let node = 11 * (size_of::<Run>() + size_of::<usize>()) + 64;
    assert!(size_of_val(timeline) + node < 4096);
    assert!(serde_json::to_string(timeline).unwrap().len() < 1024);
}

#[test]
fn an_archive_survives_being_stored() {
    let mut archive = with(&[1, 2, 5, 300], minute(1));
    archive.fold(&path("000000010000000000000002", &sha('b')), 100, minute(0));
    archive.fold("00000002.history", 30, minute(2));
    let json = serde_json::to_string(&archive).unwrap();
    assert_eq!(serde_json::from_str::<Archive>(&json).unwrap(), archive);
}

#[test]
fn a_history_file_names_ancestors_and_where_they_were_left() {
    let content = b"1\t0/3000158\tno recovery target specified\n\n# comment\n2\t0/65000160\tbefore 2026-11-20 23:31:06.198875+00\n";
    let history = History::parse(3, content).unwrap();
    let found: Vec<_> = history
        .switches
        .iter()
        .map(|s| (s.timeline, s.at.to_string(), &*s.reason))
        .collect();
    assert_eq!(
        found,
        [
            (1, "0/3000158".to_owned(), "no recovery target specified"),
            (2, "0/65000160".to_owned(), "before 2026-11-20 23:31:06.198875+00"),
        ]
    );
    assert_eq!(History::parse(3, b"").unwrap().switches, []);
}

#[test]
fn a_damaged_history_file_is_refused() {
    let line = |line| HistoryError::Line { timeline: 3, line };
    assert_eq!(History::parse(3, b"x\t0/1\n"), Err(line(1)));
    assert_eq!(History::parse(3, b"1\t0/1\tx\n2\n"), Err(line(2)));
    assert_eq!(History::parse(3, b"1\t0-1\n"), Err(line(1)));
    let order = |named| HistoryError::Order {
        timeline: 3,
        line: 2,
        named,
    };
    assert_eq!(History::parse(3, b"1\t0/1\tx\n3\t0/2\tx\n"), Err(order(3)));
    assert_eq!(History::parse(3, b"2\t0/1\tx\n1\t0/2\tx\n"), Err(order(1)));
    assert_eq!(order(1).category(), "invalid-history-file");
}

#[test]
fn a_path_leads_along_the_ancestors_and_reads_the_segment_of_a_switch_from_the_successor() {
    let size = SegmentSize::default();
    let histories = [(
        3,
        History::parse(3, b"1\t0/5000100\tx\n2\t0/5000200\tx\n").unwrap(),
    )];
    let ancestry = Ancestry::new(&histories.into(), [1, 3, 7]);
    let reads = |index| {
        ancestry
            .path(3)
            .iter()
            .find(|leg| leg.holds(index, size))
            .map(|leg| leg.timeline)
    };
    assert_eq!([reads(4), reads(5), reads(6)], [Some(1), Some(3), Some(3)]);
    assert_eq!(ancestry.path(2).len(), 1, "its own history file is missing");
    assert_eq!(ancestry.path(7).len(), 1);
    assert_eq!(
        ancestry.successors(1).collect::<Vec<_>>(),
        [(2, "0/5000100".parse().unwrap())]
    );
    assert!(ancestry.path(9).is_empty());
}

/// As PostgreSQL writes it when a recovery that was to follow timeline 3 stopped on timeline 1.
#[test]
fn a_path_that_left_an_ancestor_before_others_goes_on_from_there() {
    let text = b"1\t0/7000000\tx\n2\t0/8000000\tx\n3\t0/5000100\tx\n4\t0/6000000\tx\n";
    let histories = [(5, History::parse(5, text).unwrap())];
    let ancestry = Ancestry::new(&histories.into(), []);
    let lsn = |text: &str| text.parse().unwrap();
    let legs: Vec<_> = ancestry
        .path(5)
        .iter()
        .map(|leg| (leg.timeline, leg.begin, leg.end))
        .collect();
    assert_eq!(
        legs,
        [
            (1, lsn("0/0"), Some(lsn("0/5000100"))),
            (4, lsn("0/5000100"), Some(lsn("0/6000000"))),
            (5, lsn("0/6000000"), None),
        ]
    );
}

use proptest::prelude::*;

use super::{
    writer::{Entry, PAGE, SYSTEM_ID, Writer},
    *,
};
use crate::domain::wal::{Lsn, Segment, SegmentSize};

const COMMIT: Entry = Entry::Commit {
    micros: 848_533_448_460_851,
    more: 0,
};

fn size() -> SegmentSize {
    SegmentSize::new(1 << 20).unwrap()
}

fn writer() -> Writer {
    Writer::new("000000010000000000000007".parse().unwrap(), size())
}

fn at(micros: i64) -> Entry {
    Entry::Commit { micros, more: 0 }
}

fn only(writer: Writer) -> SegmentCommits {
    let (segment, content) = writer.segments().remove(0);
    scan(segment, &content).unwrap()
}

/// Scans neighbours, each with what the one before left over.
fn chained(segments: &[(Segment, Vec<u8>)]) -> Vec<SegmentCommits> {
    let mut carry = None;
    let mut found = Vec::new();
    for (segment, content) in segments {
        let mut scan = match carry.take() {
            Some(carry) => Scan::after(*segment, carry),
            None => Scan::new(*segment),
        };
        scan.feed(content).unwrap();
        let (commits, next) = scan.finish().unwrap();
        carry = next;
        found.push(commits);
    }
    found
}

#[test]
fn the_first_and_the_last_commit_are_found_with_their_times() {
    let mut writer = writer();
    for entry in [
        Entry::Other(100),
        at(5),
        at(7),
        Entry::Abort { micros: 9 },
        Entry::Other(30),
    ] {
        writer.write(&entry);
    }
    let [first, last, abort] = writer.ends[..] else {
        panic!()
    };
    let found = only(writer);
    assert_eq!((found.first, found.last), (Some(first), Some(last)));
    assert_eq!(found.last_end, Some(abort));
    assert_eq!((found.commits, found.records), (2, 5));
    assert_eq!((found.version, found.system_id), (18, SYSTEM_ID));
    assert_eq!(first.time.to_rfc3339(), "2000-01-01T00:00:00.000005+00:00");
}

#[test]
fn the_time_is_the_one_that_pg_waldump_printed_for_a_real_record() {
    // Measured with PostgreSQL 18: data that begins with 338ac696bc030300.
    let micros = i64::from_le_bytes([0x33, 0x8a, 0xc6, 0x96, 0xbc, 0x03, 0x03, 0x00]);
    let mut writer = writer();
    writer.write(&at(micros));
    let time = only(writer).last.unwrap().time;
    assert_eq!(time.to_rfc3339(), "2026-11-20T23:44:08.460851+00:00");
}

#[test]
fn prepared_transactions_and_those_from_elsewhere_count_too() {
    let mut writer = writer();
    writer.write(&Entry::CommitPrepared {
        micros: 3,
        more: 4000,
    });
    let expected = writer.ends[0];
    assert_eq!(only(writer).first, Some(expected));
}

#[test]
fn every_version_has_its_magic() {
    for (magic, version) in [
        (0xD106, 13),
        (0xD10D, 14),
        (0xD110, 15),
        (0xD113, 16),
        (0xD116, 17),
        (0xD118, 18),
    ] {
        let mut writer = writer();
        writer.magic = magic;
        writer.write(&COMMIT);
        assert_eq!(only(writer).version, version);
    }
}

#[test]
fn nothing_is_read_behind_a_switch() {
    let mut writer = writer();
    writer.write(&at(1));
    let switch = Lsn(writer.at());
    writer.write(&Entry::Switch);
    writer.write(&at(2));
    let segments = writer.segments();
    let found = chained(&segments);
    assert_eq!(found[0].end, End::Switch(switch));
    assert_eq!((found[0].commits, found[1].commits), (1, 1));
    // The first record of the next segment points back to the switch.
    assert_eq!(found[1].begin, Begin::Known);
}

#[test]
fn zeros_end_a_segment_that_was_not_filled() {
    let mut writer = writer();
    writer.write(&at(1));
    let end = Lsn(writer.at());
    assert_eq!(only(writer).end, End::Blank(end));
}

/// A commit whose header is in one segment and whose end is in the next.
fn across() -> (Vec<(Segment, Vec<u8>)>, TransactionEnd) {
    let mut writer = writer();
    writer.write(&at(1));
    // Leaves 16 bytes, less than a record's header.
    let room = (1 << 20) - writer.bytes.len();
    let pages = room / PAGE;
    writer.write(&Entry::Other(room - pages * 24 - 24 - 16));
    assert_eq!(writer.bytes.len(), (1 << 20) - 16);
    writer.write(&at(2));
    let commit = writer.ends[1];
    (writer.segments(), commit)
}

#[test]
fn a_commit_counts_for_the_segment_that_it_ends_in() {
    let (segments, commit) = across();
    let found = chained(&segments);
    assert_eq!((found[0].commits, found[0].end), (1, End::Full));
    assert_eq!((found[1].first, found[1].begin), (Some(commit), Begin::Known));
}

#[test]
fn without_the_segment_before_it_is_said_that_something_is_unread() {
    let (segments, _) = across();
    let alone = scan(segments[1].0, &segments[1].1).unwrap();
    assert_eq!((alone.begin, alone.commits), (Begin::Unread, 0));
    assert!(alone.first_needs_previous() && alone.last_needs_previous());
    let before = scan(segments[0].0, &segments[0].1).unwrap();
    assert!(!before.first_needs_previous() && !before.last_needs_previous());
}

#[test]
fn what_is_left_over_from_elsewhere_is_not_used() {
    let (segments, _) = across();
    let mut first = Scan::new(segments[0].0);
    first.feed(&segments[0].1).unwrap();
    let carry = first.finish().unwrap().1.unwrap();
    let mut again = Scan::after(segments[0].0, carry);
    again.feed(&segments[0].1).unwrap();
    assert_eq!(again.finish().unwrap().0.commits, 1);
}

#[test]
fn a_record_can_pass_through_a_whole_segment() {
    let mut writer = writer();
    writer.write(&Entry::Commit {
        micros: 1,
        more: 5 << 19,
    });
    let commit = writer.ends[0];
    let segments = writer.segments();
    let found = chained(&segments);
    let commits: Vec<_> = found.iter().map(|found| found.commits).collect();
    assert_eq!(commits, [0, 0, 1]);
    assert_eq!(found[2].last, Some(commit));
    let alone = scan(segments[1].0, &segments[1].1).unwrap();
    assert_eq!((alone.begin, alone.end), (Begin::Unread, End::Full));
}

#[test]
fn a_record_that_was_given_up_in_a_crash_is_passed_over() {
    let mut writer = writer();
    writer.write(&at(1));
    writer.abandon(20_000);
    writer.write(&at(2));
    let found = only(writer);
    assert_eq!(found.commits, 2);
    assert!(matches!(found.end, End::Blank(_)));
}

#[test]
fn a_former_content_of_the_file_is_not_read() {
    let mut old = Writer::new("000000010000000000000003".parse().unwrap(), size());
    let mut new = writer();
    for micros in 0..2_000 {
        old.write(&at(micros));
    }
    new.write(&at(5_000));
    let end = new.bytes.len();
    let (segment, mut content) = new.segments().remove(0);
    let (_, former) = old.segments().remove(0);
    // Walsender and receiver write parts of pages: old records follow at once.
    content[end..].copy_from_slice(&former[end..]);
    let found = scan(segment, &content).unwrap();
    assert_eq!(found.commits, 1);
    assert_eq!(
        found.end,
        End::Invalid(Lsn(segment.start(size()).0 + end as u64), Invalid::Previous)
    );
    // Whole pages are told by their address.
    content[end..PAGE].fill(0);
    content[PAGE..].copy_from_slice(&former[PAGE..]);
    assert_eq!(scan(segment, &content).unwrap().commits, 1);
}

#[test]
fn a_page_of_another_place_ends_the_segment() {
    let mut writer = writer();
    for micros in 0..1_000 {
        writer.write(&at(micros));
    }
    let (segment, mut content) = writer.segments().remove(0);
    content[2 * PAGE + 8] ^= 0x10;
    let found = scan(segment, &content).unwrap();
    assert!(
        matches!(found.end, End::Invalid(_, Invalid::PageAddress)),
        "{found:?}"
    );
}

#[test]
fn a_damaged_record_ends_the_segment() {
    let mut writer = writer();
    writer.write(&at(1));
    let damaged = writer.at();
    writer.write(&at(2));
    let (segment, mut content) = writer.segments().remove(0);
    let offset = usize::try_from(damaged - segment.start(size()).0).unwrap();
    content[offset + 28] ^= 1;
    let found = scan(segment, &content).unwrap();
    assert_eq!(found.commits, 1);
    assert_eq!(found.end, End::Invalid(Lsn(damaged), Invalid::Checksum));
}

#[test]
fn a_page_of_a_later_timeline_ends_the_segment() {
    let mut writer = writer();
    writer.timeline = 2;
    writer.write(&at(1));
    let (segment, content) = writer.segments().remove(0);
    let older: Segment = "000000010000000000000007".parse().unwrap();
    assert_eq!(scan(segment, &content).unwrap().commits, 1);
    let found = scan(older, &content).unwrap();
    assert!(matches!(found.end, End::Invalid(_, Invalid::Timeline)));
}

#[test]
fn what_is_no_segment_is_refused() {
    let segment: Segment = "000000010000000000000007".parse().unwrap();
    let mut writer = writer();
    writer.write(&COMMIT);
    let (_, content) = writer.segments().remove(0);
    assert_eq!(scan(segment, b""), Err(XlogError::NoWal));
    assert_eq!(scan(segment, &content[..39]), Err(XlogError::NoWal));
    assert_eq!(scan(segment, &[0; PAGE]), Err(XlogError::NoWal));
    assert_eq!(
        scan(segment, &[b'x'; PAGE]),
        Err(XlogError::UnknownVersion(0x7878))
    );
    assert!(matches!(
        scan("000000010000000000000008".parse().unwrap(), &content),
        Err(XlogError::AnotherSegment { .. })
    ));
    let longer = [&content[..], &[0; 8]].concat();
    assert_eq!(scan(segment, &longer), Err(XlogError::TooLong(1 << 20)));
    let cut = scan(segment, &content[..PAGE / 2]).unwrap();
    assert_eq!(cut.end, End::CutOff(segment.start(size())));
    let mut odd = content;
    odd[34] = 0x11;
    assert!(matches!(scan(segment, &odd), Err(XlogError::Sizes { .. })));
}

fn entry() -> impl Strategy<Value = Entry> {
    let micros = 0..900_000_000_000_000_i64;
    prop_oneof![
        6 => (micros.clone(), 0..400_usize).prop_map(|(micros, more)| Entry::Commit { micros, more }),
        2 => (micros.clone(), 0..30_000_usize).prop_map(|(micros, more)| Entry::CommitPrepared { micros, more }),
        2 => micros.prop_map(|micros| Entry::Abort { micros }),
        4 => (0..9_000_usize).prop_map(Entry::Other),
        2 => (0..600_000_usize).prop_map(Entry::Other),
        1 => Just(Entry::Switch),
    ]
}

fn written(entries: &[Entry]) -> (Vec<(Segment, Vec<u8>)>, Vec<TransactionEnd>) {
    let mut writer = writer();
    for entry in entries {
        writer.write(entry);
    }
    let ends = writer.ends.clone();
    (writer.segments(), ends)
}

/// What ends in a segment: the slow and obvious way.
fn expected(ends: &[TransactionEnd], segment: Segment) -> Vec<TransactionEnd> {
    let inside = |end: &&TransactionEnd| (end.end.0 - 1) / size().bytes() == segment.index(size());
    ends.iter()
        .filter(|end| end.outcome == Outcome::Committed)
        .filter(inside)
        .copied()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_commit_is_found_in_its_segment(entries in prop::collection::vec(entry(), 1..40)) {
        let (segments, ends) = written(&entries);
        for (found, (segment, _)) in chained(&segments).iter().zip(&segments) {
            let expected = expected(&ends, *segment);
            prop_assert_eq!(found.first, expected.first().copied());
            prop_assert_eq!(found.last, expected.last().copied());
            prop_assert_eq!(found.commits, expected.len() as u64);
            prop_assert_eq!(found.begin, Begin::Known);
        }
    }

    #[test]
    fn a_segment_alone_finds_all_but_what_began_before(entries in prop::collection::vec(entry(), 1..40)) {
        let (segments, ends) = written(&entries);
        for (segment, content) in &segments {
            let found = scan(*segment, content).unwrap();
            let mut expected = expected(&ends, *segment);
            expected.retain(|end| end.lsn >= segment.start(size()));
            prop_assert_eq!(found.first, expected.first().copied());
            prop_assert_eq!(found.last, expected.last().copied());
        }
    }

    #[test]
    fn it_does_not_matter_in_which_parts_it_comes(
        entries in prop::collection::vec(entry(), 1..8), part in 1..20_000_usize,
    ) {
        let (segments, _) = written(&entries);
        let (segment, content) = &segments[0];
        let mut parts = Scan::new(*segment);
        for bytes in content.chunks(part) {
            parts.feed(bytes).unwrap();
        }
        prop_assert_eq!(parts.finish().unwrap().0, scan(*segment, content).unwrap());
    }

    #[test]
    fn a_flipped_bit_invents_no_commit(
        entries in prop::collection::vec(entry(), 1..20), place: prop::sample::Index, bit in 0..8_u8,
    ) {
        let (segments, ends) = written(&entries);
        let (segment, mut content) = segments[0].clone();
        let used = content.iter().rposition(|byte| *byte != 0).unwrap();
        content[place.index(used + 1)] ^= 1 << bit;
        if let Ok(found) = scan(segment, &content) {
            let all = expected(&ends, segment);
            let known = |end: Option<TransactionEnd>| end.is_none_or(|end| all.contains(&end));
            prop_assert!(known(found.first) && known(found.last), "{found:?}");
            prop_assert!(found.commits <= all.len() as u64);
        }
    }

    #[test]
    fn garbage_behind_a_right_header_does_not_panic(
        garbage in prop::collection::vec(any::<u8>(), 0..40_000), keep in 40..200_usize,
    ) {
        let (segments, _) = written(&[COMMIT, Entry::Other(9_000), COMMIT]);
        let (segment, mut content) = segments[0].clone();
        content.truncate(keep);
        content.extend(&garbage);
        let found = scan(segment, &content).unwrap();
        prop_assert!(found.commits <= 2);
        let _ = scan(segment, &garbage);
    }
}

#[test]
fn the_beginning_of_a_timeline_is_found_with_its_time_in_either_form() {
    let start = |entries: &[Entry]| {
        let mut writer = Writer::new("000000050000000000000007".parse().unwrap(), size());
        for entry in entries {
            writer.write(entry);
        }
        only(writer).timeline_start
    };
    let ended = Entry::EndOfRecovery {
        micros: 848_533_448_460_851,
        timelines: (5, 3),
    };
    let found = start(&[at(5), ended.clone(), at(7)]).unwrap();
    assert_eq!((found.timeline, found.left), (5, 3));
    assert_eq!(
        found.time.timestamp_micros(),
        848_533_448_460_851 + 946_684_800_000_000
    );

    let checkpoint = |timelines| Entry::Checkpoint {
        seconds: 1_795_219_200,
        timelines,
    };
    let found = start(&[at(5), checkpoint((5, 3)), at(7)]).unwrap();
    assert_eq!(found.time.timestamp(), 1_795_219_200);
    // A database that only stopped, and the beginning of the timeline before, copied up to the switch.
    assert_eq!(start(&[checkpoint((5, 5)), at(7)]), None);
    assert_eq!(start(&[checkpoint((3, 2)), at(7)]), None);
    assert_eq!(start(&[Entry::Other(200), at(7)]), None);
    // Over two pages.
    let late = start(&[Entry::Other(PAGE - 40 - 24 - 40), checkpoint((5, 3))]);
    assert_eq!(late.map(|found| found.left), Some(3));
}

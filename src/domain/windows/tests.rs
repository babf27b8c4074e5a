use std::{collections::BTreeMap, fmt::Write};

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::domain::{
    archive::{Archive, History},
    label::Label,
    wal::{Lsn, Segment, SegmentSize},
};

const DAY: &str = "20261121";

/// A db-id under construction. Positions are segments; times are minutes, and minute `n` is written in segment `n`.
struct Case {
    archive: Archive,
    histories: BTreeMap<u32, History>,
    backups: Vec<Backup>,
    commits: BTreeMap<Segment, SegmentCommits>,
    terms: Terms,
}

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn segment(timeline: u32, index: u64) -> Segment {
    Segment::at(timeline, index, SegmentSize::default()).unwrap()
}

/// The middle of a segment.
fn middle(index: u64) -> Lsn {
    Lsn((index << 24) + (1 << 23))
}

fn name(segment: Segment, digit: char) -> String {
    format!(
        "{}/{segment}-{}.zst",
        segment.directory(),
        digit.to_string().repeat(40)
    )
}

fn full(hour: u32) -> Label {
    format!("{DAY}-{hour:02}0000F").parse().unwrap()
}

impl Case {
    fn new() -> Self {
        Self {
            archive: Archive::new(SegmentSize::default()),
            histories: BTreeMap::new(),
            backups: Vec::new(),
            commits: BTreeMap::new(),
            terms: Terms {
                now: minute(1000),
                grace: TimeDelta::minutes(5),
                kept_from: None,
            },
        }
    }

    /// Archives segments, each with one commit at its end, at the minute of its index.
    fn wal(mut self, timeline: u32, segments: impl IntoIterator<Item = u64>) -> Self {
        for index in segments {
            let segment = segment(timeline, index);
            self.archive.fold(&name(segment, 'a'), 100, minute(0));
            let time = minute(i64::try_from(index).unwrap());
            let times = CommitTimes {
                first: time,
                last: time,
                last_lsn: Lsn((index << 24) + 0xFF_0000),
            };
            self.commits.insert(segment, SegmentCommits::Some(times));
        }
        self
    }

    fn without_commits(mut self, timeline: u32, segments: impl IntoIterator<Item = u64>) -> Self {
        for index in segments {
            self.commits
                .insert(segment(timeline, index), SegmentCommits::None);
        }
        self
    }

    /// A full backup that ends in the middle of the last segment.
    fn backup(mut self, hour: u32, timeline: u32, first: u64, last: u64) -> Self {
        self.backups.push(Backup {
            label: full(hour),
            prior: None,
            references: Vec::new(),
            stopped: minute(i64::try_from(last).unwrap()),
            wal: Some(BackupWal {
                first: segment(timeline, first),
                last: segment(timeline, last),
                stop: Some(middle(last)),
            }),
            page_errors: false,
        });
        self
    }

    /// The history file of a timeline; switches lie in the middle of segments.
    fn history(mut self, timeline: u32, switches: &[(u32, u64)]) -> Self {
        let mut content = String::new();
        for (left, at) in switches {
            writeln!(content, "{left}\t{}\ttest", middle(*at)).unwrap();
        }
        self.histories
            .insert(timeline, History::parse(timeline, content.as_bytes()).unwrap());
        self.archive
            .fold(&format!("{timeline:08X}.history"), 30, minute(0));
        self
    }

    fn database(&self) -> Database<'_> {
        Database {
            id: 1,
            archive: &self.archive,
            histories: &self.histories,
            backups: &self.backups,
        }
    }

    fn recovery(&self) -> Recovery {
        match survey(&self.database(), &self.commits, &self.terms) {
            Survey::Complete(recovery) => *recovery,
            Survey::Needs(needs) => panic!("{needs:?} are not known"),
        }
    }
}

/// From, to and target timeline of each window, in minutes.
fn windows(recovery: &Recovery) -> Vec<(i64, Option<i64>, u32)> {
    let minutes = |time: DateTime<Utc>| time.timestamp() / 60;
    let windows = recovery.windows.iter();
    windows
        .map(|window| (minutes(window.from), window.to.map(minutes), window.timeline))
        .collect()
}

/// Timeline, first and last index of each gap.
fn gaps(gaps: &[Gap]) -> Vec<(u32, u64, u64)> {
    let size = SegmentSize::default();
    let place = |gap: &Gap| (gap.timeline, gap.first.index(size), gap.last.index(size));
    gaps.iter().map(place).collect()
}

#[test]
fn a_window_reaches_from_the_end_of_a_backup_to_the_last_commit() {
    let recovery = Case::new().wal(1, 1..=20).backup(1, 1, 3, 5).recovery();
    assert_eq!(windows(&recovery), [(5, Some(20), 1)]);
    let window = &recovery.windows[0];
    assert_eq!(window.backup, full(1));
    assert_eq!(window.last_segment, segment(1, 20));
    assert_eq!(window.to_lsn, Some(Lsn((20 << 24) + 0xFF_0000)));
    assert_eq!(recovery.earliest_restorable_time, Some(minute(5)));
    assert_eq!(recovery.latest_restorable_time, Some(minute(20)));
    assert_eq!(recovery.backups[0].latest_restorable_time, Some(minute(20)));
    assert_eq!(recovery.gaps, []);
}

#[test]
fn a_window_ends_at_the_last_commit_however_many_segments_without_one_follow() {
    let case = Case::new()
        .wal(1, 1..=20)
        .without_commits(1, 12..=20)
        .backup(1, 1, 3, 5);
    assert_eq!(windows(&case.recovery()), [(5, Some(11), 1)]);
}

#[test]
fn nothing_committed_after_a_backup_means_no_latest_restorable_time() {
    let mut case = Case::new()
        .wal(1, 1..=8)
        .without_commits(1, 6..=8)
        .backup(1, 1, 3, 5);
    // The one commit of the backup's last segment lies before its end.
    let times = CommitTimes {
        first: minute(4),
        last: minute(4),
        last_lsn: Lsn(5 << 24),
    };
    case.commits.insert(segment(1, 5), SegmentCommits::Some(times));
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, None, 1)]);
    assert_eq!(recovery.backups[0].latest_restorable_time, None);
    assert_eq!(recovery.backups[0].restorable, Restorable::Yes);
    assert_eq!(recovery.earliest_restorable_time, Some(minute(5)));
    assert_eq!(recovery.latest_restorable_time, None);
}

#[test]
fn a_survey_asks_for_one_segment_after_the_other_until_it_finds_a_commit() {
    let mut case = Case::new()
        .wal(1, 1..=20)
        .without_commits(1, 19..=20)
        .backup(1, 1, 3, 5);
    let known = std::mem::take(&mut case.commits);
    let mut asked = Vec::new();
    while let Survey::Needs(needs) = survey(&case.database(), &case.commits, &case.terms) {
        assert_eq!(needs.len(), 1);
        for segment in needs {
            asked.push(segment.index(SegmentSize::default()));
            case.commits.insert(segment, known[&segment]);
        }
    }
    assert_eq!(asked, [20, 19, 18]);
    assert_eq!(windows(&case.recovery()), [(5, Some(18), 1)]);
}

#[test]
fn backups_of_one_run_share_a_window() {
    let recovery = Case::new()
        .wal(1, 1..=20)
        .backup(1, 1, 3, 5)
        .backup(2, 1, 9, 9)
        .recovery();
    assert_eq!(windows(&recovery), [(5, Some(20), 1)]);
    let latest: Vec<_> = recovery
        .backups
        .iter()
        .map(|backup| backup.latest_restorable_time)
        .collect();
    assert_eq!(latest, [Some(minute(20)); 2]);
}

#[test]
fn a_gap_ends_one_window_and_the_next_backup_begins_another() {
    let case = Case::new()
        .wal(1, (1..=9).chain(13..=20))
        .backup(1, 1, 3, 5)
        .backup(2, 1, 15, 16);
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, Some(9), 1), (16, Some(20), 1)]);
    assert_eq!(gaps(&recovery.gaps), [(1, 10, 12)]);
    let gap = &recovery.gaps[0];
    assert_eq!((gap.segments, gap.since), (3, minute(0)));
    assert_eq!(gap.cost.shortened, [full(1)]);
    assert!(gap.cost.unrestorable.is_empty());
    assert_eq!(gap.cost.lost_from, Some(minute(9)));
    assert_eq!(gap.cost.lost_to, Some(minute(16)));
    assert_eq!(gap.cost.next_commit, Some(minute(13)));
}

#[test]
fn a_gap_within_a_backup_makes_it_unrestorable() {
    let recovery = Case::new()
        .wal(1, (1..=4).chain(6..=9))
        .backup(1, 1, 3, 7)
        .recovery();
    assert_eq!(
        recovery.backups[0].restorable,
        Restorable::MissingWal(segment(1, 5))
    );
    assert_eq!(recovery.backups[0].latest_restorable_time, None);
    assert_eq!(recovery.gaps[0].cost.unrestorable, [full(1)]);
    assert_eq!(windows(&recovery), []);
    assert_eq!(recovery.earliest_restorable_time, None);
}

#[test]
fn a_backup_whose_last_segment_has_not_arrived_is_waited_for() {
    let recovery = Case::new().wal(1, 1..=4).backup(1, 1, 3, 5).recovery();
    assert_eq!(
        recovery.backups[0].restorable,
        Restorable::AwaitingWal(segment(1, 5))
    );
    assert_eq!(recovery.gaps, []);
}

#[test]
fn a_gap_counts_only_after_its_grace() {
    let mut case = Case::new().wal(1, [1, 2, 5]).backup(1, 1, 1, 1);
    case.terms.now = minute(4);
    let recovery = case.recovery();
    assert_eq!(gaps(&recovery.gaps_in_grace), [(1, 3, 4)]);
    assert_eq!(recovery.gaps, []);
    assert_eq!(
        windows(&recovery),
        [(1, Some(2), 1)],
        "a window never promises what is not there"
    );
    case.terms.now = minute(5);
    assert_eq!(gaps(&case.recovery().gaps), [(1, 3, 4)]);
}

#[test]
fn what_is_missing_below_the_lowest_segment_has_expired() {
    let recovery = Case::new().wal(1, 7..=9).backup(2, 1, 7, 8).recovery();
    assert_eq!(recovery.gaps, []);
    let needed = Case::new()
        .wal(1, 7..=9)
        .backup(1, 1, 4, 5)
        .backup(2, 1, 7, 8)
        .recovery();
    assert_eq!(gaps(&needed.gaps), [(1, 4, 6)], "but not what a backup needs");
    assert_eq!(needed.gaps[0].cost.unrestorable, [full(1)]);
}

#[test]
fn holes_that_an_expiry_leaves_are_no_loss() {
    let mut case = Case::new()
        .wal(1, (3..=5).chain(20..=30))
        .backup(1, 1, 3, 5)
        .backup(2, 1, 20, 21);
    case.terms.kept_from = Some(segment(1, 20));
    let recovery = case.recovery();
    assert_eq!(gaps(&recovery.gaps_of_expiry), [(1, 6, 19)]);
    assert_eq!(recovery.gaps, []);
    assert_eq!(windows(&recovery), [(5, Some(5), 1), (21, Some(30), 1)]);
}

#[test]
fn after_a_failover_one_window_runs_over_both_timelines() {
    // The old timeline's last segment was archived as a partial one only.
    let mut case = Case::new()
        .wal(1, 1..=9)
        .wal(2, 10..=20)
        .history(2, &[(1, 10)])
        .backup(1, 1, 3, 5);
    let partial = name(segment(1, 10), 'b').replace("-b", ".partial-b");
    case.archive.fold(&partial, 100, minute(0));
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, Some(20), 2)]);
    assert_eq!(recovery.windows[0].timelines, [1, 2]);
    assert_eq!(recovery.gaps, []);
}

#[test]
fn a_backup_that_ended_in_the_segment_of_a_failover_needs_it_of_the_new_timeline_only() {
    let mut case = Case::new()
        .wal(1, 1..=9)
        .wal(2, 10..=20)
        .history(2, &[(1, 10)])
        .backup(1, 1, 9, 10);
    let recovery = case.recovery();
    assert_eq!(recovery.backups[0].restorable, Restorable::Yes);
    assert_eq!(windows(&recovery), [(10, Some(20), 2)]);
    // It ended after the point at which the new timeline branched off.
    case.backups[0].wal.as_mut().unwrap().stop = Some(Lsn(middle(10).0 + 1));
    let recovery = case.recovery();
    assert_eq!(
        recovery.backups[0].restorable,
        Restorable::MissingWal(segment(1, 10))
    );
}

#[test]
fn after_a_point_in_time_restore_the_old_branch_keeps_its_own_window() {
    // Timeline 1 went on to segment 15; timeline 2 branched off at segment 10.
    let recovery = Case::new()
        .wal(1, 1..=15)
        .wal(2, 10..=30)
        .history(2, &[(1, 10)])
        .backup(1, 1, 3, 5)
        .recovery();
    assert_eq!(windows(&recovery), [(5, Some(15), 1), (5, Some(30), 2)]);
    assert_eq!(recovery.backups[0].latest_restorable_time, Some(minute(30)));
    assert_eq!(recovery.backups[0].reaches.len(), 2);
}

#[test]
fn an_old_branch_with_nothing_of_its_own_has_no_window() {
    // The old primary archived the segment of the switch, but committed nothing after the switch.
    let mut case = Case::new()
        .wal(1, 1..=10)
        .wal(2, 10..=30)
        .history(2, &[(1, 10)])
        .backup(1, 1, 3, 5);
    assert_eq!(windows(&case.recovery()), [(5, Some(10), 1), (5, Some(30), 2)]);
    let times = CommitTimes {
        first: minute(9),
        last: minute(9),
        last_lsn: Lsn(10 << 24),
    };
    case.commits.insert(segment(1, 10), SegmentCommits::Some(times));
    assert_eq!(windows(&case.recovery()), [(5, Some(30), 2)]);
}

#[test]
fn several_restores_from_one_timeline_make_several_branches() {
    let recovery = Case::new()
        .wal(1, 1..=15)
        .wal(2, 10..=30)
        .wal(3, 8..=40)
        .wal(4, 20..=25)
        .history(2, &[(1, 10)])
        .history(3, &[(1, 8)])
        .history(4, &[(1, 10), (2, 20)])
        .backup(1, 1, 3, 5)
        .backup(2, 2, 18, 19)
        .recovery();
    assert_eq!(
        windows(&recovery),
        [
            (5, Some(15), 1),
            (5, Some(25), 4),
            (5, Some(30), 2),
            (5, Some(40), 3)
        ]
    );
    let of = |backup: usize| -> Vec<_> {
        let reaches = recovery.backups[backup].reaches.iter();
        reaches.map(|reach| reach.timelines.clone()).collect()
    };
    assert_eq!(of(0), [vec![1], vec![1, 2], vec![1, 3], vec![1, 2, 4]]);
    assert_eq!(of(1), [vec![2], vec![2, 4]]);
}

#[test]
fn a_gap_below_the_switch_point_is_found() {
    let recovery = Case::new()
        .wal(1, 1..=7)
        .wal(2, 10..=20)
        .history(2, &[(1, 10)])
        .backup(1, 1, 3, 5)
        .recovery();
    assert_eq!(gaps(&recovery.gaps), [(1, 8, 9)]);
    assert_eq!(windows(&recovery), [(5, Some(7), 1)]);
    assert_eq!(recovery.gaps[0].cost.shortened, [full(1)]);
    assert_eq!(recovery.gaps[0].cost.next_commit, Some(minute(10)));
}

#[test]
fn above_the_switch_point_an_abandoned_timeline_has_no_gaps() {
    let recovery = Case::new()
        .wal(1, (1..=12).chain(15..=16))
        .wal(2, 10..=20)
        .history(2, &[(1, 10)])
        .backup(1, 1, 3, 5)
        .recovery();
    assert_eq!(recovery.gaps, []);
    assert_eq!(windows(&recovery), [(5, Some(12), 1), (5, Some(20), 2)]);
}

#[test]
fn the_missing_beginning_of_a_timeline_is_a_gap() {
    let case = Case::new()
        .wal(1, 1..=9)
        .wal(2, 12..=20)
        .history(2, &[(1, 10)])
        .backup(1, 1, 3, 5);
    let recovery = case.recovery();
    assert_eq!(gaps(&recovery.gaps), [(2, 10, 11)]);
    assert_eq!(recovery.gaps[0].cost.shortened, [full(1)]);
    assert_eq!(recovery.gaps[0].cost.lost_from, Some(minute(9)));
    assert_eq!(windows(&recovery), [(5, Some(9), 1)]);
    // Expired, when nothing older is left.
    let case = Case::new()
        .wal(2, 12..=20)
        .history(2, &[(1, 10)])
        .backup(1, 2, 13, 14);
    assert_eq!(case.recovery().gaps, []);
}

#[test]
fn the_gap_before_a_switch_is_as_old_as_what_is_known_of_the_successor() {
    let mut case = Case::new().wal(1, 1..=7).backup(1, 1, 3, 5);
    case.histories.insert(
        2,
        History::parse(2, format!("1\t{}\t", middle(10)).as_bytes()).unwrap(),
    );
    case.archive.fold("00000002.history", 30, minute(998));
    let recovery = case.recovery();
    assert_eq!(gaps(&recovery.gaps_in_grace), [(1, 8, 9)]);
    assert_eq!(recovery.gaps_in_grace[0].since, minute(998));
}

#[test]
fn without_its_history_file_only_its_own_backups_lead_to_a_timeline() {
    let recovery = Case::new()
        .wal(1, 1..=9)
        .wal(2, 10..=20)
        .backup(1, 1, 3, 5)
        .backup(2, 2, 13, 14)
        .recovery();
    assert_eq!(windows(&recovery), [(5, Some(9), 1), (14, Some(20), 2)]);
    assert_eq!(recovery.gaps, []);
}

#[test]
fn a_later_history_file_leads_over_a_timeline_whose_own_is_missing() {
    let recovery = Case::new()
        .wal(1, 1..=9)
        .wal(2, 10..=14)
        .wal(3, 15..=20)
        .history(3, &[(1, 10), (2, 15)])
        .backup(1, 1, 3, 5)
        .recovery();
    assert_eq!(windows(&recovery), [(5, Some(20), 3)]);
    assert_eq!(recovery.windows[0].timelines, [1, 2, 3]);
    // To a moment on timeline 2 the target is timeline 3 too: nothing else knows the way.
    let broken = Case::new()
        .wal(1, 1..=9)
        .wal(2, 10..=12)
        .wal(3, 15..=20)
        .history(3, &[(1, 10), (2, 15)])
        .backup(1, 1, 3, 5)
        .recovery();
    assert_eq!(windows(&broken), [(5, Some(12), 3)]);
    assert_eq!(broken.windows[0].timelines, [1, 2]);
}

#[test]
fn two_switches_in_one_segment_need_it_of_the_last_timeline_only() {
    let mut case = Case::new().wal(1, 1..=9).wal(3, 10..=20).backup(1, 1, 3, 5);
    let content = format!("1\t{}\t\n2\t{}\t\n", Lsn(10 << 24), middle(10));
    case.histories
        .insert(3, History::parse(3, content.as_bytes()).unwrap());
    let content = format!("1\t{}\t\n", Lsn(10 << 24));
    case.histories
        .insert(2, History::parse(2, content.as_bytes()).unwrap());
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, Some(20), 3)]);
    assert_eq!(recovery.gaps, []);
}

#[test]
fn a_backup_is_restorable_only_with_all_that_it_refers_to() {
    let mut case = Case::new().wal(1, 1..=20).backup(1, 1, 3, 5).backup(2, 1, 8, 9);
    case.backups[1].references = vec![full(1), full(7)];
    let recovery = case.recovery();
    assert_eq!(recovery.backups[1].restorable, Restorable::MissingBackup(full(7)));
    assert!(recovery.backups[1].reaches.is_empty());
    case.backups[1].references.pop();
    assert_eq!(case.recovery().backups[1].restorable, Restorable::Yes);
    case.backups[1].references.clear();
    case.backups[1].prior = Some(full(1));
    case.backups[0].prior = Some(full(6));
    assert_eq!(
        case.recovery().backups[1].restorable,
        Restorable::MissingBackup(full(6))
    );
    case.backups[0].prior = Some(full(2));
    assert!(
        matches!(
            case.recovery().backups[1].restorable,
            Restorable::MissingBackup(_)
        ),
        "a circle"
    );
}

#[test]
fn an_offline_backup_is_restorable_and_begins_no_window() {
    let mut case = Case::new().wal(1, 1..=20).backup(1, 1, 3, 5);
    case.backups[0].wal = None;
    let recovery = case.recovery();
    assert_eq!(recovery.backups[0].restorable, Restorable::Yes);
    assert_eq!(windows(&recovery), []);
}

#[test]
fn a_recovery_ends_before_a_segment_with_two_files() {
    let mut case = Case::new().wal(1, 1..=10).backup(1, 1, 3, 5);
    case.archive.fold(&name(segment(1, 10), 'b'), 100, minute(0));
    let case = case.wal(1, 11..=20);
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, Some(9), 1)]);
    assert_eq!(recovery.gaps, []);
    assert_eq!(recovery.unusable[0].segment, segment(1, 10));
    assert_eq!(recovery.unusable[0].defect, Defect::Duplicate);
    assert_eq!(recovery.unusable[0].cost.shortened, [full(1)]);
}

#[test]
fn a_recovery_ends_before_a_segment_that_cannot_be_read() {
    let mut case = Case::new().wal(1, 1..=20).backup(1, 1, 3, 5);
    case.commits.insert(segment(1, 20), SegmentCommits::Unreadable);
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, Some(19), 1)]);
    assert_eq!(recovery.unusable[0].defect, Defect::Unreadable);
    case.commits.insert(segment(1, 4), SegmentCommits::Unreadable);
    let recovery = case.recovery();
    assert_eq!(
        recovery.backups[0].restorable,
        Restorable::MissingWal(segment(1, 4))
    );
    assert_eq!(recovery.unusable[0].cost.unrestorable, [full(1)]);
}

#[test]
fn an_empty_segment_is_missing_and_named() {
    let mut case = Case::new().wal(1, (1..=9).chain(11..=20)).backup(1, 1, 3, 5);
    case.archive.fold(&name(segment(1, 10), 'a'), 0, minute(0));
    let recovery = case.recovery();
    assert_eq!(gaps(&recovery.gaps), [(1, 10, 10)]);
    assert_eq!(recovery.unusable[0].defect, Defect::Empty);
}

#[test]
fn a_commit_before_the_end_of_its_backup_by_the_clock_is_no_target() {
    let mut case = Case::new().wal(1, 1..=20).backup(1, 1, 3, 5);
    case.backups[0].stopped = minute(80);
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(80, None, 1)]);
    assert_eq!(recovery.backups[0].latest_restorable_time, None);
    assert!(recovery.backups[0].clocks_disagree);
    // A commit of the last moments of a backup says nothing about clocks.
    case.backups[0].stopped = minute(20) + TimeDelta::seconds(2);
    let recovery = case.recovery();
    assert_eq!(recovery.backups[0].latest_restorable_time, None);
    assert!(!recovery.backups[0].clocks_disagree);
}

#[test]
fn windows_of_one_timeline_that_touch_are_merged() {
    // The clock went back between the two, so that the second backup ends before the last commit before the gap.
    let mut case = Case::new()
        .wal(1, (1..=9).chain(13..=20))
        .backup(1, 1, 3, 5)
        .backup(2, 1, 15, 16);
    case.backups[1].stopped = minute(8);
    let recovery = case.recovery();
    assert_eq!(windows(&recovery), [(5, Some(20), 1)]);
    assert_eq!(recovery.windows[0].last_segment, segment(1, 20));
    assert_eq!(gaps(&recovery.gaps), [(1, 10, 12)]);
}

#[test]
fn db_ids_never_mix() {
    let mut old = Case::new().wal(1, 1..=20).backup(1, 1, 3, 5);
    let new = Case::new().wal(1, 21..=30).backup(2, 1, 22, 23);
    // Its files are there, but in the other db-id.
    old.backups[0].references = vec![full(2)];
    let of = |case: &Case, id| {
        let database = Database {
            id,
            ..case.database()
        };
        match survey(&database, &case.commits, &case.terms) {
            Survey::Complete(recovery) => *recovery,
            Survey::Needs(_) => panic!(),
        }
    };
    let recovery = Recovery::of_repository([of(&new, 2), of(&old, 1)]);
    assert_eq!(recovery.backups[1].restorable, Restorable::MissingBackup(full(2)));
    old.backups[0].references.clear();
    let recovery = Recovery::of_repository([of(&new, 2), of(&old, 1)]);
    let ids: Vec<_> = recovery.windows.iter().map(|window| window.database_id).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(windows(&recovery), [(5, Some(20), 1), (23, Some(30), 1)]);
    assert_eq!(recovery.earliest_restorable_time, Some(minute(5)));
    assert_eq!(recovery.latest_restorable_time, Some(minute(30)));
}

#[test]
fn json_has_the_public_names() {
    let case = Case::new().wal(1, (1..=9).chain(13..=14)).backup(1, 1, 3, 5);
    let recovery = case.recovery();
    let json = serde_json::to_value(&recovery).unwrap();
    assert_eq!(json["windows"][0]["from"], "1970-01-01T00:05:00Z");
    assert_eq!(json["windows"][0]["to"], "1970-01-01T00:09:00Z");
    assert_eq!(json["windows"][0]["timeline"], 1);
    assert_eq!(json["windows"][0]["backup"], "20261121-010000F");
    assert_eq!(json["gaps"][0]["timeline"], 1);
    assert_eq!(json["gaps"][0]["first"], "00000001000000000000000A");
    assert_eq!(json["gaps"][0]["last"], "00000001000000000000000C");
    assert_eq!(json["gaps"][0]["segments"], 3);
    assert_eq!(json["gaps"][0]["since"], "1970-01-01T00:00:00Z");
    assert_eq!(json["gaps"][0]["shortened"][0], "20261121-010000F");
    assert_eq!(json["earliestRestorableTime"], "1970-01-01T00:05:00Z");
    assert_eq!(json["latestRestorableTime"], "1970-01-01T00:09:00Z");
    assert_eq!(serde_json::from_value::<Recovery>(json).unwrap(), recovery);
}

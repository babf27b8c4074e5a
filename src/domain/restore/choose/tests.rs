use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::domain::wal::SegmentSize;
use crate::domain::windows::{BackupWal, Window};

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_219_200, 0).unwrap() + TimeDelta::minutes(minute)
}

fn label(minute: i64) -> Label {
    let name = format!("{}F", at(minute).format("%Y%m%d-%H%M%S"));
    name.parse().unwrap()
}

fn segment(timeline: u32, minute: i64) -> Segment {
    let size = SegmentSize::default();
    Segment::at(timeline, u64::try_from(minute).unwrap(), size).unwrap()
}

fn position(minute: i64) -> Lsn {
    Lsn(u64::try_from(minute).unwrap() * SegmentSize::default().bytes())
}

/// A backup that ended at a minute, in the segment of that number.
fn backup(timeline: u32, minute: i64) -> Backup {
    Backup {
        label: label(minute),
        prior: None,
        references: vec![],
        stopped: at(minute),
        wal: Some(BackupWal {
            first: segment(timeline, minute),
            last: segment(timeline, minute),
            stop: Some(position(minute)),
        }),
        page_errors: false,
    }
}

fn reach(timelines: &[u32], to: i64) -> Reach {
    let timeline = *timelines.last().unwrap();
    Reach {
        timeline,
        timelines: timelines.to_vec(),
        last_segment: segment(timeline, to),
        to: Some(at(to)),
        to_lsn: Some(position(to)),
    }
}

fn recovery_of(minute: i64, reaches: Vec<Reach>) -> BackupRecovery {
    BackupRecovery {
        label: label(minute),
        database_id: 1,
        restorable: Restorable::Yes,
        latest_restorable_time: reaches.iter().filter_map(|reach| reach.to).max(),
        reaches,
        page_errors: false,
        clocks_disagree: false,
    }
}

fn window(minute: i64, reach: &Reach) -> Window {
    Window {
        from: at(minute),
        to: reach.to,
        timeline: reach.timeline,
        backup: label(minute),
        timelines: reach.timelines.clone(),
        to_lsn: reach.to_lsn,
        last_segment: reach.last_segment,
        database_id: 1,
    }
}

struct Shelf {
    recovery: Recovery,
    backups: Vec<Backup>,
    branches: Vec<Branch>,
}

impl Shelf {
    fn choose(&self, target: &Target, set: Option<i64>) -> Result<Choice, Refusal> {
        let source = Source {
            database_id: 1,
            recovery: &self.recovery,
            backups: &self.backups,
            branches: &self.branches,
        };
        choose(&source, target, set.map(label).as_ref())
    }

    /// Minute of the backup, and the timeline.
    fn chosen(&self, target: &Target) -> Result<(i64, u32), Refusal> {
        let choice = self.choose(target, None)?;
        Ok(((choice.stopped - at(0)).num_minutes(), choice.timeline))
    }

    fn at_minute(&self, minute: i64) -> Result<(i64, u32), Refusal> {
        self.chosen(&Target::of(Stop::Time(at(minute))))
    }
}

/// Backups at 10 and 30 on timeline 1, which was written to until 60. At 65 somebody went back to 40: timeline 2, with a backup
/// at 80, written to until 100.
fn went_back() -> Shelf {
    let (old, new) = (reach(&[1], 60), reach(&[1, 2], 100));
    let own = reach(&[2], 100);
    Shelf {
        recovery: Recovery {
            windows: vec![window(10, &old), window(10, &new)],
            backups: vec![
                recovery_of(10, vec![old.clone(), new.clone()]),
                recovery_of(30, vec![old, new]),
                recovery_of(80, vec![own]),
            ],
            ..Recovery::default()
        }
        .bounds(),
        backups: vec![backup(1, 10), backup(1, 30), backup(2, 80)],
        branches: vec![
            Branch {
                timeline: 1,
                began: None,
            },
            Branch {
                timeline: 2,
                began: Some(at(66)),
            },
        ],
    }
}

trait Bounds {
    fn bounds(self) -> Self;
}

impl Bounds for Recovery {
    fn bounds(self) -> Self {
        Self::of_repository([self])
    }
}

#[rstest]
#[case::before_the_second_backup(20, 10, 1)]
#[case::right_at_the_end_of_a_backup(30, 30, 1)]
#[case::before_the_branch(35, 30, 1)]
#[case::what_was_left_when_somebody_went_back(50, 30, 1)]
#[case::the_last_commit_of_it(60, 30, 1)]
#[case::after_going_back(70, 30, 2)]
#[case::after_the_backup_of_the_new_branch(90, 80, 2)]
#[case::the_last_commit(100, 80, 2)]
fn a_time_means_the_database_as_it_was_then(#[case] minute: i64, #[case] backup: i64, #[case] timeline: u32) {
    assert_eq!(went_back().at_minute(minute), Ok((backup, timeline)));
}

#[rstest]
#[case::before_the_first_backup(5, None, Some((10, 1)))]
#[case::when_nobody_wrote_to_the_old_branch_any_more(63, Some((60, 1)), None)]
#[case::after_the_last_commit(101, Some((100, 2)), None)]
fn a_time_that_cannot_be_reached_is_refused_with_the_nearest_on_both_sides(
    #[case] minute: i64,
    #[case] before: Option<(i64, u32)>,
    #[case] after: Option<(i64, u32)>,
) {
    let time = |found: Option<(i64, u32)>| found.map(|(minute, timeline)| (at(minute), timeline));
    let expected = Refusal::Unreachable {
        before: time(before),
        after: time(after),
    };
    let found = went_back().at_minute(minute).unwrap_err();
    assert_eq!(found, expected, "{found}");
}

#[test]
fn the_timeline_that_was_left_last_is_gone_back_to() {
    let previous = Target {
        timeline: Timeline::Left,
        ..Target::default()
    };
    assert_eq!(went_back().chosen(&previous), Ok((30, 1)));
    let mut never = went_back();
    for backup in &mut never.recovery.backups {
        backup.reaches.retain(|reach| reach.timeline == 2);
    }
    assert_eq!(never.chosen(&previous), Err(Refusal::NothingLeft));
}

#[test]
fn a_branch_that_is_named_is_followed() {
    let target = |minute: i64, timeline: Timeline| Target {
        timeline,
        ..Target::of(Stop::Time(at(minute)))
    };
    let shelf = went_back();
    // At 50 the new branch holds what it was made of: the database of 40.
    assert_eq!(shelf.chosen(&target(50, Timeline::Latest)), Ok((30, 2)));
    assert_eq!(shelf.chosen(&target(50, Timeline::Number(2))), Ok((30, 2)));
    assert_eq!(shelf.chosen(&target(50, Timeline::Number(1))), Ok((30, 1)));
    assert_eq!(
        shelf.chosen(&target(50, Timeline::Number(3))),
        Err(Refusal::NoSuchTimeline(3))
    );
    assert_eq!(shelf.chosen(&target(90, Timeline::Current)), Ok((80, 2)));
}

#[test]
fn without_a_target_the_newest_backup_of_the_newest_branch_is_followed_to_its_end() {
    let shelf = went_back();
    assert_eq!(shelf.chosen(&Target::default()), Ok((80, 2)));
    assert_eq!(shelf.chosen(&Target::of(Stop::Immediate)), Ok((80, 2)));
    let immediate = shelf.choose(&Target::of(Stop::Immediate), Some(10)).unwrap();
    assert_eq!(immediate.stopped, at(10));
}

#[test]
fn after_a_failover_in_which_nothing_was_lost_one_chain_serves_all_times() {
    let both = reach(&[1, 2], 100);
    let shelf = Shelf {
        recovery: Recovery {
            windows: vec![window(10, &both)],
            backups: vec![recovery_of(10, vec![both])],
            ..Recovery::default()
        }
        .bounds(),
        backups: vec![backup(1, 10)],
        branches: went_back().branches,
    };
    // 63: nobody had written since, and the chain says what the database was.
    for minute in [20, 60, 63, 70, 100] {
        assert_eq!(shelf.at_minute(minute), Ok((10, 2)), "{minute}");
    }
}

#[test]
fn a_position_is_on_the_newest_branch_and_not_behind_its_last_commit() {
    let shelf = went_back();
    let lsn = |minute: i64| Target::of(Stop::Lsn(position(minute)));
    assert_eq!(shelf.chosen(&lsn(35)), Ok((30, 2)));
    assert_eq!(shelf.chosen(&lsn(90)), Ok((80, 2)));
    assert_eq!(
        shelf.chosen(&lsn(101)),
        Err(Refusal::PositionUnreachable {
            last: Some(position(100))
        })
    );
    assert_eq!(
        shelf.choose(&lsn(20), Some(30)),
        Err(Refusal::BackupTooLate(label(30)))
    );
}

#[test]
fn a_transaction_or_a_restore_point_is_looked_for_from_the_oldest_backup_and_not_promised() {
    let shelf = went_back();
    for stop in [Stop::Xid(742), Stop::Name("here".to_owned())] {
        let choice = shelf.choose(&Target::of(stop.clone()), None).unwrap();
        assert_eq!((choice.stopped, choice.certain), (at(10), false));
        let choice = shelf.choose(&Target::of(stop), Some(80)).unwrap();
        assert_eq!(choice.stopped, at(80));
    }
}

#[test]
fn a_backup_that_is_named_must_be_there_whole_and_early_enough() {
    let mut shelf = went_back();
    let late = Target::of(Stop::Time(at(20)));
    assert_eq!(
        shelf.choose(&late, Some(30)),
        Err(Refusal::BackupTooLate(label(30)))
    );
    assert_eq!(
        shelf.choose(&Target::default(), Some(31)),
        Err(Refusal::NoSuchBackup(label(31)))
    );
    let missing = Restorable::MissingWal(segment(2, 80));
    shelf.recovery.backups[2].restorable = missing.clone();
    assert_eq!(
        shelf.choose(&Target::default(), Some(80)),
        Err(Refusal::Unrestorable(label(80), missing))
    );
    assert_eq!(shelf.chosen(&Target::default()), Ok((30, 2)), "the next best");
}

#[test]
fn a_backup_with_damaged_pages_is_the_last_choice() {
    let mut shelf = went_back();
    shelf.backups[1].page_errors = true;
    assert_eq!(shelf.at_minute(50), Ok((10, 1)));
    shelf.backups[0].page_errors = true;
    assert_eq!(shelf.at_minute(50), Ok((30, 1)));
}

#[test]
fn an_empty_repository_has_nothing() {
    let nothing = Shelf {
        recovery: Recovery::default(),
        backups: vec![],
        branches: vec![],
    };
    assert_eq!(nothing.chosen(&Target::default()), Err(Refusal::NoBackup));
}

#[test]
fn the_time_of_the_very_last_commit_is_named_by_its_position() {
    let shelf = went_back();
    let by_position = |minute: i64, exclusive: bool| {
        let target = Target {
            exclusive,
            ..Target::of(Stop::Time(at(minute)))
        };
        shelf.choose(&target, None).unwrap().by_position
    };
    assert_eq!(by_position(100, false), Some(position(100)));
    assert_eq!(by_position(60, false), Some(position(60)));
    assert_eq!(by_position(100, true), None);
    assert_eq!(by_position(99, false), None);
}

#[test]
fn where_it_is_not_known_when_a_timeline_began_a_time_alone_is_not_enough() {
    let mut shelf = went_back();
    shelf.branches.pop();
    assert_eq!(shelf.at_minute(50), Err(Refusal::BranchUnknown(2)));
    let named = Target {
        timeline: Timeline::Number(1),
        ..Target::of(Stop::Time(at(50)))
    };
    assert_eq!(shelf.chosen(&named), Ok((30, 1)));
    // With one timeline nothing has to be known.
    let only = reach(&[1], 60);
    shelf.recovery.backups = vec![recovery_of(10, vec![only])];
    shelf.backups.truncate(1);
    shelf.branches.clear();
    assert_eq!(shelf.at_minute(50), Ok((10, 1)));
}

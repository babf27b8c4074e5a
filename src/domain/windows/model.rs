//! The survey against a slow, obvious model: sets of segments, and every recovery played through segment by segment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::domain::{
    archive::{Archive, History},
    label::Label,
    wal::{Lsn, Segment, SegmentSize},
};

/// Positions are quarters of segments. A commit at quarter `q` of timeline `t` has the time `t * EPOCH + q`, so that
/// times rise along every path.
const EPOCH: i64 = 10_000;
const SEGMENTS: u64 = 16;

#[derive(Debug, Clone)]
struct World {
    size: SegmentSize,
    /// Ancestors of each timeline and the quarter at which each was left; the first timeline is 1.
    ancestors: Vec<Vec<(u32, u64)>>,
    /// Timelines whose history file is there.
    files: BTreeSet<u32>,
    present: BTreeSet<(u32, u64)>,
    duplicate: BTreeSet<(u32, u64)>,
    commits: BTreeSet<(u32, u64)>,
    backups: Vec<ModelBackup>,
}

#[derive(Debug, Clone)]
struct ModelBackup {
    timeline: u32,
    start: u64,
    stop: u64,
    /// Places in the list; one that is out of it is a backup that is gone.
    references: Vec<usize>,
}

/// What a recovery reads and reaches: segments, and the last commit after the backup with its timeline and quarter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Played {
    read: Vec<(u32, u64)>,
    last: Option<(u32, u64)>,
}

impl World {
    /// Timelines of a recovery's path with the quarters they run from and to.
    fn path(&self, target: u32) -> Vec<(u32, u64, u64)> {
        let known = target == 1 || self.files.contains(&target);
        let ancestors: &[_] = if known { self.ancestors_of(target) } else { &[] };
        let mut path = Vec::new();
        let mut begin = 0;
        for (timeline, left) in ancestors {
            path.push((*timeline, begin, *left));
            begin = *left;
        }
        path.push((target, begin, u64::MAX));
        path
    }

    fn ancestors_of(&self, timeline: u32) -> &[(u32, u64)] {
        &self.ancestors[timeline as usize - 1]
    }

    fn timelines(&self) -> std::ops::RangeInclusive<u32> {
        1..=u32::try_from(self.ancestors.len()).unwrap()
    }

    /// The segment that PostgreSQL asks for: of the newest timeline of the path that has begun by then.
    fn asked(&self, target: u32, index: u64) -> u32 {
        let path = self.path(target);
        path.iter()
            .rev()
            .find(|(_, begin, _)| begin / 4 <= index)
            .unwrap()
            .0
    }

    fn complete(&self, backup: &ModelBackup) -> bool {
        backup.references.iter().all(|place| *place < self.backups.len())
    }

    fn play(&self, backup: &ModelBackup, target: u32) -> Option<Played> {
        let path = self.path(target);
        let own = path
            .iter()
            .find(|(timeline, _, _)| *timeline == backup.timeline)?;
        if backup.stop > own.2 || !self.complete(backup) {
            return None;
        }
        let mut read = Vec::new();
        for index in backup.start / 4.. {
            let segment = (self.asked(target, index), index);
            if !self.present.contains(&segment) || self.duplicate.contains(&segment) {
                break;
            }
            read.push(segment);
        }
        let (_, last) = read.last()?;
        if *last < backup.stop / 4 {
            return None;
        }
        let within = |quarter: u64| quarter >= backup.stop && quarter / 4 <= *last;
        let on_path = |(timeline, quarter): &(u32, u64)| {
            path.iter()
                .any(|(leg, begin, end)| leg == timeline && begin <= quarter && quarter < end)
        };
        // Without its history file the beginning of a timeline is still the copy of its parent's.
        let in_copy = |(timeline, quarter): &(u32, u64)| {
            let first = path[0].0;
            let truth = self
                .ancestors_of(first)
                .last()
                .is_some_and(|(_, left)| left / 4 == quarter / 4);
            truth && self.truly_on(first, *timeline, *quarter)
        };
        let commits = self.commits.iter().filter(|commit| within(commit.1));
        let reached = commits.filter(|commit| on_path(commit) || in_copy(commit));
        Some(Played {
            last: reached.copied().max_by_key(|commit| commit.1),
            read,
        })
    }

    /// True when a quarter of `timeline` lies on the real way to `target`.
    fn truly_on(&self, target: u32, timeline: u32, quarter: u64) -> bool {
        let mut begin = 0;
        for (ancestor, left) in self.ancestors_of(target) {
            if *ancestor == timeline {
                return begin <= quarter && quarter < *left;
            }
            begin = *left;
        }
        timeline == target && begin <= quarter
    }

    fn plays(&self) -> Vec<(usize, u32, Played)> {
        let mut plays = Vec::new();
        for (place, backup) in self.backups.iter().enumerate() {
            for target in self.timelines() {
                plays.extend(self.play(backup, target).map(|played| (place, target, played)));
            }
        }
        plays
    }

    fn missing(&self) -> BTreeSet<(u32, u64)> {
        let mut missing = BTreeSet::new();
        for timeline in self.timelines() {
            let own = || {
                self.present
                    .iter()
                    .filter(|(other, _)| *other == timeline)
                    .map(|(_, index)| *index)
            };
            let path = self.path(timeline);
            let left = |target: &u32| {
                let path = self.path(*target);
                let leg = path
                    .iter()
                    .find(|(leg, _, _)| *leg == timeline && *target != timeline)?;
                Some(leg.2 / 4)
            };
            let switch = self.timelines().filter(|target| left(target).is_some());
            let highest = match switch.filter_map(|target| left(&target)).max() {
                Some(switch) => switch.checked_sub(1),
                None => own().max(),
            };
            let older = path.iter().rev().skip(1).any(|(leg, begin, end)| {
                self.present
                    .iter()
                    .any(|(other, index)| other == leg && begin / 4 <= *index && *index < end / 4)
            });
            let begin = path.last().filter(|_| older).map(|(_, begin, _)| begin / 4);
            let needed = self.backups.iter().flat_map(|backup| {
                let indexes = backup.start / 4..=backup.stop / 4;
                indexes.filter(|index| self.asked(backup.timeline, *index) == timeline)
            });
            let lowest = own().chain(needed).chain(begin).min();
            if let Some((lowest, highest)) = lowest.zip(highest) {
                let absent = (lowest..=highest).filter(|index| !self.present.contains(&(timeline, *index)));
                missing.extend(absent.map(|index| (timeline, index)));
            }
        }
        missing
    }

    fn segment(&self, (timeline, index): (u32, u64)) -> Segment {
        Segment::at(timeline, index, self.size).unwrap()
    }

    fn lsn(&self, quarter: u64) -> Lsn {
        Lsn(quarter * (self.size.bytes() / 4))
    }

    fn archive(&self, order: &[Index]) -> Archive {
        let mut names: Vec<String> = Vec::new();
        for place in &self.present {
            let segment = self.segment(*place);
            names.push(format!(
                "{}/{segment}-{}.zst",
                segment.directory(),
                "0".repeat(40)
            ));
        }
        names.extend(
            self.files
                .iter()
                .map(|timeline| format!("{timeline:08X}.history")),
        );
        for index in order {
            if !names.is_empty() {
                let (one, other) = (index.index(names.len()), names.len() - 1);
                names.swap(one, other);
            }
        }
        // Files of one segment stand side by side in a listing.
        let mut archive = Archive::new(self.size);
        for name in names {
            archive.fold(&name, 1, time(0));
            let duplicate = self
                .duplicate
                .iter()
                .map(|place| self.segment(*place).to_string());
            if duplicate.into_iter().any(|segment| name.contains(&segment)) {
                archive.fold(&name.replace(".zst", ".gz"), 1, time(0));
            }
        }
        archive
    }

    fn histories(&self) -> BTreeMap<u32, History> {
        let file = |timeline: &u32| {
            let mut content = String::new();
            for (left, at) in self.ancestors_of(*timeline) {
                writeln!(content, "{left}\t{}\tmodel", self.lsn(*at)).unwrap();
            }
            (*timeline, History::parse(*timeline, content.as_bytes()).unwrap())
        };
        self.files.iter().map(file).collect()
    }

    fn label(place: usize) -> Label {
        format!("20261121-{place:06}F").parse().unwrap()
    }

    fn catalogue(&self) -> Vec<Backup> {
        let backups = self.backups.iter().enumerate();
        let backup = |(place, backup): (usize, &ModelBackup)| Backup {
            label: Self::label(place),
            prior: None,
            references: backup
                .references
                .iter()
                .map(|place| Self::label(*place))
                .collect(),
            stopped: commit_time(backup.timeline, backup.stop),
            wal: Some(BackupWal {
                first: self.segment((backup.timeline, backup.start / 4)),
                last: self.segment((backup.timeline, backup.stop / 4)),
                stop: Some(self.lsn(backup.stop)),
            }),
            page_errors: false,
        };
        backups.map(backup).collect()
    }

    /// What reading a segment gives: its own commits, and those of its parents before its timeline began.
    fn read(&self, timeline: u32, index: u64) -> SegmentCommits {
        let within = self.commits.iter().filter(|(_, quarter)| quarter / 4 == index);
        let mut within: Vec<_> = within
            .filter(|(other, quarter)| self.truly_on(timeline, *other, *quarter))
            .collect();
        within.sort_by_key(|(_, quarter)| *quarter);
        match (within.first(), within.last()) {
            (Some(first), Some(last)) => SegmentCommits::Some(CommitTimes {
                first: commit_time(first.0, first.1),
                last: commit_time(last.0, last.1),
                last_lsn: self.lsn(last.1),
            }),
            _ => SegmentCommits::None,
        }
    }
}

fn time(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn commit_time(timeline: u32, quarter: u64) -> DateTime<Utc> {
    time(i64::from(timeline) * EPOCH + i64::try_from(quarter).unwrap())
}

fn sometimes(weight: u32, out_of: u32) -> impl Strategy<Value = bool> {
    (0..out_of).prop_map(move |drawn| drawn < weight)
}

prop_compose! {
    fn ancestors()(parents in prop::collection::vec((any::<Index>(), 0..SEGMENTS * 4), 0..4)) -> Vec<Vec<(u32, u64)>> {
        let mut all: Vec<Vec<(u32, u64)>> = vec![Vec::new()];
        for (parent, at) in parents {
            let parent = parent.index(all.len());
            let mut own = all[parent].clone();
            let begin = own.last().map_or(1, |(_, left)| *left);
            own.push((u32::try_from(parent).unwrap() + 1, at.max(begin)));
            all.push(own);
        }
        all
    }
}

prop_compose! {
    fn world()(ancestors in ancestors(), power in 20..=30_u32, holes in 0..4_u32)(
        count in Just(ancestors.len()),
        files in prop::collection::vec(sometimes(5, 6), ancestors.len()),
        ends in prop::collection::vec((0..6_u64, 0..SEGMENTS), ancestors.len()),
        absent in prop::collection::vec(sometimes(holes, 20), ancestors.len() * 16),
        twice in prop::collection::vec(sometimes(holes, 80), ancestors.len() * 16),
        committed in prop::collection::vec(sometimes(1, 3), ancestors.len() * 64),
        backups in prop::collection::vec((any::<Index>(), 0..64_u64, 0..9_u64, prop::collection::vec(0..5_usize, 0..2)), 0..4),
        ancestors in Just(ancestors), power in Just(power),
    ) -> World {
        let mut world = World {
            size: SegmentSize::new(1 << power).unwrap(),
            files: BTreeSet::new(), present: BTreeSet::new(), duplicate: BTreeSet::new(), commits: BTreeSet::new(),
            backups: Vec::new(), ancestors,
        };
        for place in 0..count {
            let timeline = u32::try_from(place).unwrap() + 1;
            let begin = world.ancestors[place].last().map_or(0, |(_, left)| *left);
            if files[place] && timeline > 1 {
                world.files.insert(timeline);
            }
            for index in 0..SEGMENTS {
                let drawn = place * 16 + usize::try_from(index).unwrap();
                let expired = timeline == 1 && index < ends[place].0;
                if begin / 4 <= index && index <= begin / 4 + ends[place].1 && !expired && !absent[drawn] {
                    world.present.insert((timeline, index));
                    if twice[drawn] {
                        world.duplicate.insert((timeline, index));
                    }
                }
            }
            let own = (begin..SEGMENTS * 4).filter(|quarter| committed[place * 64 + usize::try_from(*quarter).unwrap()]);
            world.commits.extend(own.map(|quarter| (timeline, quarter)));
        }
        for (timeline, start, length, references) in backups {
            let timeline = timeline.index(count);
            let begin = world.ancestors[timeline].last().map_or(0, |(_, left)| *left);
            let start = (begin + start).min(SEGMENTS * 4 - 10);
            let start = start.max(begin);
            world.backups.push(ModelBackup {
                timeline: u32::try_from(timeline).unwrap() + 1, start, stop: start + length, references,
            });
        }
        world
    }
}

/// Answers the needs of a survey until it is complete.
fn ask(
    world: &World,
    database: &Database<'_>,
    terms: &Terms,
) -> (Recovery, BTreeMap<Segment, SegmentCommits>) {
    let mut commits = BTreeMap::new();
    loop {
        match survey(database, &commits, terms) {
            Survey::Complete(recovery) => return (*recovery, commits),
            Survey::Needs(needs) => {
                assert!(!needs.is_empty());
                for segment in needs {
                    let place = (segment.timeline(), segment.index(world.size));
                    assert!(
                        world.present.contains(&place),
                        "{segment} is not there to be read"
                    );
                    let known = commits.insert(segment, world.read(place.0, place.1));
                    assert_eq!(known, None, "it was asked for again");
                }
            }
        }
    }
}

/// True when a commit lies on the path to a target.
fn on_path(world: &World, target: u32, (timeline, quarter): (u32, u64)) -> bool {
    let path = world.path(target);
    path.iter()
        .any(|(leg, begin, end)| *leg == timeline && *begin <= quarter && quarter < *end)
}

fn check_promises(world: &World, recovery: &Recovery) -> Result<(), TestCaseError> {
    let plays = world.plays();
    for (place, backup) in recovery.backups.iter().enumerate() {
        let mut own = plays.iter().filter(|(other, _, _)| *other == place).peekable();
        prop_assert_eq!(
            backup.restorable == Restorable::Yes,
            own.peek().is_some(),
            "backup {}",
            place
        );
        let latest = own
            .filter_map(|(_, _, played)| played.last)
            .map(|(timeline, quarter)| commit_time(timeline, quarter));
        prop_assert_eq!(backup.latest_restorable_time, latest.max(), "backup {}", place);
        prop_assert!(!backup.clocks_disagree);
    }
    // No window promises what no recovery to its timeline reaches.
    for window in &recovery.windows {
        let to = |played: &Played| {
            played
                .last
                .map(|(timeline, quarter)| commit_time(timeline, quarter))
        };
        let of_target = || plays.iter().filter(|(_, target, _)| *target == window.timeline);
        prop_assert!(
            of_target().any(|(_, _, played)| to(played) == window.to),
            "{:?}",
            window
        );
        let begins = of_target().any(|(place, _, _)| {
            World::label(*place) == window.backup
                && recovery.backups[*place].restorable == Restorable::Yes
                && commit_time(world.backups[*place].timeline, world.backups[*place].stop) == window.from
        });
        prop_assert!(begins, "{:?}", window);
        prop_assert!(window.to.is_none_or(|to| to >= window.from));
    }
    Ok(())
}

fn check_coverage(world: &World, recovery: &Recovery) -> Result<(), TestCaseError> {
    let plays = world.plays();
    // Whatever a recovery reaches lies in a window.
    for (place, target, played) in &plays {
        let backup = &world.backups[*place];
        let from = commit_time(backup.timeline, backup.stop);
        let covered = recovery.windows.iter().any(|window| {
            let begins = window.from <= from;
            match played.last {
                Some(last) => {
                    let copied = played
                        .read
                        .iter()
                        .any(|(timeline, _)| window.timeline == *timeline);
                    let same = on_path(world, window.timeline, last) || copied;
                    begins && window.to >= Some(commit_time(last.0, last.1)) && same
                }
                None => begins,
            }
        });
        prop_assert!(
            covered,
            "backup {place} to timeline {target}: {played:?} in {:?}",
            recovery.windows
        );
    }
    // No window says what that of a successor says already. (Where a history file is missing, two targets may lead the
    // same way.)
    let all_files = world
        .timelines()
        .skip(1)
        .all(|timeline| world.files.contains(&timeline));
    for (one, window) in recovery.windows.iter().enumerate() {
        for (other, wider) in recovery.windows.iter().enumerate() {
            let last = plays
                .iter()
                .filter(|(_, target, _)| *target == window.timeline)
                .find_map(|(_, _, played)| {
                    played
                        .last
                        .filter(|(timeline, quarter)| Some(commit_time(*timeline, *quarter)) == window.to)
                });
            let Some(last) = last.filter(|_| one != other && all_files) else {
                continue;
            };
            let succeeds = world
                .path(wider.timeline)
                .iter()
                .any(|(leg, _, _)| *leg == window.timeline);
            let within = succeeds && wider.from <= window.from && window.to <= wider.to;
            prop_assert!(
                !(within && on_path(world, wider.timeline, last)),
                "{window:?} lies in {wider:?}"
            );
        }
    }
    Ok(())
}

fn check_gaps(world: &World, recovery: &Recovery) -> Result<(), TestCaseError> {
    let plays = world.plays();
    let all: Vec<_> = recovery.gaps.iter().chain(&recovery.gaps_in_grace).collect();
    let indexes = |gap: &Gap| (gap.first.index(world.size), gap.last.index(world.size));
    let mut found = BTreeSet::new();
    for gap in &all {
        let (first, last) = indexes(gap);
        prop_assert_eq!(gap.segments, last - first + 1);
        found.extend((first..=last).map(|index| (gap.timeline, index)));
        let touching = all
            .iter()
            .any(|other| other.timeline == gap.timeline && indexes(other).0 == last + 1);
        prop_assert!(!touching, "{gap:?} goes on");
        costs(world, &plays, gap)?;
    }
    prop_assert_eq!(found, world.missing());
    Ok(())
}

fn costs(world: &World, plays: &[(usize, u32, Played)], gap: &Gap) -> Result<(), TestCaseError> {
    let within = |(timeline, index): (u32, u64)| {
        timeline == gap.timeline
            && (gap.first.index(world.size)..=gap.last.index(world.size)).contains(&index)
    };
    let shortened: BTreeSet<Label> = plays
        .iter()
        .filter(|(_, target, played)| {
            let next = played.read.last().unwrap().1 + 1;
            within((world.asked(*target, next), next))
        })
        .map(|(place, _, _)| World::label(*place))
        .collect();
    prop_assert_eq!(
        gap.cost.shortened.iter().cloned().collect::<BTreeSet<_>>(),
        shortened
    );
    let unrestorable: BTreeSet<Label> = (0..world.backups.len())
        .filter(|place| plays.iter().all(|(other, _, _)| other != place))
        .filter(|place| {
            let backup = &world.backups[*place];
            (backup.start / 4..=backup.stop / 4)
                .any(|index| within((world.asked(backup.timeline, index), index)))
        })
        .map(World::label)
        .collect();
    prop_assert_eq!(
        gap.cost.unrestorable.iter().cloned().collect::<BTreeSet<_>>(),
        unrestorable
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_survey_finds_what_a_recovery_would(world in world(), order in prop::collection::vec(any::<Index>(), 0..20)) {
        let archive = world.archive(&order);
        let (histories, backups) = (world.histories(), world.catalogue());
        let database = Database { id: 1, archive: &archive, histories: &histories, backups: &backups };
        let terms = Terms { now: time(100), grace: TimeDelta::seconds(50), kept_from: None };
        let (recovery, asked) = ask(&world, &database, &terms);
        check_promises(&world, &recovery)?;
        check_coverage(&world, &recovery)?;
        check_gaps(&world, &recovery)?;
        // More knowledge than it asks for changes nothing.
        let all: BTreeMap<_, _> = world.present.iter().map(|(timeline, index)| {
            (world.segment((*timeline, *index)), world.read(*timeline, *index))
        }).collect();
        prop_assert_eq!(survey(&database, &all, &terms), Survey::Complete(Box::new(recovery)));
        // Nor is there more to ask once all is known.
        prop_assert!(asked.len() <= all.len());
    }
}

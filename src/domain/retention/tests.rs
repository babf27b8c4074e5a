//! Retention against the examples of pgBackRest's own manual and code, and properties of every policy.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::domain::label::{BackupType, Label};
use crate::domain::schedule::Schedule;

fn at(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::days(day)
}

/// `F` a full, `D` a differential, `I` an incremental backup, one a day.
fn life(letters: &str) -> Vec<Held> {
    let mut backups: Vec<Held> = Vec::new();
    for (day, letter) in (1..).zip(letters.chars()) {
        let time = at(day).format("%Y%m%d-%H%M%S");
        let full = backups
            .iter()
            .rev()
            .find(|backup| backup.kind == BackupType::Full)
            .cloned();
        let (kind, prior) = match letter {
            'F' => (BackupType::Full, None),
            'D' => (BackupType::Differential, full.clone()),
            _ => (BackupType::Incremental, backups.last().cloned()),
        };
        let mut references = prior
            .as_ref()
            .map(|prior| prior.references.clone())
            .unwrap_or_default();
        references.extend(prior.map(|prior| prior.label));
        let name = match full {
            Some(full) if kind != BackupType::Full => format!("{}_{time}{letter}", full.label.as_str()),
            _ => format!("{time}F"),
        };
        backups.push(Held {
            label: name.parse().unwrap(),
            kind,
            stopped: at(day),
            references,
            pinned: false,
        });
    }
    backups
}

/// Letters of what stays; what goes is a dot.
fn kept(policy: Policy, backups: &[Held], now: i64) -> String {
    let gone = policy.expired(backups, at(now));
    let letter = |backup: &Held| match backup.kind {
        _ if gone.contains(&backup.label) => '.',
        BackupType::Full => 'F',
        BackupType::Differential => 'D',
        BackupType::Incremental => 'I',
    };
    backups.iter().map(letter).collect()
}

fn count(full: usize) -> Policy {
    Policy {
        full: Some(FullRetention::Count(full)),
        differential: None,
    }
}

#[test]
fn a_full_backup_goes_with_all_that_depend_on_it() {
    assert_eq!(kept(count(2), &life("FDIFIFD"), 9), "...FIFD");
    assert_eq!(kept(count(3), &life("FDIFIFD"), 9), "FDIFIFD");
    assert_eq!(kept(Policy::default(), &life("FDIFIFD"), 99), "FDIFIFD");
}

#[test]
fn full_backups_count_as_differential_ones() {
    let policy = Policy {
        full: None,
        differential: Some(2),
    };
    // pgBackRest's own example: F1, D1, D2, F2 with 2 keeps F1, D2, F2.
    assert_eq!(kept(policy, &life("FDDF"), 9), "F.DF");
    assert_eq!(kept(policy, &life("FDIDI"), 9), "FDIDI");
    assert_eq!(kept(policy, &life("FDIDIDI"), 9), "F..DIDI");
    assert_eq!(
        kept(policy, &life("FIDDD"), 9),
        "FI.DD",
        "an incremental one of the full one itself stays"
    );
}

#[test]
fn by_time_the_full_backup_before_the_span_stays_too() {
    let days = |days| Policy {
        full: Some(FullRetention::Days(days)),
        differential: None,
    };
    // pgBackRest's own example, with the span at D2b: only F1 and its own go.
    let backups = life("FDDDFDDFDD");
    assert_eq!(kept(days(3), &backups, 10), "....FDDFDD");
    assert_eq!(kept(days(30), &backups, 10), "FDDDFDDFDD");
    assert_eq!(
        kept(days(1), &backups, 99),
        ".......FDD",
        "the last one is never too old"
    );
}

#[test]
fn a_pinned_backup_stays_with_all_that_it_needs_and_costs_no_other() {
    let mut backups = life("FDIFIFD");
    backups[2].pinned = true;
    assert_eq!(kept(count(2), &backups, 9), "FDIFIFD");
    assert_eq!(kept(count(1), &backups, 9), "FDI..FD");
}

#[test]
fn a_pinned_full_backup_keeps_its_place_and_not_its_followers() {
    let mut backups = life("FDIFIFD");
    backups[0].pinned = true;
    assert_eq!(kept(count(2), &backups, 9), "F..FIFD");
    let differential = Policy {
        full: None,
        differential: Some(2),
    };
    let mut backups = life("FDIIDID");
    backups[1].pinned = true;
    assert_eq!(kept(differential, &backups, 9), "FD..DID");
}

/// The backup from which WAL is kept, by its position, and how many pgBackRest is told.
fn wal(
    policy: Policy,
    archive: Option<(BackupType, usize)>,
    backups: &[Held],
    now: i64,
) -> Option<(usize, usize)> {
    let archive = archive.map_or_else(ArchivePolicy::default, |(counted, backups)| ArchivePolicy {
        counted,
        backups: Some(backups),
    });
    let kept = archive.kept(&policy, backups, at(now))?;
    let from = backups.iter().position(|backup| backup.label == kept.from);
    Some((from.unwrap(), kept.backups))
}

#[test]
fn wal_is_kept_from_the_backups_that_the_user_counts() {
    let backups = life("FDIFIFD");
    assert_eq!(wal(count(2), None, &backups, 9), Some((3, 2)));
    assert_eq!(wal(count(3), None, &backups, 9), Some((0, 3)));
    assert_eq!(wal(count(4), None, &backups, 9), None, "too soon to let any go");
    assert_eq!(wal(Policy::default(), None, &backups, 9), None);
    assert_eq!(
        wal(Policy::default(), Some((BackupType::Full, 1)), &backups, 9),
        Some((5, 1))
    );
    assert_eq!(
        wal(count(2), Some((BackupType::Differential, 1)), &backups, 9),
        Some((6, 1))
    );
    assert_eq!(
        wal(count(2), Some((BackupType::Incremental, 3)), &backups, 9),
        Some((4, 3))
    );
    let by_time = Policy {
        full: Some(FullRetention::Days(3)),
        differential: None,
    };
    assert_eq!(wal(by_time, None, &backups, 9), Some((0, 3)), "the span is full");
    assert_eq!(wal(by_time, None, &backups, 3), None, "the span is not full yet");
}

#[test]
fn pinned_backups_do_not_count_for_wal_and_move_nothing() {
    let mut backups = life("FFFF");
    backups[2].pinned = true;
    // The newest two that count are the fourth and the second; pgBackRest counts the third too.
    assert_eq!(wal(count(2), None, &backups, 9), Some((1, 3)));
    backups[0].pinned = true;
    assert_eq!(wal(count(2), None, &backups, 9), Some((1, 3)));
    for backup in &mut backups {
        backup.pinned = true;
    }
    assert_eq!(wal(count(1), None, &backups, 9), None);
}

#[test]
fn a_backup_may_be_deleted_when_no_other_needs_it_and_nobody_holds_it() {
    let mut backups = life("FDIFI");
    let labels: Vec<Label> = backups.iter().map(|backup| backup.label.clone()).collect();
    let ask = |wanted: &[usize], backups: &[Held]| {
        let wanted: Vec<Label> = wanted.iter().map(|index| labels[*index].clone()).collect();
        deletable(&wanted, backups)
    };
    let needed = |by: &[usize]| Spared::Needed(by.iter().map(|index| labels[*index].clone()).collect());
    assert_eq!(ask(&[2], &backups).0, [labels[2].clone()]);
    let (gone, spared) = ask(&[1], &backups);
    assert_eq!((gone, spared), (vec![], vec![(labels[1].clone(), needed(&[2]))]));
    assert_eq!(
        ask(&[0, 1, 2], &backups).0.len(),
        3,
        "a whole chain goes together"
    );
    assert_eq!(
        ask(&[0, 2], &backups).0,
        [labels[2].clone()],
        "its differential one stays"
    );
    let (gone, spared) = ask(&[0, 1, 2, 3, 4], &backups);
    assert_eq!(gone.len(), 4);
    assert_eq!(spared, [(labels[3].clone(), Spared::Last)]);
    backups[2].pinned = true;
    let (gone, spared) = ask(&[0, 1, 2], &backups);
    assert!(gone.is_empty());
    assert!(
        spared
            .iter()
            .all(|(_, why)| *why == Spared::Pinned(vec![labels[2].clone()]))
    );
    assert!(spared[0].1.to_string().contains(labels[2].as_str()));
    let gone_already: Label = "20200101-000000F".parse().unwrap();
    assert_eq!(deletable(&[gone_already], &backups), (vec![], vec![]));
}

#[test]
fn a_month_of_weekly_full_and_daily_differential_backups_is_what_it_promises() {
    let planned = |kind, text: &str| Planned {
        kind,
        schedule: Schedule::parse(text, None, at(0)).unwrap(),
    };
    let plan = [
        planned(BackupType::Full, "0 1 * * 0"),
        planned(BackupType::Differential, "0 1 * * 1-6"),
        planned(BackupType::Incremental, "0 */6 * * *"),
    ];
    let policy = Policy {
        full: Some(FullRetention::Days(30)),
        differential: None,
    };
    let kept = simulate(&plan, &policy, at(0), at(365));
    let back = at(365) - kept.reaches_back_to.unwrap();
    assert!(
        back >= TimeDelta::days(30) && back < TimeDelta::days(38),
        "{back}"
    );
    let full = kept
        .backups
        .iter()
        .filter(|backup| backup.kind == BackupType::Full)
        .count();
    assert!((5..=6).contains(&full), "{full}");
    assert!(kept.taken > 365 * 5 - 10, "{}", kept.taken);
}

#[test]
fn without_a_full_backup_the_first_one_becomes_one() {
    let plan = [Planned {
        kind: BackupType::Incremental,
        schedule: Schedule::parse("@daily", None, at(0)).unwrap(),
    }];
    let kept = simulate(&plan, &Policy::default(), at(0), at(3));
    let kinds: Vec<BackupType> = kept.backups.iter().map(|backup| backup.kind).collect();
    assert_eq!(
        kinds,
        [BackupType::Full, BackupType::Incremental, BackupType::Incremental]
    );
}

proptest! {
    /// Whatever the policy: what stays can be restored, the newest backup stays, and asking again takes nothing more.
    #[test]
    fn what_stays_is_whole(
        letters in "F[FDI]{0,40}",
        full in prop::option::of((any::<bool>(), 1_u32..6)),
        differential in prop::option::of(1_usize..6),
        pins in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        now in 0_i64..60,
    ) {
        let mut backups = life(&letters);
        for pin in pins {
            let index = pin.index(backups.len());
            backups[index].pinned = true;
        }
        let policy = Policy {
            full: full.map(|(by_time, n)| if by_time { FullRetention::Days(n) } else { FullRetention::Count(n as usize) }),
            differential,
        };
        let now = at(i64::try_from(letters.len()).unwrap() + now);
        let gone = policy.expired(&backups, now);
        let stay: Vec<Held> = backups.iter().filter(|backup| !gone.contains(&backup.label)).cloned().collect();
        for backup in &stay {
            prop_assert!(backup.references.iter().all(|needed| !gone.contains(needed)), "{:?}", backup);
        }
        prop_assert!(backups.iter().all(|backup| !backup.pinned || !gone.contains(&backup.label)));
        let newest = backups.iter().rev().find(|backup| backup.kind == BackupType::Full).unwrap();
        prop_assert!(!gone.contains(&newest.label));
        prop_assert!(policy.expired(&stay, now).is_empty());
    }

    /// Whoever asks for whatever: what stays can be restored, what is held stays, and something stays.
    #[test]
    fn what_is_left_after_a_deletion_is_whole(
        letters in "F[FDI]{0,20}",
        wanted in prop::collection::vec(any::<prop::sample::Index>(), 0..21),
        pins in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let mut backups = life(&letters);
        for pin in pins {
            let index = pin.index(backups.len());
            backups[index].pinned = true;
        }
        let wanted: Vec<Label> = wanted.iter().map(|index| index.get(&backups).label.clone()).collect();
        let (gone, spared) = deletable(&wanted, &backups);
        let stay: Vec<&Held> = backups.iter().filter(|backup| !gone.contains(&backup.label)).collect();
        prop_assert!(stay.iter().any(|backup| backup.kind == BackupType::Full));
        for backup in &stay {
            prop_assert!(backup.references.iter().all(|needed| !gone.contains(needed)));
        }
        prop_assert!(backups.iter().all(|backup| !backup.pinned || !gone.contains(&backup.label)));
        for label in &wanted {
            prop_assert!(gone.contains(label) != spared.iter().any(|(spared, _)| spared == label));
        }
    }
}

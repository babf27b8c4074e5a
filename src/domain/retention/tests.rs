//! Retention against the examples of pgBackRest's own manual and code, and properties of every policy.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::domain::label::BackupType;
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
}

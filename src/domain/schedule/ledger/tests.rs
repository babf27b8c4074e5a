use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    format!("{}:00Z", text.replace(' ', "T")).parse().unwrap()
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text, None, start()).unwrap()
}

fn start() -> DateTime<Utc> {
    utc("2026-01-01 00:00")
}

fn facts(now: DateTime<Utc>) -> Facts<&'static str> {
    Facts {
        now,
        terms: Terms::default(),
        suspended: false,
        running: false,
        held: None,
    }
}

fn at_once(_: DateTime<Utc>) -> TimeDelta {
    TimeDelta::zero()
}

proptest! {
    /// A controller that is there or not, a cluster that is held up or not, runs that take their time, clocks that jump: what
    /// came is what was started, missed or skipped, no time is run twice, and one that is held up is caught up once.
    #[test]
    fn the_sum_is_right_and_no_time_is_run_twice(
        steps in prop::collection::vec((1_i64..90, 0_u8..8), 1..80),
        skip in any::<bool>(),
        deadline in prop::option::of(1_i64..60),
    ) {
        let schedule = schedule("*/15 * * * *");
        let terms = Terms {
            deadline: deadline.map(TimeDelta::minutes),
            catch_up: if skip { CatchUp::Skip } else { CatchUp::Once },
            ..Terms::default()
        };
        let mut now = start();
        let mut ledger = Ledger::new(now);
        let mut runs = BTreeSet::new();
        for (minutes, kind) in steps {
            now += TimeDelta::minutes(minutes);
            let facts = Facts {
                terms,
                suspended: kind == 0,
                running: kind == 1,
                held: (kind == 2 || kind == 3).then_some("paused"),
                ..facts(now)
            };
            let look = ledger.look(&schedule, &facts, &at_once);
            let (before, after) = (ledger, look.ledger);
            prop_assert_eq!(after.due, after.started + after.missed + after.skipped);
            let came = u64::try_from((now - start()).num_minutes() / 15).unwrap();
            prop_assert_eq!(after.due, came);
            prop_assert_eq!(after.started - before.started, u64::from(look.run.is_some()));
            if let Some(run) = look.run {
                prop_assert!(runs.insert(run), "{} is run twice", run);
                prop_assert!(kind > 3, "run while {}", kind);
                prop_assert!(terms.deadline.is_none_or(|deadline| now - run <= deadline));
                prop_assert_eq!(after.owed, None);
            }
            if let Some(owed) = after.owed {
                prop_assert_eq!(Some(owed), after.accounted);
                prop_assert!(!skip);
            }
            // Nothing more comes of looking again.
            let again = after.look(&schedule, &facts, &at_once);
            prop_assert_eq!((again.run, again.omitted, again.ledger), (None, None, after));
            ledger = after;
        }
    }

    #[test]
    fn a_delay_shifts_a_run_and_loses_none(seconds in 0_i64..2000, steps in prop::collection::vec(1_i64..300, 20..200)) {
        let schedule = schedule("*/15 * * * *");
        let delay = |_: DateTime<Utc>| TimeDelta::seconds(seconds);
        let (mut now, mut ledger) = (start(), Ledger::new(start()));
        for step in steps {
            now += TimeDelta::seconds(step);
            let look = ledger.look(&schedule, &facts(now), &delay);
            if let Some(run) = look.run {
                prop_assert!(now - run >= TimeDelta::seconds(seconds.min(450)));
                // Looked at every five minutes at least, none is ever late by more than that.
                prop_assert!(now - run < TimeDelta::seconds(seconds.min(450) + 300));
            }
            prop_assert_eq!(look.ledger.missed, 0);
            prop_assert!(look.wake.unwrap() > now);
            ledger = look.ledger;
        }
    }
}

#[test]
fn what_comes_due_while_held_up_is_caught_up_once() {
    let hourly = schedule("0 * * * *");
    let mut ledger = Ledger::new(start());
    for hour in 1..=3 {
        let held = Facts {
            held: Some("paused"),
            ..facts(utc(&format!("2026-01-01 0{hour}:00")))
        };
        let look = ledger.look(&hourly, &held, &at_once);
        let (count, omitted) = look.omitted.unwrap();
        assert_eq!((count, omitted.cause), (1, Cause::Held("paused")));
        assert_eq!(look.run, None);
        ledger = look.ledger;
    }
    assert_eq!((ledger.due, ledger.skipped), (3, 3));
    let look = ledger.look(&hourly, &facts(utc("2026-01-01 03:20")), &at_once);
    assert_eq!(look.run, Some(utc("2026-01-01 03:00")));
    let after = look.ledger;
    assert_eq!((after.started, after.skipped, after.missed), (1, 2, 0));
}

#[test]
fn a_controller_that_was_down_over_three_times_makes_one_run() {
    let look = Ledger::new(start()).look(&schedule("0 * * * *"), &facts(utc("2026-01-01 03:20")), &at_once);
    assert_eq!(look.run, Some(utc("2026-01-01 03:00")));
    let after = look.ledger;
    assert_eq!((after.due, after.started, after.missed), (3, 1, 2));
    assert_eq!(look.omitted.unwrap().1.cause, Cause::Unattended);
}

#[test]
fn a_clock_that_jumps_a_day_ahead_and_back_again_stops_nothing() {
    let hourly = schedule("0 * * * *");
    let ahead = Ledger::new(start()).look(&hourly, &facts(utc("2026-01-02 00:30")), &at_once);
    assert_eq!((ahead.ledger.due, ahead.ledger.started), (24, 1));
    let back = ahead
        .ledger
        .look(&hourly, &facts(utc("2026-01-01 00:31")), &at_once);
    assert!(back.set_back && back.run.is_none());
    assert_eq!(back.ledger, Ledger::new(utc("2026-01-01 00:31")));
    let next = back
        .ledger
        .look(&hourly, &facts(utc("2026-01-01 01:00")), &at_once);
    assert_eq!(next.run, Some(utc("2026-01-01 01:00")));
    // What differs between two replicas is no jump.
    let other = next
        .ledger
        .look(&hourly, &facts(utc("2026-01-01 00:58")), &at_once);
    assert_eq!(
        (other.set_back, other.run, other.ledger),
        (false, None, next.ledger)
    );
}

#[test]
fn one_that_takes_longer_than_to_the_next_time_is_not_run_over() {
    let look = Ledger::new(start()).look(
        &schedule("0 * * * *"),
        &Facts {
            running: true,
            ..facts(utc("2026-01-01 01:00"))
        },
        &at_once,
    );
    assert_eq!((look.run, look.ledger.skipped, look.ledger.owed), (None, 1, None));
    assert_eq!(look.omitted.unwrap().1.cause, Cause::StillRunning);
}

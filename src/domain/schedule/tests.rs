//! Due times against a table, and that each is accounted for once; `cron::tests` has what clocks that are set do to them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    format!("{}:00Z", text.replace(' ', "T")).parse().unwrap()
}

fn start() -> DateTime<Utc> {
    utc("2026-01-01 00:00")
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text, None, start()).unwrap()
}

fn following(schedule: &Schedule, mut moment: DateTime<Utc>, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            moment = schedule.next_after(moment).unwrap();
            moment.format("%m-%d %H:%M").to_string()
        })
        .collect()
}

#[rstest]
#[case("0 1 * * 0", &["01-04 01:00", "01-11 01:00"])]
#[case("0 1 * * 7", &["01-04 01:00", "01-11 01:00"])]
#[case("0 1 * * SUN", &["01-04 01:00", "01-11 01:00"])]
#[case("0 0 13 * 5", &["01-02 00:00", "01-09 00:00", "01-13 00:00"])]
#[case("*/20 * * * *", &["01-01 00:20", "01-01 00:40", "01-01 01:00"])]
#[case("5/25 3 * * *", &["01-01 03:05", "01-01 03:30", "01-01 03:55", "01-02 03:05"])]
#[case("@daily", &["01-02 00:00"])]
#[case("@midnight", &["01-02 00:00"])]
#[case("@weekly", &["01-04 00:00"])]
#[case("0 0 29 2 *", &["02-29 00:00"])]
#[case("CRON_TZ=Asia/Kolkata 30 1 * * *", &["01-01 20:00", "01-02 20:00"])]
#[case("TZ=Europe/Berlin  0 1 * * *", &["01-02 00:00"])]
// The clock is set forward on 29 March from 02:00 to 03:00, and back on 25 October from 03:00 to 02:00.
#[case("CRON_TZ=Europe/Berlin 30 2 28,29,30 3 *", &["03-28 01:30", "03-29 01:00", "03-30 00:30"])]
#[case("CRON_TZ=Europe/Berlin 30 2 24,25,26 10 *", &["10-24 00:30", "10-25 00:30", "10-26 01:30"])]
fn due_times_are_those_of_the_compatible_operator(#[case] text: &str, #[case] expected: &[&str]) {
    assert_eq!(following(&schedule(text), start(), expected.len()), expected);
}

#[test]
fn between_two_leap_years_there_may_be_eight() {
    let (before, behind) = (utc("2096-02-29 00:00"), utc("2104-02-29 00:00"));
    let schedule = schedule("0 0 29 2 *");
    assert_eq!(schedule.next_after(before), Some(behind));
    assert_eq!(schedule.last_until(behind - TimeDelta::seconds(1)), Some(before));
}

#[rstest]
#[case("0 0 30 2 *", ScheduleError::Never("0 0 30 2 *".to_owned()))]
#[case("0 1 * *", ScheduleError::Expression("0 1 * *".to_owned()))]
#[case("0 0 1 * * *", ScheduleError::Expression("0 0 1 * * *".to_owned()))]
#[case("@every 1h", ScheduleError::Expression("@every 1h".to_owned()))]
#[case("CRON_TZ=Mars/Olympus 0 1 * * *", ScheduleError::Zone("Mars/Olympus".to_owned()))]
fn what_is_no_schedule_is_refused_with_the_reason(#[case] text: &str, #[case] expected: ScheduleError) {
    assert_eq!(Schedule::parse(text, None, start()).unwrap_err(), expected);
}

#[test]
fn a_zone_of_its_own_field_counts_and_two_must_agree() {
    let parse = |text, zone| Schedule::parse(text, Some(zone), start());
    let berlin = parse("0 1 * * *", "Europe/Berlin").unwrap();
    assert_eq!(following(&berlin, start(), 1), ["01-02 00:00"]);
    assert!(parse("CRON_TZ=Europe/Berlin 0 1 * * *", "Europe/Berlin").is_ok());
    assert!(matches!(
        parse("CRON_TZ=Europe/Berlin 0 1 * * *", "UTC"),
        Err(ScheduleError::TwoZones { .. })
    ));
}

proptest! {
    /// However the time is cut into accounts, every due time is in exactly one of them, and none is run twice.
    #[test]
    fn every_due_time_is_accounted_for_once(steps in prop::collection::vec(1_i64..400, 1..60), skip in any::<bool>(), deadline in prop::option::of(0_i64..100)) {
        let schedule = schedule("*/15 * * * *");
        let terms = Terms {
            deadline: deadline.map(TimeDelta::minutes),
            catch_up: if skip { CatchUp::Skip } else { CatchUp::Once },
            ..Terms::default()
        };
        let (mut now, mut since) = (start(), start());
        let (mut runs, mut missed) = (BTreeSet::new(), 0);
        for step in steps {
            now += TimeDelta::minutes(step);
            let account = account(&schedule, since, now, terms);
            if let Some(run) = account.run {
                prop_assert!(runs.insert(run) && run <= now);
                prop_assert!(terms.deadline.is_none_or(|deadline| now - run <= deadline));
            }
            prop_assert!(account.next.unwrap() > now);
            missed += account.missed;
            since = account.accounted.unwrap_or(since);
        }
        let came = u64::try_from((now - start()).num_minutes() / 15).unwrap();
        prop_assert_eq!(runs.len() as u64 + missed, came);
    }
}

#[test]
fn of_three_times_that_were_missed_the_last_is_run_once() {
    let schedule = schedule("0 * * * *");
    let found = account(&schedule, start(), utc("2026-01-01 03:20"), Terms::default());
    assert_eq!(found.run, Some(utc("2026-01-01 03:00")));
    assert_eq!(
        (found.missed, found.last_missed),
        (2, Some(utc("2026-01-01 02:00")))
    );
    let again = account(
        &schedule,
        found.accounted.unwrap(),
        utc("2026-01-01 03:21"),
        Terms::default(),
    );
    assert_eq!((again.run, again.missed), (None, 0));
}

#[test]
fn one_that_is_too_late_or_not_to_be_caught_up_is_missed() {
    let schedule = schedule("0 * * * *");
    let now = utc("2026-01-01 01:20");
    for terms in [
        Terms {
            deadline: Some(TimeDelta::minutes(19)),
            ..Terms::default()
        },
        Terms {
            catch_up: CatchUp::Skip,
            ..Terms::default()
        },
    ] {
        let found = account(&schedule, start(), now, terms);
        assert_eq!((found.run, found.missed), (None, 1), "{terms:?}");
    }
}

#[test]
fn a_clock_that_jumps_makes_no_storm() {
    let schedule = schedule("* * * * *");
    let ahead = account(
        &schedule,
        start(),
        start() + TimeDelta::days(400),
        Terms::default(),
    );
    assert!(ahead.run.is_some() && ahead.missed <= 10_000);
    // And set back again: what was accounted for is not run once more.
    let back = account(
        &schedule,
        ahead.accounted.unwrap(),
        start() + TimeDelta::days(1),
        Terms::default(),
    );
    assert_eq!((back.run, back.missed, back.accounted), (None, 0, None));
}

#[test]
fn a_run_has_one_name_and_one_delay() {
    let name = run_name("shop", "repo1", "full", utc("2026-11-21 03:05"));
    assert_eq!(name, "shop-repo1-full-202611210305");
    let jitter = TimeDelta::minutes(5);
    assert_eq!(delay(&name, "u", jitter), delay(&name, "u", jitter));
    let delays: BTreeSet<i64> = (0..100)
        .map(|n| delay(&name, &format!("uid-{n}"), jitter).num_seconds())
        .collect();
    assert!(delays.len() > 60 && delays.iter().all(|seconds| (0..300).contains(seconds)));
    assert_eq!(delay(&name, "u", TimeDelta::zero()), TimeDelta::zero());
}

#[rstest]
#[case("0 1 * * *", 24)]
#[case("0 1 * * 1-5", 72)]
#[case("*/5 9-17 * * 1-5", 63)]
#[case("0 3 * * 0", 168)]
#[case("0 0 1 * *", 31 * 24)]
#[case("*/10 * 1-7 * *", 24 * 24)]
#[case("CRON_TZ=Asia/Tokyo 0 9-17 * * *", 16)]
fn the_longest_pause_is_that_of_nights_weekends_and_long_months(#[case] text: &str, #[case] hours: i64) {
    let found = schedule(text).longest_pause(start()).unwrap();
    let near = if text.contains("*/") {
        TimeDelta::hours(1)
    } else {
        TimeDelta::zero()
    };
    let expected = TimeDelta::hours(hours);
    assert!(found <= expected + near && found >= expected, "{found}");
}

#[test]
fn a_pause_that_is_shorter_than_a_night_is_told_shorter_than_it_is_by_six_hours_at_most() {
    for text in ["0 */3 * * *", "* * * * *", "0 1,2,3,4,9 * * *"] {
        let found = schedule(text).longest_pause(start()).unwrap();
        let mut moment = start();
        let mut longest = TimeDelta::zero();
        while moment < start() + TimeDelta::days(3) {
            let next = schedule(text).next_after(moment).unwrap();
            longest = longest.max(next - moment);
            moment = next;
        }
        assert!(
            found <= longest && longest - found <= TimeDelta::hours(6),
            "{text}: {found}, {longest}"
        );
    }
}

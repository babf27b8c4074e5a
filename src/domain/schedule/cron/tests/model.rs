//! Every minute of UTC in turn, around the days on which zones set their clocks.

use std::collections::BTreeSet;

use chrono::{
    DateTime, Datelike as _, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use rstest::rstest;

use super::super::Schedule;

/// Hours and minutes, each at least one; and a weekday.
#[derive(Debug, Clone)]
struct Times {
    hours: BTreeSet<u32>,
    minutes: BTreeSet<u32>,
    weekday: Option<u32>,
}

impl Times {
    fn expression(&self) -> String {
        let list = |numbers: &BTreeSet<u32>| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let weekday = self.weekday.map_or_else(|| "*".to_owned(), |day| day.to_string());
        format!("{} {} * * {weekday}", list(&self.minutes), list(&self.hours))
    }

    fn has(&self, time: NaiveDateTime) -> bool {
        let weekday = time.weekday().num_days_from_sunday();
        self.hours.contains(&time.hour())
            && self.minutes.contains(&time.minute())
            && self.weekday.is_none_or(|day| day == weekday)
    }

    /// It is due where the zone's clock shows such a time for the first time, and at the end of a gap for the times that are in
    /// it; and a second time, where it is for every hour.
    fn model(&self, zone: Tz, from: DateTime<Utc>, days: i64) -> Vec<DateTime<Utc>> {
        let mut due = Vec::new();
        let mut furthest = from.with_timezone(&zone).naive_local();
        for minute in 1..=days * 24 * 60 {
            let moment = from + TimeDelta::minutes(minute);
            let local = moment.with_timezone(&zone).naive_local();
            if local <= furthest {
                // Seen already, before the clock was set back.
                if self.hours.len() == 24 && self.has(local) {
                    due.push(moment);
                }
                continue;
            }
            let mut any = false;
            while furthest < local {
                furthest += TimeDelta::minutes(1);
                any |= self.has(furthest);
            }
            if any {
                due.push(moment);
            }
        }
        due
    }
}

/// Compares both directions, from every moment of these days that is so many minutes behind the one before.
fn compare(times: &Times, zone: Tz, from: DateTime<Utc>, days: i64, every: usize) {
    let schedule = Schedule::parse(&times.expression(), Some(zone.name()), from).unwrap();
    let expected = times.model(zone, from, days);
    for minute in (0..days * 24 * 60).step_by(every) {
        for moment in [0, 59].map(|second| from + TimeDelta::minutes(minute) + TimeDelta::seconds(second)) {
            let next = expected.iter().find(|due| **due > moment);
            let last = expected.iter().rfind(|due| **due <= moment);
            let told = format!("{} in {zone} at {moment}", times.expression());
            if let Some(next) = next {
                assert_eq!(schedule.next_after(moment), Some(*next), "{told}");
            }
            if let Some(last) = last {
                assert_eq!(schedule.last_until(moment), Some(*last), "{told}");
            }
        }
    }
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A day or two before the clock is set in a year, or before the year's last days.
fn before_a_setting(zone: Tz, year: i32, which: usize) -> DateTime<Utc> {
    let offset = |day: &DateTime<Utc>| zone.offset_from_utc_datetime(&day.naive_utc()).fix();
    let first = utc(&format!("{year}-01-01T00:00:00Z"));
    let days = (0..360).map(|day| first + TimeDelta::days(day));
    let mut settings = days.filter(|day| offset(day) != offset(&(*day + TimeDelta::days(1))));
    settings.nth(which).unwrap_or(first + TimeDelta::days(360)) - TimeDelta::days(1)
}

fn numbers(below: u32) -> impl Strategy<Value = BTreeSet<u32>> {
    prop_oneof![
        prop::collection::btree_set(0..below, 1..4),
        prop::collection::btree_set(0..below, 1..usize::try_from(below).unwrap()),
        Just((0..below).collect()),
    ]
}

fn times() -> impl Strategy<Value = Times> {
    (numbers(24), numbers(60), prop::option::weighted(0.3, 0_u32..7)).prop_map(|(hours, minutes, weekday)| {
        Times {
            hours,
            minutes,
            weekday,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn in_the_days_in_which_a_clock_is_set_none_is_left_out_or_doubled(
        zone in prop::sample::select(&TZ_VARIANTS[..]),
        year in 1973..2100,
        which in 0_usize..3,
        times in times(),
    ) {
        compare(&times, zone, before_a_setting(zone, year, which), 4, 31);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_daily_time_is_due_once_a_day_in_every_zone(
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]),
        year in 2000..2040,
        hour in 0_u32..24,
        minute in 0_u32..60,
    ) {
        let times = Times { hours: [hour].into(), minutes: [minute].into(), weekday: None };
        compare(&times, zone.parse().unwrap(), utc(&format!("{year}-01-01T00:00:00Z")), 365, 24 * 60 - 7);
    }
}

/// Samoa went without the 30th of December 2011, a Friday.
#[test]
fn a_day_that_is_left_out_ends_no_schedule() {
    for hour in 0..24 {
        for weekday in [None, Some(5)] {
            let times = Times {
                hours: [hour].into(),
                minutes: [30].into(),
                weekday,
            };
            compare(&times, Tz::Pacific__Apia, utc("2011-12-25T00:00:00Z"), 10, 7);
        }
    }
}

/// Berlin sets its clock forward on 29 March from 02:00 to 03:00, and back on 25 October from 03:00 to 02:00.
#[rstest]
#[case("30 2 * * *", 1, 1)]
#[case("*/15 2 * * *", 1, 4)]
#[case("0 */2 * * *", 12, 12)]
#[case("*/15 2,3 * * *", 4, 8)]
#[case("0 * * * *", 23, 25)]
#[case("*/15 * * * *", 92, 100)]
// What the hour that is left out would have had comes at 03:00, before 03:30.
#[case("30 * * * *", 24, 25)]
fn a_day_with_a_clock_that_is_set_has_so_many_times(
    #[case] expression: &str,
    #[case] forward: usize,
    #[case] back: usize,
) {
    let count = |from: &str, until: &str| {
        let (from, until) = (utc(from) - TimeDelta::seconds(1), utc(until));
        let schedule = Schedule::parse(expression, Some("Europe/Berlin"), from).unwrap();
        schedule.after(from).take_while(|due| *due < until).count()
    };
    assert_eq!(count("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"), forward);
    assert_eq!(count("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), back);
}

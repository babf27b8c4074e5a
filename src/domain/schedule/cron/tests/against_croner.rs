//! Random expressions, zones and moments, answered by croner too.
//!
//! Not compared is what croner means otherwise: `*` or `*/1` among others in a field of days, and, where a clock is set, all but
//! single times of the day and every hour at its first minute.

use chrono::{DateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use proptest::prelude::*;

use super::super::{Schedule, ScheduleError};

fn reference(expression: &str) -> Cron {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed);
    parser.build().parse(expression).unwrap()
}

/// What croner says of the time after a moment, and of the last one until then.
fn expected(expression: &str, zone: Tz, moment: DateTime<Utc>) -> [Option<DateTime<Utc>>; 2] {
    let (cron, local) = (reference(expression), moment.with_timezone(&zone));
    [
        cron.find_next_occurrence(&local, false),
        cron.find_previous_occurrence(&local, true),
    ]
    .map(|found| found.ok().map(|found| found.with_timezone(&Utc)))
}

fn found(schedule: &Schedule, moment: DateTime<Utc>) -> [Option<DateTime<Utc>>; 2] {
    [schedule.next_after(moment), schedule.last_until(moment)]
}

fn parse(expression: &str, zone: Tz, now: DateTime<Utc>) -> Result<Schedule, ScheduleError> {
    Schedule::parse(expression, Some(zone.name()), now)
}

/// Whether the zone's clock is set within two days of a moment.
fn is_set_near(zone: Tz, moment: DateTime<Utc>) -> bool {
    let offset = |days| {
        let moment = moment + TimeDelta::days(days);
        zone.offset_from_utc_datetime(&moment.naive_utc()).fix()
    };
    offset(-2) != offset(2)
}

fn item(lowest: u32, highest: u32) -> impl Strategy<Value = String> {
    let number = lowest..=highest;
    let range = (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    prop_oneof![
        4 => number.prop_map(|number| number.to_string()),
        2 => range.clone(),
        1 => (range, 1_u32..20).prop_map(|(range, step)| format!("{range}/{step}")),
        1 => (2_u32..20).prop_map(|step| format!("*/{step}")),
    ]
}

fn field(lowest: u32, highest: u32) -> impl Strategy<Value = String> {
    let list = prop::collection::vec(item(lowest, highest), 1..4).prop_map(|items| items.join(","));
    prop_oneof![1 => Just("*".to_owned()), 2 => list]
}

fn names(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::subsequence(names, 1..3).prop_map(|names| names.join(","))
}

fn expression() -> impl Strategy<Value = String> {
    let month = prop_oneof![4 => field(1, 12), 1 => names(&["JAN", "feb", "Mar", "apr", "oct", "DEC"])];
    let weekday = prop_oneof![4 => field(0, 7), 1 => names(&["MON", "tue", "Wed", "fri", "sun"]), 1 => Just("?".to_owned())];
    (field(0, 59), field(0, 23), field(1, 31), month, weekday)
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(&TZ_VARIANTS[..])
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    (31_536_000_i64..4_070_908_800).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

/// When the clock is first set in a year, where that is by an hour or two, and at a whole one.
fn setting(zone: Tz, year: i32) -> Option<DateTime<Utc>> {
    let offset = |moment: &DateTime<Utc>| {
        let offset = zone.offset_from_utc_datetime(&moment.naive_utc()).fix();
        offset.local_minus_utc()
    };
    let differs = |from: &DateTime<Utc>, step| offset(from) != offset(&(*from + step));
    let first = Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
    let mut days = (0..365).map(|day| first + TimeDelta::days(day));
    let day = days.find(|day| differs(day, TimeDelta::days(1)))?;
    let mut minutes = (0..24 * 60).map(|minute| day + TimeDelta::minutes(minute));
    let before = minutes.find(|minute| differs(minute, TimeDelta::minutes(1)))?;
    let set = before + TimeDelta::minutes(1);
    let by = (offset(&set) - offset(&before)).abs();
    let shown = set.timestamp() + i64::from(offset(&set));
    (by == 3600 || by == 7200)
        .then_some(set)
        .filter(|_| shown % 3600 == 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn where_no_clock_is_set_every_expression_means_what_croner_says(expression in expression(), zone in zone(), moment in moment()) {
        let expected = expected(&expression, zone, moment);
        match parse(&expression, zone, moment) {
            Ok(schedule) => {
                let found = found(&schedule, moment);
                let mut all = found.iter().chain(&expected).flatten().chain([&moment]);
                if !all.any(|moment| is_set_near(zone, *moment)) {
                    prop_assert_eq!(found, expected);
                }
            }
            Err(error) => {
                prop_assert_eq!(error, ScheduleError::Never(expression));
                prop_assert_eq!(expected, [None, None]);
            }
        }
    }

    #[test]
    fn where_a_clock_is_set_a_daily_time_and_every_hour_are_those_of_croner(
        zone in zone(), year in 1975..2100, minute in 0_u32..60, hour in prop::option::of(0_u32..5), seconds in prop::collection::vec(0_i64..172_800, 8),
    ) {
        let Some(set) = setting(zone, year) else { return Ok(()) };
        let expression = match hour {
            Some(hour) => format!("{minute} {hour} * * *"),
            None => format!("0,{minute} * * * *"),
        };
        let schedule = parse(&expression, zone, set).unwrap();
        for seconds in seconds {
            let moment = set - TimeDelta::days(1) + TimeDelta::seconds(seconds);
            prop_assert_eq!(found(&schedule, moment), expected(&expression, zone, moment), "{} {} {}", expression, zone, moment);
        }
    }
}

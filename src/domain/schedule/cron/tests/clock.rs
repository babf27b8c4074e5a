//! Whether what is kept of a zone is what the time zone database says.

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use rstest::rstest;

use super::super::clock::Clock;

const DAY: i64 = 24 * 60 * 60;

fn shown(zone: Tz, utc: i64) -> i64 {
    let moment = DateTime::from_timestamp(utc, 0).unwrap().naive_utc();
    utc + i64::from(zone.offset_from_utc_datetime(&moment).fix().local_minus_utc())
}

fn kept(zone: Tz, utc: i64) -> i64 {
    let clock = Clock::of(zone, 50 * 365 * DAY).unwrap();
    let (forwards, backwards) = (
        clock.from(utc).next().unwrap(),
        clock.back_from(utc).next().unwrap(),
    );
    assert_eq!(forwards, backwards);
    forwards.at(utc)
}

/// Every zone, from 1970 until nothing more is foreseen, ten times a year, and right before and at each setting.
#[test]
fn every_zone_shows_what_the_database_says() {
    for zone in TZ_VARIANTS {
        for utc in (0..140 * 365 * DAY).step_by(37 * 24 * 60 * 60 - 17) {
            assert_eq!(kept(zone, utc), shown(zone, utc), "{zone}, {utc}");
        }
        for span in Clock::of(zone, 50 * 365 * DAY).unwrap().from(0) {
            for utc in [span.end.saturating_sub(1), span.end] {
                if utc < 150 * 365 * DAY {
                    assert_eq!(kept(zone, utc), shown(zone, utc), "{zone}, {utc}");
                }
            }
        }
    }
}

/// They are those that do it in less than a week: Gaza will, where a Ramadan comes near the end of a summer.
#[rstest]
#[case(Tz::Asia__Gaza)]
#[case(Tz::America__Noronha)]
#[case(Tz::America__Boa_Vista)]
fn a_clock_that_is_set_twice_in_a_week_shows_that_too(#[case] zone: Tz) {
    for utc in (0..140 * 365 * DAY).step_by(24 * 60 * 60) {
        assert_eq!(kept(zone, utc), shown(zone, utc), "{zone}, {utc}");
    }
}

proptest! {
    #[test]
    fn a_zone_shows_at_any_moment_what_the_database_says(zone in prop::sample::select(&TZ_VARIANTS[..]), utc in 0..140 * 365 * DAY) {
        prop_assert_eq!(kept(zone, utc), shown(zone, utc));
    }
}

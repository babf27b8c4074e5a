//! When a volume that fills up will be full: a forecast from what was free at earlier moments.
//!
//! A straight line through the oldest and the newest look. It is meant for WAL that waits because it is not archived,
//! which grows steadily; nothing is forecast from less than [`SHORTEST`], nor while no less is free than before.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// A forecast needs looks at least so far apart: a single new segment is no trend.
pub const SHORTEST: TimeDelta = TimeDelta::minutes(2);
/// Looks older than this say nothing about the present rate.
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// Looks closer together than this are one.
const STEP: TimeDelta = TimeDelta::seconds(10);
/// Later than this is not worth a word.
const HORIZON: TimeDelta = TimeDelta::days(7);

/// What was free, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filling {
    looks: VecDeque<(DateTime<Utc>, u64)>,
    told: Option<DateTime<Utc>>,
}

impl Filling {
    /// Takes a look: so many bytes are free now. Gives the moment at which none will be, if that can be told. It stays the
    /// same while it changes little, so that it is no news each time.
    pub fn notice(&mut self, now: DateTime<Utc>, free: u64) -> Option<DateTime<Utc>> {
        // A clock that was set back makes nonsense of what is kept.
        if self.looks.back().is_some_and(|(last, _)| *last > now) {
            *self = Self::default();
        }
        while self
            .looks
            .front()
            .is_some_and(|(first, _)| now - *first > LONGEST)
        {
            self.looks.pop_front();
        }
        if self.looks.back().is_none_or(|(last, _)| now - *last >= STEP) {
            self.looks.push_back((now, free));
        }
        self.told = match (self.told, self.forecast(now, free)) {
            (Some(told), Some(new)) if is_near(told, new, now) => Some(told),
            (_, new) => new,
        };
        self.told
    }

    fn forecast(&self, now: DateTime<Utc>, free: u64) -> Option<DateTime<Utc>> {
        let (since, before) = self.looks.front()?;
        let taken = before.checked_sub(free).filter(|taken| *taken > 0)?;
        let elapsed = now - *since;
        if elapsed < SHORTEST {
            return None;
        }
        let milliseconds = u128::try_from(elapsed.num_milliseconds()).ok()?;
        let left = milliseconds * u128::from(free) / u128::from(taken);
        let left = TimeDelta::try_milliseconds(i64::try_from(left).ok()?)?;
        (left <= HORIZON).then(|| now + left)
    }
}

/// Whether two forecasts are the same for a person: within a fifth of the time that is left, or five minutes.
fn is_near(told: DateTime<Utc>, new: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (new - told).abs() <= ((new - now) / 5).max(TimeDelta::minutes(5))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_steady_rate_gives_the_moment_and_too_short_a_look_gives_none() {
        let mut filling = Filling::default();
        // A GiB a minute; ten are free.
        for minute in 0..2_u64 {
            let seen = filling.notice(at(60 * i64::try_from(minute).unwrap()), (10 - minute) * GIB);
            assert_eq!(seen, None, "minute {minute}");
        }
        assert_eq!(filling.notice(at(120), 8 * GIB), Some(at(600)));
    }

    #[test]
    fn room_that_comes_back_ends_the_forecast() {
        let mut filling = Filling::default();
        filling.notice(at(0), 10 * GIB);
        assert!(filling.notice(at(180), 7 * GIB).is_some());
        assert_eq!(filling.notice(at(200), 11 * GIB), None);
    }

    #[test]
    fn a_forecast_that_moves_little_is_not_told_anew() {
        let mut filling = Filling::default();
        filling.notice(at(0), 100 * GIB);
        let told = filling.notice(at(600), 90 * GIB);
        assert_eq!(filling.notice(at(660), 89 * GIB + GIB / 4), told);
        assert_ne!(filling.notice(at(900), 50 * GIB), told);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let mut filling = Filling::default();
        filling.notice(at(0), 10 * GIB);
        assert!(filling.notice(at(300), 5 * GIB).is_some());
        assert_eq!(filling.notice(at(-3600), 4 * GIB), None);
    }

    proptest! {
        #[test]
        fn the_forecast_is_never_in_the_past_and_never_panics(frees in prop::collection::vec(any::<u64>(), 1..50), step in 0i64..400) {
            let mut filling = Filling::default();
            for (n, free) in frees.into_iter().enumerate() {
                let now = at(step * i64::try_from(n).unwrap());
                if let Some(full) = filling.forecast(now, free) {
                    prop_assert!(full >= now);
                }
                filling.notice(now, free);
                prop_assert!(filling.looks.len() <= 91);
            }
        }
    }
}

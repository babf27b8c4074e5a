//! Times in which no scheduled backup begins.

use chrono::{DateTime, TimeDelta, Utc};

use super::cron::Schedule;

/// A time that comes again and again, and lasts.
#[derive(Debug, Clone)]
pub struct Blackout {
    /// When it begins.
    pub begins: Schedule,
    /// How long it lasts.
    pub lasts: TimeDelta,
}

impl Blackout {
    /// Until when it lasts, if it does now.
    #[must_use]
    pub fn until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let end = self.begins.last_until(now)? + self.lasts;
        (end > now).then_some(end)
    }
}

/// Until when the last of those that last now does.
#[must_use]
pub fn until(blackouts: &[Blackout], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    blackouts.iter().filter_map(|blackout| blackout.until(now)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_from_its_beginning_to_just_before_its_end() {
        let utc = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let begins = Schedule::parse("0 22 * * *", None, utc("2026-01-01T00:00:00Z")).unwrap();
        let night = Blackout {
            begins,
            lasts: TimeDelta::hours(4),
        };
        assert_eq!(night.until(utc("2026-01-01T21:59:59Z")), None);
        let end = utc("2026-01-02T02:00:00Z");
        assert_eq!(night.until(utc("2026-01-01T22:00:00Z")), Some(end));
        assert_eq!(
            until(std::slice::from_ref(&night), utc("2026-01-02T01:59:59Z")),
            Some(end)
        );
        assert_eq!(until(&[night], end), None);
    }
}

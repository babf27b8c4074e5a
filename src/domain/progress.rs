//! From samples of bytes done to percent, rate and remaining time.
//!
//! pgBackRest counts finished files, and large tables are files of 1 GB, so the count jumps: a rate between two
//! samples is either nothing or enormous. The rate here is over a sliding span of time that reaches back as far as
//! the last jumps, and what is shown never goes backwards.

use std::{collections::VecDeque, fmt};

use chrono::{DateTime, TimeDelta, Utc};

use super::size::Bytes;

/// Samples older than this do not count for the rate, while there are younger ones that moved.
const SPAN: TimeDelta = TimeDelta::seconds(60);
/// Samples kept at most; a chatty source cannot make it grow.
const SAMPLES: usize = 128;
/// No rate before this much time: the first jump says nothing.
const SETTLE: TimeDelta = TimeDelta::seconds(2);

/// One look at a running backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: DateTime<Utc>,
    /// Bytes of the database that are done.
    pub done: u64,
    /// Bytes of the database in all; 0 while unknown.
    pub total: u64,
}

/// What is shown of a running backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done; never less than shown before.
    pub done: u64,
    /// Bytes in all; 0 while unknown.
    pub total: u64,
    /// 0 to 100, rounded down, so that 100 means all.
    pub percent: u8,
    /// Bytes per second; absent while it cannot be told.
    pub rate: Option<u64>,
    /// Time left at that rate; absent while it cannot be told.
    pub eta: Option<TimeDelta>,
}

impl fmt::Display for Progress {
    /// `43% 1.2GiB/2.8GiB 85.0MiB/s ETA 20s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}% {}/{}", self.percent, Bytes(self.done), Bytes(self.total))?;
        if let Some(rate) = self.rate {
            write!(f, " {}/s", Bytes(rate))?;
        }
        if let Some(eta) = self.eta {
            let seconds = eta.num_seconds();
            match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
                (0, 0, s) => write!(f, " ETA {s}s")?,
                (0, m, s) => write!(f, " ETA {m}m{s:02}s")?,
                (h, m, _) => write!(f, " ETA {h}h{m:02}m")?,
            }
        }
        Ok(())
    }
}

/// Collects samples of one running backup.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    samples: VecDeque<Sample>,
    started: Option<Sample>,
}

impl Tracker {
    /// With the time at which the work began, if that is known: it makes the first rate right.
    #[must_use]
    pub fn started_at(at: DateTime<Utc>) -> Self {
        let start = Sample {
            at,
            done: 0,
            total: 0,
        };
        Self {
            samples: VecDeque::from([start]),
            started: Some(start),
        }
    }

    /// Adds a sample and returns what to show. Samples that are older than the last are ignored; counts that fall
    /// are taken as standing still, but for a total that changed too, which is another backup.
    pub fn add(&mut self, mut sample: Sample) -> Progress {
        if let Some(last) = self.samples.back().copied() {
            if sample.at < last.at {
                return self.show(last);
            }
            let restarted = sample.done < last.done && last.total != 0 && sample.total != last.total;
            if restarted {
                *self = Self::default();
            } else {
                sample.done = sample.done.max(last.done);
            }
        }
        if sample.total > 0 {
            sample.done = sample.done.min(sample.total);
        }
        self.started.get_or_insert(sample);
        let moved = self.samples.back().is_none_or(|last| last.done != sample.done);
        if !moved && self.samples.len() > 1 {
            // Standing still: the last sample only becomes younger, so that a stall lowers the rate.
            let standing = self
                .samples
                .iter()
                .rev()
                .take(2)
                .filter(|last| last.done == sample.done)
                .count()
                == 2;
            if standing {
                self.samples.pop_back();
            }
        }
        self.samples.push_back(sample);
        self.forget(sample.at);
        self.show(sample)
    }

    /// Drops samples before the span, but keeps two at least: with 1 GB jumps there may be one a minute.
    fn forget(&mut self, now: DateTime<Utc>) {
        while self.samples.len() > 2
            && (self.samples.len() > SAMPLES
                || self.samples.get(1).is_some_and(|second| now - second.at >= SPAN))
        {
            self.samples.pop_front();
        }
    }

    fn show(&self, now: Sample) -> Progress {
        let rate = self.rate(now);
        let left = now.total.saturating_sub(now.done);
        let eta = rate.filter(|rate| *rate > 0 && now.total > 0).and_then(|rate| {
            let seconds = i64::try_from(left.saturating_add(rate / 2) / rate).ok()?;
            TimeDelta::try_seconds(seconds)
        });
        let percent = (u128::from(now.done) * 100)
            .checked_div(u128::from(now.total))
            .unwrap_or(0);
        Progress {
            done: now.done,
            total: now.total,
            percent: u8::try_from(percent.min(100)).unwrap_or(100),
            rate,
            eta,
        }
    }

    fn rate(&self, now: Sample) -> Option<u64> {
        let (first, started) = (self.samples.front()?, self.started?);
        // Until something has moved within the span, the average since the start is the better guess.
        let from = if first.done < now.done { *first } else { started };
        let millis = u128::try_from((now.at - from.at).num_milliseconds()).ok()?;
        if now.at - from.at < SETTLE || now.done == from.done {
            return None;
        }
        u64::try_from(u128::from(now.done - from.done) * 1000 / millis.max(1)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn sample(seconds: i64, done: u64, total: u64) -> Sample {
        Sample {
            at: at(seconds),
            done,
            total,
        }
    }

    #[test]
    fn a_steady_backup_is_told_in_one_line() {
        let mut tracker = Tracker::started_at(at(0));
        let mut shown = String::new();
        for second in 1..=14 {
            shown = tracker
                .add(sample(
                    second,
                    u64::try_from(second).unwrap() * (85 << 20),
                    2800 << 20,
                ))
                .to_string();
        }
        assert_eq!(shown, "42% 1.2GiB/2.7GiB 85.0MiB/s ETA 19s");
    }

    #[test]
    fn a_jump_of_a_gigabyte_does_not_make_an_enormous_rate() {
        let mut tracker = Tracker::started_at(at(0));
        for second in 1..20 {
            tracker.add(sample(second, 0, 4 * GIB));
        }
        let progress = tracker.add(sample(20, GIB, 4 * GIB));
        assert_eq!(progress.rate, Some(GIB / 20));
        assert_eq!(progress.eta, Some(TimeDelta::seconds(60)));
        // Nothing moves until the next file is done: the rate sinks slowly, and does not vanish.
        let progress = tracker.add(sample(39, GIB, 4 * GIB));
        assert_eq!(progress.rate, Some(GIB / 39));
    }

    #[test]
    fn nothing_is_promised_before_something_moved() {
        let mut tracker = Tracker::default();
        let progress = tracker.add(sample(0, 0, 0));
        assert_eq!((progress.rate, progress.eta, progress.percent), (None, None, 0));
        assert_eq!(tracker.add(sample(9, 0, GIB)).to_string(), "0% 0B/1.0GiB");
    }

    #[test]
    fn a_hundred_percent_means_all() {
        let mut tracker = Tracker::started_at(at(0));
        assert_eq!(tracker.add(sample(5, GIB - 1, GIB)).percent, 99);
        assert_eq!(tracker.add(sample(6, GIB, GIB)).percent, 100);
    }

    #[test]
    fn a_retry_with_another_total_begins_again() {
        let mut tracker = Tracker::started_at(at(0));
        tracker.add(sample(5, GIB, 2 * GIB));
        assert_eq!(tracker.add(sample(6, 10, 3 * GIB)).done, 10);
    }

    #[test]
    fn long_times_are_shown_in_hours() {
        let progress = Progress {
            done: 1,
            total: 2,
            percent: 50,
            rate: Some(1),
            eta: Some(TimeDelta::seconds(7384)),
        };
        assert!(progress.to_string().ends_with("ETA 2h03m"));
    }

    proptest! {
        #[test]
        fn what_is_shown_never_goes_backwards(steps in prop::collection::vec((0..90_i64, 0..3 * GIB), 1..300)) {
            let mut tracker = Tracker::started_at(at(0));
            let (mut now, mut last) = (0, 0);
            for (seconds, done) in steps {
                now += seconds;
                let progress = tracker.add(sample(now, done, 2 * GIB));
                prop_assert!(progress.done >= last && progress.percent <= 100);
                prop_assert!(tracker.samples.len() <= SAMPLES + 1);
                last = progress.done;
            }
        }
    }
}

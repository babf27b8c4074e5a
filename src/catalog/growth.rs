//! How a repository grows, from sizes at different times.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Sizes;

/// Sizes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SizeSample {
    /// When.
    pub at: DateTime<Utc>,
    /// The sizes.
    pub sizes: Sizes,
}

/// How much larger a repository became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// From this time.
    pub from: DateTime<Utc>,
    /// To this time.
    pub to: DateTime<Utc>,
    /// In bytes; negative where it shrank.
    pub bytes: i64,
}

impl Growth {
    /// In bytes a day.
    #[must_use]
    pub fn per_day(&self) -> i64 {
        let seconds = (self.to - self.from).num_seconds().max(1);
        let per_day = i128::from(self.bytes) * 86_400 / i128::from(seconds);
        i64::try_from(per_day).unwrap_or(if per_day < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The growth over at most `span` before the newest of `samples`, which are in the order of time. `None`: there are
/// not two with at least an hour between them.
#[must_use]
pub fn growth(samples: &[SizeSample], span: TimeDelta) -> Option<Growth> {
    let newest = samples.last()?;
    let oldest = samples.iter().find(|sample| newest.at - sample.at <= span)?;
    let total = |sample: &SizeSample| i64::try_from(sample.sizes.total()).unwrap_or(i64::MAX);
    (newest.at - oldest.at >= TimeDelta::hours(1)).then(|| Growth {
        from: oldest.at,
        to: newest.at,
        bytes: total(newest).saturating_sub(total(oldest)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(hours: i64, backups: u64, wal: u64) -> SizeSample {
        SizeSample {
            at: DateTime::from_timestamp(hours * 3600, 0).unwrap(),
            sizes: Sizes {
                backups,
                wal,
                ..Sizes::default()
            },
        }
    }

    #[test]
    fn growth_is_measured_over_the_span() {
        let samples = [sample(0, 0, 0), sample(100, 20, 30), sample(148, 30, 0)];
        let found = growth(&samples, TimeDelta::days(7)).unwrap();
        assert_eq!((found.bytes, found.per_day()), (30, 4));
        let found = growth(&samples, TimeDelta::days(3)).unwrap();
        assert_eq!((found.bytes, found.per_day()), (-20, -10));
    }

    #[test]
    fn one_moment_tells_nothing() {
        assert_eq!(growth(&[], TimeDelta::days(7)), None);
        assert_eq!(growth(&[sample(1, 5, 0)], TimeDelta::days(7)), None);
        assert_eq!(
            growth(&[sample(1, 5, 0), sample(90, 5, 0)], TimeDelta::hours(3)),
            None
        );
    }
}

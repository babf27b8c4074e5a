//! A time at random, for rehearsals that prove more than the newest.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

/// One time of all that lie in these spans, each as likely as any other; the same for the same seed. Spans without any length count as
/// a microsecond, which is PostgreSQL's own.
#[must_use]
pub fn random_time(spans: &[(DateTime<Utc>, DateTime<Utc>)], seed: &str) -> Option<DateTime<Utc>> {
    let length = |(from, to): &(DateTime<Utc>, DateTime<Utc>)| {
        let micros = (*to - *from).num_microseconds().unwrap_or(i64::MAX);
        u64::try_from(micros).unwrap_or(0).max(1)
    };
    let all = spans.iter().map(length).fold(0_u64, u64::saturating_add);
    let digest = Sha256::digest(seed);
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut place = number.checked_rem(all)?;
    for span in spans {
        let length = length(span);
        if place < length {
            // It is that of the length of a span, and so of a time.
            let offset = i64::try_from(place).unwrap_or_default();
            return span.0.checked_add_signed(TimeDelta::microseconds(offset));
        }
        place -= length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_219_200 + second, 0).unwrap()
    }

    #[test]
    fn every_span_is_chosen_as_often_as_it_is_long() {
        let spans = [(at(0), at(100)), (at(1000), at(1300)), (at(5000), at(5000))];
        let chosen: Vec<_> = (0..4000)
            .filter_map(|seed| random_time(&spans, &seed.to_string()))
            .collect();
        assert_eq!(chosen.len(), 4000);
        let within = |(from, to): (DateTime<Utc>, DateTime<Utc>)| {
            chosen.iter().filter(|time| from <= **time && **time < to).count()
        };
        let (short, long) = (within(spans[0]), within(spans[1]));
        assert_eq!(short + long, 4000);
        assert!((800..1200).contains(&short), "{short}");
        assert_eq!(random_time(&spans, "a"), random_time(&spans, "a"));
    }

    #[test]
    fn where_nothing_can_be_reached_there_is_no_time() {
        assert_eq!(random_time(&[], "a"), None);
        assert_eq!(random_time(&[(at(3), at(3))], "a"), Some(at(3)));
    }
}

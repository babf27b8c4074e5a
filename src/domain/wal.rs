//! WAL positions and segment names.
//!
//! A segment's file name is 24 hex digits: timeline, "log" and segment, 8 each, where a log is 4 GiB of WAL. How
//! many segments make a log depends on the cluster's segment size, so arithmetic needs a [`SegmentSize`].

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of WAL in one "log" of a segment's name.
const LOG_BYTES: u64 = 1 << 32;

/// A text or number that is no WAL position, segment or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// Not 24 hex digits in upper case with a timeline above 0.
    #[error("'{0}' is no WAL segment name")]
    Segment(String),
    /// Not `X/X` in hex.
    #[error("'{0}' is no WAL position")]
    Lsn(String),
    /// Not a power of two from 1 MiB to 1 GiB.
    #[error("{0} is no WAL segment size: a power of two from 1 MiB to 1 GiB")]
    Size(u64),
}

impl WalError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-wal-name"
    }
}

/// `wal_segment_size` of a cluster, in bytes; so it is written and read by serde too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct SegmentSize(NonZeroU32);

impl SegmentSize {
    /// Checks that it is a power of two from 1 MiB to 1 GiB.
    pub fn new(bytes: u64) -> Result<Self, WalError> {
        let fits = (1 << 20..=1 << 30).contains(&bytes) && bytes.is_power_of_two();
        let size = u32::try_from(bytes)
            .ok()
            .filter(|_| fits)
            .and_then(NonZeroU32::new);
        size.map(Self).ok_or(WalError::Size(bytes))
    }

    /// The size that fits positions which are known to lie in segments: `backup.info` does not say it. A position in the
    /// first segment of a log fits several sizes; PostgreSQL's default is taken if it fits, else the smallest that does.
    /// `None` when no size fits all of them: the size was changed in between.
    #[must_use]
    pub fn fitting(positions: &[(Segment, Lsn)]) -> Option<Self> {
        let fits = |size: &Self| {
            positions
                .iter()
                .all(|(segment, lsn)| Segment::containing(segment.timeline(), *lsn, *size) == Some(*segment))
        };
        let all = (20..=30).filter_map(|power| Self::new(1 << power).ok());
        std::iter::once(Self::default()).chain(all).find(fits)
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0.get())
    }

    /// Segments in one log.
    fn per_log(self) -> u64 {
        LOG_BYTES / self.bytes()
    }
}

impl TryFrom<u64> for SegmentSize {
    type Error = WalError;

    fn try_from(bytes: u64) -> Result<Self, Self::Error> {
        Self::new(bytes)
    }
}

impl From<SegmentSize> for u64 {
    fn from(size: SegmentSize) -> Self {
        size.bytes()
    }
}

/// PostgreSQL's own default, 16 MiB.
impl Default for SegmentSize {
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_mul(NonZeroU32::MIN.saturating_add((16 << 20) - 1)))
    }
}

/// A position in the WAL; its text form is PostgreSQL's (`16/B374D848`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = WalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || WalError::Lsn(text.to_owned());
        let half = |part: &str| {
            let hex = (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            u64::from_str_radix(part, 16)
                .ok()
                .filter(|_| hex)
                .ok_or_else(error)
        };
        let (high, low) = text.split_once('/').ok_or_else(error)?;
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

/// A WAL segment's name. Ordered by timeline, then by position, as the names sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    timeline: u32,
    log: u32,
    number: u32,
}

impl Segment {
    /// The segment that a position lies in.
    #[must_use]
    pub fn containing(timeline: u32, position: Lsn, size: SegmentSize) -> Option<Self> {
        Self::at(timeline, position.0 / size.bytes(), size)
    }

    /// The segment with an index counted from the beginning of the WAL; `None` beyond the last possible one.
    #[must_use]
    pub fn at(timeline: u32, index: u64, size: SegmentSize) -> Option<Self> {
        let log = u32::try_from(index / size.per_log()).ok()?;
        let number = u32::try_from(index % size.per_log()).ok()?;
        (timeline > 0).then_some(Self {
            timeline,
            log,
            number,
        })
    }

    /// The index counted from the beginning of the WAL.
    #[must_use]
    pub fn index(self, size: SegmentSize) -> u64 {
        u64::from(self.log) * size.per_log() + u64::from(self.number)
    }

    /// The first position of the segment.
    #[must_use]
    pub fn start(self, size: SegmentSize) -> Lsn {
        Lsn(u64::from(self.log) << 32 | (u64::from(self.number) * size.bytes()) & 0xFFFF_FFFF)
    }

    /// The following segment of the same timeline.
    #[must_use]
    pub fn next(self, size: SegmentSize) -> Option<Self> {
        Self::at(self.timeline, self.index(size) + 1, size)
    }

    /// False for a number that a log of this segment size does not have: the name is of a cluster with smaller segments.
    #[must_use]
    pub fn fits(self, size: SegmentSize) -> bool {
        u64::from(self.number) < size.per_log()
    }

    /// Reads a name. Allocates nothing, so it suits listings of millions of names.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let (timeline, rest) = name.split_first_chunk()?;
        let (log, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let segment = Self {
            timeline: upper_hex(*timeline)?,
            log: upper_hex(*log)?,
            number: upper_hex(*number)?,
        };
        (rest.is_empty() && segment.timeline > 0).then_some(segment)
    }

    /// The timeline, from 1.
    #[must_use]
    pub fn timeline(self) -> u32 {
        self.timeline
    }

    /// Name of pgBackRest's directory for it: the first 16 hex digits.
    #[must_use]
    pub fn directory(self) -> String {
        format!("{:08X}{:08X}", self.timeline, self.log)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:08X}{:08X}", self.timeline, self.log, self.number)
    }
}

impl FromStr for Segment {
    type Err = WalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or_else(|| WalError::Segment(text.to_owned()))
    }
}

/// Eight hex digits in upper case, as PostgreSQL writes them in file names.
pub(super) fn upper_hex(digits: [u8; 8]) -> Option<u32> {
    let digits = digits.map(|digit| hex_digit(digit, b'A'));
    let value = digits
        .iter()
        .fold(0, |value, digit| value << 4 | u32::from(digit & 0x0F));
    digits.iter().all(|digit| *digit < 16).then_some(value)
}

/// The value of a hex digit whose letters begin with `a`; 16 or more for what is none. Without branches, since names of
/// segments are read by the million.
pub(super) fn hex_digit(digit: u8, a: u8) -> u8 {
    let number = digit.wrapping_sub(b'0');
    let letter = digit.wrapping_sub(a);
    let letter = if letter < 6 { letter + 10 } else { u8::MAX };
    if number < 10 { number } else { letter }
}

/// Positions and segments are stored and shown in their text form.
macro_rules! text_form {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

text_form!(Lsn, Segment);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_has_timeline_log_and_segment() {
        let segment: Segment = "000000050000000000000065".parse().unwrap();
        assert_eq!(segment.timeline(), 5);
        assert_eq!(segment.directory(), "0000000500000000");
        assert_eq!(
            segment.start(SegmentSize::default()),
            "0/65000000".parse().unwrap()
        );
        assert_eq!(
            segment.next(SegmentSize::default()).unwrap().to_string(),
            "000000050000000000000066"
        );
    }

    #[test]
    fn the_segment_after_the_last_of_a_log_opens_the_next_log() {
        let last: Segment = "0000000100000000000000FF".parse().unwrap();
        let directory = last.next(SegmentSize::default()).unwrap();
        assert_eq!(directory.to_string(), "000000010000000100000000");
        let big = SegmentSize::new(1 << 30).unwrap();
        let last: Segment = "000000010000000000000003".parse().unwrap();
        assert_eq!(last.next(big).unwrap().to_string(), "000000010000000100000000");
    }

    #[test]
    fn nothing_follows_the_last_possible_segment() {
        let last: Segment = "00000001FFFFFFFF000000FF".parse().unwrap();
        assert_eq!(last.next(SegmentSize::default()), None);
    }

    #[test]
    fn what_is_no_name_position_or_size_is_refused() {
        for text in [
            "",
            "0000000100000000000000f0",
            "000000000000000000000001",
            "00000001000000000000000G",
            "00000002.history",
        ] {
            assert_eq!(text.parse::<Segment>(), Err(WalError::Segment(text.to_owned())));
        }
        for text in ["", "0", "/", "1/", "0/123456789", "+1/0", "g/0"] {
            assert_eq!(text.parse::<Lsn>(), Err(WalError::Lsn(text.to_owned())));
        }
        for bytes in [0, 1 << 19, (1 << 24) + 1, 1 << 31, 1 << 62] {
            assert_eq!(SegmentSize::new(bytes), Err(WalError::Size(bytes)));
        }
        assert_eq!(SegmentSize::default().bytes(), 16 << 20);
    }

    #[test]
    fn the_segment_size_follows_from_positions() {
        let at = |name: &str, lsn: &str| (name.parse().unwrap(), lsn.parse().unwrap());
        assert_eq!(SegmentSize::fitting(&[]), Some(SegmentSize::default()));
        let sixteen = at("000000010000000000000006", "0/6000028");
        assert_eq!(SegmentSize::fitting(&[sixteen]).unwrap().bytes(), 16 << 20);
        let sixty_four = at("000000010000000000000006", "0/18000028");
        assert_eq!(SegmentSize::fitting(&[sixty_four]).unwrap().bytes(), 64 << 20);
        assert_eq!(SegmentSize::fitting(&[sixteen, sixty_four]), None);
        let big = SegmentSize::fitting(&[sixty_four]).unwrap();
        assert!(sixteen.0.fits(big));
        assert!(!"0000000100000000000000C8".parse::<Segment>().unwrap().fits(big));
    }

    #[test]
    fn names_positions_and_sizes_are_stored_as_text_and_number() {
        let segment: Segment = "0000000100000002000000C8".parse().unwrap();
        let json = serde_json::to_string(&(segment, Lsn(0x16_B374_D848), SegmentSize::default())).unwrap();
        assert_eq!(json, r#"["0000000100000002000000C8","16/B374D848",16777216]"#);
        let back: (Segment, Lsn, SegmentSize) = serde_json::from_str(&json).unwrap();
        assert_eq!(back, (segment, Lsn(0x16_B374_D848), SegmentSize::default()));
        assert!(serde_json::from_str::<SegmentSize>("5").is_err());
        assert!(serde_json::from_str::<Segment>("\"5\"").is_err());
    }

    fn size() -> impl Strategy<Value = SegmentSize> {
        (20..=30_u32).prop_map(|power| SegmentSize::new(1 << power).unwrap())
    }

    proptest! {
        #[test]
        fn every_position_lies_in_the_segment_that_contains_it(timeline in 1..=u32::MAX, lsn: u64, size in size()) {
            let segment = Segment::containing(timeline, Lsn(lsn), size).unwrap();
            let start = segment.start(size).0;
            prop_assert!(start <= lsn && lsn - start < size.bytes());
            prop_assert_eq!(Segment::at(timeline, segment.index(size), size), Some(segment));
        }

        #[test]
        fn names_and_positions_survive_their_text_form(timeline in 1..=u32::MAX, lsn: u64, size in size()) {
            let segment = Segment::containing(timeline, Lsn(lsn), size).unwrap();
            prop_assert_eq!(segment.to_string().parse(), Ok(segment));
            prop_assert_eq!(Lsn(lsn).to_string().parse(), Ok(Lsn(lsn)));
            prop_assert!(segment.to_string().starts_with(&segment.directory()));
        }

        #[test]
        fn names_sort_as_segments_do(timeline in 1..9_u32, a: u64, b: u64, size in size()) {
            let of = |lsn| Segment::containing(timeline, Lsn(lsn), size).unwrap();
            prop_assert_eq!(of(a).cmp(&of(b)), of(a).to_string().cmp(&of(b).to_string()));
        }

        #[test]
        fn the_next_segment_begins_where_one_ends(timeline in 1..9_u32, lsn in 0..u64::MAX / 2, size in size()) {
            let segment = Segment::containing(timeline, Lsn(lsn), size).unwrap();
            let next = segment.next(size).unwrap();
            prop_assert_eq!(next.start(size).0, segment.start(size).0 + size.bytes());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = text.parse::<Segment>();
            let _ = text.parse::<Lsn>();
        }
    }
}

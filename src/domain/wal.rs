//! WAL positions and segment names.
//!
//! A segment's file name is 24 hex digits: timeline, "log" and segment, 8 each, where a log is 4 GiB of WAL. How
//! many segments make a log depends on the cluster's segment size, so arithmetic needs a [`SegmentSize`].

use std::{fmt, num::NonZeroU32, str::FromStr};

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

/// `wal_segment_size` of a cluster, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        let error = || WalError::Segment(text.to_owned());
        let upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if text.len() != 24 || !text.bytes().all(upper_hex) {
            return Err(error());
        }
        let part = |range| {
            let digits: &str = text.get(range).ok_or_else(error)?;
            u32::from_str_radix(digits, 16).map_err(|_| error())
        };
        let segment = Self {
            timeline: part(0..8)?,
            log: part(8..16)?,
            number: part(16..24)?,
        };
        if segment.timeline == 0 {
            Err(error())
        } else {
            Ok(segment)
        }
    }
}

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

//! Sizes for people: `1.2GiB`. Machines get bytes.

use std::fmt;

/// A number of bytes whose text form is rounded for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{}B", self.0);
        }
        // Tenths of the unit, rounded; integers only, so that equal sizes are equal texts everywhere.
        let mut tenths = u128::from(self.0) * 10;
        let mut unit = "B";
        for name in UNITS {
            // Below 1024 of the unit after rounding to what is shown.
            if tenths < 10_235 {
                break;
            }
            tenths = (tenths + 512) / 1024;
            unit = name;
        }
        if tenths < 1000 {
            write!(f, "{}.{}{unit}", tenths / 10, tenths % 10)
        } else {
            write!(f, "{}{unit}", (tenths + 5) / 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0B")]
    #[case(1023, "1023B")]
    #[case(1024, "1.0KiB")]
    #[case(16 << 20, "16.0MiB")]
    #[case(85 << 20, "85.0MiB")]
    #[case(1_592_018_287, "1.5GiB")]
    #[case(150 << 30, "150GiB")]
    #[case((1 << 30) - 1, "1.0GiB")]
    #[case(u64::MAX, "16.0EiB")]
    fn sizes_are_shown_with_a_binary_unit(#[case] bytes: u64, #[case] expected: &str) {
        assert_eq!(Bytes(bytes).to_string(), expected);
    }
}

//! Sizes for people: `1.2GiB`. Machines get bytes.

use std::fmt;

/// A number of bytes whose text form is rounded for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    /// A size as Kubernetes writes quantities: `1Gi`, `500M`, `1.5Gi`; rounded up. Nothing for what is no size.
    /// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
    #[must_use]
    pub fn of_quantity(text: &str) -> Option<Self> {
        const FACTORS: [(&str, u128); 12] = [
            ("Ki", 1 << 10),
            ("Mi", 1 << 20),
            ("Gi", 1 << 30),
            ("Ti", 1 << 40),
            ("Pi", 1 << 50),
            ("Ei", 1 << 60),
            ("k", 1_000),
            ("M", 1_000_000),
            ("G", 1_000_000_000),
            ("T", 1_000_000_000_000),
            ("P", 1_000_000_000_000_000),
            ("E", 1_000_000_000_000_000_000),
        ];
        let (number, factor) = FACTORS
            .iter()
            .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
            .unwrap_or((text, 1));
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        // Nobody writes more digits, and these fit.
        if whole.is_empty() || whole.len() > 18 || part.len() > 9 {
            return None;
        }
        let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
        let part = if part.is_empty() { 0 } else { digits(part)? };
        let bytes = (digits(whole)? * scale + part).checked_mul(factor)?;
        u64::try_from(bytes.div_ceil(scale)).ok().map(Self)
    }
}

fn digits(text: &str) -> Option<u128> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

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

    #[rstest]
    #[case("1024", Some(1024))]
    #[case("1Gi", Some(1 << 30))]
    #[case("1.5Ki", Some(1536))]
    #[case("500M", Some(500_000_000))]
    #[case("0.0001k", Some(1))]
    #[case("16Ei", None)]
    #[case("", None)]
    #[case("-1", None)]
    #[case("Gi", None)]
    #[case("1e3", None)]
    fn quantities_are_sizes(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(Bytes::of_quantity(text).map(|size| size.0), expected);
    }
}

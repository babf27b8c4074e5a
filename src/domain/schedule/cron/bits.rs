//! Sets of numbers below 64.

/// Bit `n` stands for the number `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bits(pub u64);

impl Bits {
    /// A number that may be outside is not in it.
    pub const fn has(self, number: i64) -> bool {
        self.0 >> number & 1 == 1
    }

    /// Those that are not below this one.
    pub const fn from(self, number: i64) -> Self {
        Self(self.0 & u64::MAX << number)
    }

    /// Those that are not above this one, which may be -1.
    pub const fn until(self, number: i64) -> Self {
        Self(self.0 & !(u64::MAX << (number + 1)))
    }

    pub fn lowest(self) -> Option<i64> {
        (self.0 != 0).then(|| i64::from(self.0.trailing_zeros()))
    }

    pub fn highest(self) -> Option<i64> {
        Some(i64::from(self.0.checked_ilog2()?))
    }

    /// All but the lowest.
    pub const fn rest(self) -> Self {
        Self(self.0 & self.0.wrapping_sub(1))
    }
}

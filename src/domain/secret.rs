//! A text that must not be printed: passphrases, access keys, tokens.
//!
//! It has no `Display`, and its `Debug` shows nothing of the content, so that a struct which holds one can be
//! logged. It does not try to wipe memory: what it protects from is logs, events and status.

use std::fmt;

/// A secret text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_content() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<redacted>");
    }
}

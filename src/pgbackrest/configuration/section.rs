//! One section of an ini file under construction: knows what the user's files set already.

use std::fmt::Write as _;

use crate::pgbackrest::user_options::UserOptions;

/// Keys and values in the order of rendering. A key may repeat only when it is added so on purpose.
pub(super) struct Section<'a> {
    name: &'a str,
    user: &'a UserOptions,
    lines: Vec<(String, String)>,
}

impl<'a> Section<'a> {
    pub(super) fn new(name: &'a str, user: &'a UserOptions) -> Self {
        Self {
            name,
            user,
            lines: Vec::new(),
        }
    }

    /// A setting of ours that the user may replace, in a file or in `global`.
    pub(super) fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let key = key.into();
        if !self.user.file_sets(self.name, &key) {
            self.lines.push((key, value.into()));
        }
    }

    /// The user's `global`: replaces what was set before.
    pub(super) fn replace(&mut self, key: &str, value: &str) {
        self.lines.retain(|(present, _)| present != key);
        self.lines.push((key.to_owned(), value.to_owned()));
    }

    /// Appends the section to a file; nothing for an empty section.
    pub(super) fn write(mut self, file: &mut String) {
        if self.lines.is_empty() {
            return;
        }
        self.lines.sort();
        // Writing to a String cannot fail.
        let _ = writeln!(file, "\n[{}]", self.name);
        for (key, value) in self.lines {
            let _ = writeln!(file, "{key}={value}");
        }
    }
}

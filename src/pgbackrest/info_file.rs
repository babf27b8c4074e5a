//! `backup.info` and `archive.info`: ini files with JSON values and a checksum of their own.
//!
//! The checksum is the SHA-1 of `{"section":{"key":value,…},…}` in file order with the values as written, without the
//! checksum itself.

use sha1::{Digest as _, Sha1};

/// Why a text is no info file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoFileError {
    /// A line is neither a section nor `key=value`.
    #[error("line {line} is neither a section nor a key with a value")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
    /// There is no checksum: the end is missing.
    #[error("it has no checksum, so its end is missing")]
    NoChecksum,
    /// The checksum is of another content.
    #[error("its checksum is that of another content")]
    WrongChecksum,
    /// A value that must be there is missing or is not what it should be.
    #[error("'{key}' in [{section}] is missing or wrong")]
    Value {
        /// The section.
        section: String,
        /// The key.
        key: String,
    },
}

impl InfoFileError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "damaged"
    }
}

/// A file whose checksum is right.
#[derive(Clone, PartialEq, Eq)]
pub struct InfoFile {
    entries: Vec<(String, String, String)>,
}

impl InfoFile {
    /// Reads the text and checks the checksum.
    pub fn parse(text: &str) -> Result<Self, InfoFileError> {
        let mut entries = entries(text)?;
        let is_checksum = |(section, key, _): &(String, String, String)| {
            section == "backrest" && key == "backrest-checksum"
        };
        let written = entries
            .iter()
            .find(|entry| is_checksum(entry))
            .map(|(_, _, value)| value.clone());
        entries.retain(|entry| !is_checksum(entry));
        match written {
            None => Err(InfoFileError::NoChecksum),
            Some(written) if written.trim_matches('"') == checksum(&entries) => Ok(Self { entries }),
            Some(_) => Err(InfoFileError::WrongChecksum),
        }
    }

    /// Keys and values of a section, as written.
    pub fn section<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.entries
            .iter()
            .filter(move |(section, _, _)| section == name)
            .map(|(_, key, value)| (key.as_str(), value.as_str()))
    }

    /// A value, if it is there and of that type.
    pub fn value<T: serde::de::DeserializeOwned>(
        &self,
        section: &str,
        key: &str,
    ) -> Result<T, InfoFileError> {
        self.section(section)
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| serde_json::from_str(value).ok())
            .ok_or_else(|| InfoFileError::Value {
                section: section.to_owned(),
                key: key.to_owned(),
            })
    }
}

/// Section, key and value of each line.
fn entries(text: &str) -> Result<Vec<(String, String, String)>, InfoFileError> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        match key_and_value(line) {
            Some((key, value)) if !key.is_empty() && !section.is_empty() => {
                entries.push((section.clone(), key.to_owned(), value.to_owned()));
            }
            _ => return Err(InfoFileError::Malformed { line: index + 1 }),
        }
    }
    Ok(entries)
}

/// Keys may hold a `=`, as names of files can: the value begins at the first one behind which there is JSON.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    line.match_indices('=')
        .map(|(at, _)| line.split_at(at))
        .filter_map(|(key, rest)| Some((key, rest.strip_prefix('=')?)))
        .find(|(_, value)| serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok())
}

fn checksum(entries: &[(String, String, String)]) -> String {
    let mut hash = Sha1::new();
    let mut open: Option<&str> = None;
    hash.update("{");
    for (section, key, value) in entries {
        match open {
            Some(name) if name == section => hash.update(","),
            Some(_) => hash.update(format!("}},\"{section}\":{{")),
            None => hash.update(format!("\"{section}\":{{")),
        }
        open = Some(section);
        hash.update(format!("\"{key}\":{value}"));
    }
    hash.update("}}");
    hex::encode(hash.finalize())
}

/// A text with the checksum that it lacks.
#[cfg(test)]
pub(crate) fn sealed(text: &str) -> String {
    let checksum = checksum(&entries(text).unwrap_or_default());
    format!("{text}\n[backrest]\nbackrest-checksum=\"{checksum}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = include_str!("../../tests/fixtures/pgbackrest/plain/backup.info");

    #[test]
    fn the_checksum_of_a_real_file_is_right() {
        let file = InfoFile::parse(BACKUP).unwrap();
        assert_eq!(
            file.value::<u64>("db", "db-system-id"),
            Ok(7_710_444_307_258_826_731)
        );
        assert_eq!(file.section("backup:current").count(), 2);
        assert!(InfoFile::parse(include_str!("../../tests/fixtures/pgbackrest/plain/archive.info")).is_ok());
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let changed = BACKUP.replacen("backup-error\":false", "backup-error\":true", 1);
        assert_eq!(
            InfoFile::parse(&changed).err(),
            Some(InfoFileError::WrongChecksum)
        );
    }

    #[test]
    fn a_key_may_hold_an_equals_sign() {
        assert_eq!(
            key_and_value(r#"pg_data/a=b={"size":1}"#),
            Some(("pg_data/a=b", r#"{"size":1}"#))
        );
        assert_eq!(key_and_value("key=no json"), None);
    }

    #[test]
    fn a_file_without_its_end_is_noticed() {
        let cut = &BACKUP[..BACKUP.len() / 2];
        assert!(InfoFile::parse(cut).is_err());
        assert_eq!(InfoFile::parse("").err(), Some(InfoFileError::NoChecksum));
        assert_eq!(
            InfoFile::parse("x=1").err(),
            Some(InfoFileError::Malformed { line: 1 })
        );
    }
}

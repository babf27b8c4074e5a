//! pgBackRest's backup labels: `20261121-013455F`, `20261121-013455F_20261122-013000I`.
//!
//! A label names its type by a letter and, for a differential or incremental backup, the full backup that its
//! chain begins with. Times are the clock of the pgBackRest host, in its zone, and are no more than a name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a backup copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupType {
    /// Everything.
    #[serde(rename = "full")]
    Full,
    /// What changed since the last full backup.
    #[serde(rename = "diff")]
    Differential,
    /// What changed since the last backup of any type.
    #[serde(rename = "incr")]
    Incremental,
}

impl BackupType {
    /// pgBackRest's word: `full`, `diff`, `incr`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Differential => "diff",
            Self::Incremental => "incr",
        }
    }
}

impl fmt::Display for BackupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no backup type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no backup type: full, diff or incr")]
pub struct UnknownBackupType(pub String);

impl UnknownBackupType {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-options"
    }
}

impl FromStr for BackupType {
    type Err = UnknownBackupType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "full" => Ok(Self::Full),
            "diff" => Ok(Self::Differential),
            "incr" => Ok(Self::Incremental),
            other => Err(UnknownBackupType(other.to_owned())),
        }
    }
}

/// A backup's label. Ordered as pgBackRest orders them: by the time of the backup itself within a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no backup label")]
pub struct LabelError(pub String);

impl LabelError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "invalid-label"
    }
}

const STAMP: &[u8] = b"dddddddd-dddddd";
/// Length of a full backup's label: the time stamp and `F`.
const FULL: usize = 16;

fn is_stamp(text: &str) -> bool {
    text.len() == STAMP.len()
        && text.bytes().zip(STAMP).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

impl Label {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type, from the last letter.
    #[must_use]
    pub fn backup_type(&self) -> BackupType {
        match self.0.as_bytes().last() {
            Some(b'D') => BackupType::Differential,
            Some(b'I') => BackupType::Incremental,
            _ => BackupType::Full,
        }
    }

    /// The label of the full backup that the chain begins with: itself for a full backup.
    #[must_use]
    pub fn full(&self) -> Self {
        Self(self.0.get(..FULL).unwrap_or(&self.0).to_owned())
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || LabelError(text.to_owned());
        let is_full = |part: &str| part.strip_suffix('F').is_some_and(is_stamp);
        let is_dependent = |part: &str| part.strip_suffix(['D', 'I']).is_some_and(is_stamp);
        let right = match text.split_once('_') {
            None => is_full(text),
            Some((full, dependent)) => is_full(full) && is_dependent(dependent),
        };
        if right {
            Ok(Self(text.to_owned()))
        } else {
            Err(error())
        }
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_its_type_and_its_full_backup() {
        let full: Label = "20261121-013455F".parse().unwrap();
        assert_eq!(full.backup_type(), BackupType::Full);
        assert_eq!(full.full(), full);
        let diff: Label = "20261121-013455F_20261122-013000D".parse().unwrap();
        assert_eq!(diff.backup_type(), BackupType::Differential);
        assert_eq!(diff.full(), full);
        let incr: Label = "20261121-013455F_20261122-013000I".parse().unwrap();
        assert_eq!(incr.backup_type(), BackupType::Incremental);
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for text in [
            "",
            "latest",
            "20261121-013455",
            "20261121-013455I",
            "20261121-013455F_x",
            "2026112-1013455F",
            "../x",
        ] {
            assert_eq!(text.parse::<Label>(), Err(LabelError(text.to_owned())));
        }
    }
}

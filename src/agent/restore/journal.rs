//! What a restore has written down on the volume: how far it is, and whether what was there before is kept.
//!
//! It lies beside the data directory, so that whoever has the volume knows, whatever else was lost. While it says that a restore
//! is under way, PostgreSQL is not started.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Its name, in the root of the data volume.
const FILE: &str = "holdfast-restore.json";

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The previous directory is being moved aside.
    Keeping,
    /// The backup is being copied.
    Copying,
    /// WAL is being replayed.
    Recovering,
    /// The target is reached: the database may be started.
    Recovered,
    /// The previous directory is being brought back.
    Returning,
}

impl Stage {
    /// The database may be started.
    #[must_use]
    pub fn is_over(self) -> bool {
        self == Self::Recovered
    }
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Journal {
    /// Uid of the restore.
    pub restore: String,
    /// How far it is.
    pub stage: Stage,
    /// The previous directory is kept.
    pub keeps: bool,
}

impl Journal {
    /// Reads it. Nothing: no restore is under way. One that cannot be read is an error: nothing may be concluded from it.
    pub fn read(volume: &Path) -> io::Result<Option<Self>> {
        match fs::read(volume.join(FILE)) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, whole or not at all, and onto the disk.
    pub fn write(&self, volume: &Path) -> io::Result<()> {
        let new = volume.join(format!("{FILE}.new"));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, volume.join(FILE))?;
        sync(volume)
    }

    /// Removes it.
    pub fn remove(volume: &Path) -> io::Result<()> {
        match fs::remove_file(volume.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync(volume),
        }
    }
}

/// What was renamed in a directory is so after a loss of power, too.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_broken_is_no_absence() {
        let volume = tempfile::tempdir().unwrap();
        assert_eq!(Journal::read(volume.path()).unwrap(), None);
        let journal = Journal {
            restore: "u".to_owned(),
            stage: Stage::Copying,
            keeps: true,
        };
        journal.write(volume.path()).unwrap();
        assert_eq!(Journal::read(volume.path()).unwrap(), Some(journal));
        fs::write(volume.path().join(FILE), "{").unwrap();
        assert!(Journal::read(volume.path()).is_err());
        Journal::remove(volume.path()).unwrap();
        Journal::remove(volume.path()).unwrap();
        assert_eq!(Journal::read(volume.path()).unwrap(), None);
    }
}

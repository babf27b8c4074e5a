//! The archive as a listing, and the history files in it.

use super::{ArchiveInfo, Repository, RepositoryError};
use crate::{
    domain::archive::History,
    pgbackrest::cipher::{self, CipherError},
    storage::Page,
};

impl Repository {
    /// A part of the listing of the stanza's archives, or of what begins so in it (`18-1/`). Names are full ones: they
    /// begin with [`Self::archive_root`].
    pub async fn list_archive(&self, beginning: &str, after: Option<&str>) -> Result<Page, RepositoryError> {
        let prefix = format!("{}{beginning}", self.archive_root());
        Ok(self.store.list(&prefix, after).await?)
    }

    /// Reads the history file of a timeline in the archive of `archive_id` (`18-1`).
    pub async fn timeline_history(
        &self,
        archive: &ArchiveInfo,
        archive_id: &str,
        timeline: u32,
    ) -> Result<History, RepositoryError> {
        let file = format!("{}{archive_id}/{timeline:08X}.history", self.archive_root());
        let stored = match self.store.get(&file).await {
            Err(error) if error.is_not_found() => return Err(RepositoryError::Missing { file }),
            stored => stored?,
        };
        let damaged = |what: String| RepositoryError::Damaged {
            file: file.clone(),
            what,
        };
        let plain = match &archive.cipher {
            None if cipher::is_encrypted(&stored) => return Err(RepositoryError::CipherMissing { file }),
            None => stored,
            Some(passphrase) => match cipher::decrypt(&stored, passphrase) {
                Ok(plain) => plain,
                Err(CipherError::NotEncrypted) => return Err(RepositoryError::NotEncrypted { file }),
                Err(CipherError::WrongPassphrase) => return Err(RepositoryError::WrongPassphrase { file }),
                Err(error) => return Err(damaged(error.to_string())),
            },
        };
        History::parse(timeline, &plain).map_err(|error| damaged(error.to_string()))
    }
}

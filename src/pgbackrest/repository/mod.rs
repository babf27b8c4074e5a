//! A reader of a pgBackRest repository: info files and the names of WAL segments, nothing else and never a write.
//!
//! Layout (pgBackRest 2.x): `backup/<stanza>/backup.info`, `archive/<stanza>/archive.info`, each with a `.copy`;
//! WAL under `archive/<stanza>/<version>-<id>/<16 hex>/<24 hex>-<sha1>[.ext]`.

mod entry;
mod error;
mod info;
mod wal;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use entry::{BackupEntry, RepositorySizes};
pub use error::RepositoryError;
pub use info::{ArchiveInfo, BackupInfo, DatabaseIdentity};
pub use wal::WalEvidence;

use super::{
    STANZA,
    access::RepositoryAccess,
    cipher::{self, CipherError},
    info_file::{InfoFile, InfoFileError},
};
use crate::{
    domain::{label::Label, secret::Secret},
    storage::{ObjectStore, StorageError},
};

/// Which backup is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one that a Job of this name made.
    Job(&'a str),
    /// The one with this label.
    Label(&'a Label),
}

/// A backup as the repository holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupEvidence {
    /// Its entry in `backup.info`.
    pub backup: BackupEntry,
    /// The WAL from its start to its stop.
    pub wal: WalEvidence,
}

impl BackupEvidence {
    /// It can be restored to its end: it is catalogued and all WAL that makes it consistent is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.wal.first_missing.is_none()
    }
}

/// A repository that can be read.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn ObjectStore>,
    root: String,
    cipher: Option<Secret>,
}

impl Repository {
    /// Makes a client for the repository's store. No request is sent yet.
    pub async fn open(access: &RepositoryAccess) -> Result<Self, StorageError> {
        let store = access.store.open().await?;
        Ok(Self::with_store(store, &access.path, access.cipher.clone()))
    }

    /// A repository in a store of the caller's.
    #[must_use]
    pub fn with_store(store: Arc<dyn ObjectStore>, path: &str, cipher: Option<Secret>) -> Self {
        let path = path.trim_matches('/');
        let root = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        Self { store, root, cipher }
    }

    /// Reads `backup.info`, or its copy where that is damaged or gone.
    pub async fn backup_info(&self) -> Result<BackupInfo, RepositoryError> {
        let name = format!("{}backup/{STANZA}/backup.info", self.root);
        self.info_file(&name, BackupInfo::read).await
    }

    /// Reads `archive.info`, or its copy where that is damaged or gone.
    pub async fn archive_info(&self) -> Result<ArchiveInfo, RepositoryError> {
        let name = format!("{}archive/{STANZA}/archive.info", self.root);
        self.info_file(&name, ArchiveInfo::read).await
    }

    /// Looks for a backup and for the WAL that makes it consistent. `None`: it is not in `backup.info`.
    pub async fn verify_backup(&self, wanted: Wanted<'_>) -> Result<Option<BackupEvidence>, RepositoryError> {
        let info = self.backup_info().await?;
        let found = match wanted {
            Wanted::Job(job) => info.backup_with_job(job),
            Wanted::Label(label) => info.backups.iter().find(|backup| backup.label == *label),
        };
        let Some(backup) = found else { return Ok(None) };
        let wal = self.wal_of(&info, backup).await?;
        Ok(Some(BackupEvidence {
            backup: backup.clone(),
            wal,
        }))
    }

    async fn info_file<T>(
        &self,
        name: &str,
        read: impl Fn(&InfoFile) -> Result<T, InfoFileError>,
    ) -> Result<T, RepositoryError> {
        let first = match self.one_info_file(name, &read).await {
            Ok(content) => return Ok(content),
            Err(error) if error.the_copy_may_help() => error,
            Err(error) => return Err(error),
        };
        let copy = format!("{name}.copy");
        match self.one_info_file(&copy, &read).await {
            Ok(content) => Ok(content),
            // What is wrong with the file itself says more, but for a file that is only gone.
            Err(RepositoryError::Missing { .. }) => Err(first),
            Err(error) if matches!(first, RepositoryError::Missing { .. }) => Err(error),
            Err(_) => Err(first),
        }
    }

    async fn one_info_file<T>(
        &self,
        name: &str,
        read: &impl Fn(&InfoFile) -> Result<T, InfoFileError>,
    ) -> Result<T, RepositoryError> {
        let content = self.store.get(name).await.map_err(|error| {
            if error.is_not_found() {
                RepositoryError::Missing {
                    file: name.to_owned(),
                }
            } else {
                RepositoryError::Storage(error)
            }
        })?;
        let text = self.open_text(name, content)?;
        let damaged = |error: InfoFileError| RepositoryError::Damaged {
            file: name.to_owned(),
            what: error.to_string(),
        };
        read(&InfoFile::parse(&text).map_err(damaged)?).map_err(damaged)
    }

    /// Decrypts where that is due. A wrong passphrase can give a right padding, so the beginning is looked at too.
    fn open_text(&self, name: &str, content: Vec<u8>) -> Result<String, RepositoryError> {
        let file = || name.to_owned();
        let damaged = |what: String| RepositoryError::Damaged { file: file(), what };
        let plain = match &self.cipher {
            None if cipher::is_encrypted(&content) => {
                return Err(RepositoryError::CipherMissing { file: file() });
            }
            None => content,
            Some(passphrase) => match cipher::decrypt(&content, passphrase) {
                Ok(plain) if plain.starts_with(b"[backrest]") => plain,
                Ok(_) | Err(CipherError::WrongPassphrase) => {
                    return Err(RepositoryError::WrongPassphrase { file: file() });
                }
                Err(CipherError::NotEncrypted) if content.starts_with(b"[backrest]") => {
                    return Err(RepositoryError::NotEncrypted { file: file() });
                }
                Err(error) => return Err(damaged(error.to_string())),
            },
        };
        String::from_utf8(plain).map_err(|_| damaged("it is no text".to_owned()))
    }
}

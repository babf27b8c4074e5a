//! A reader of a pgBackRest repository; it never writes.
//!
//! Layout (pgBackRest 2.x): `backup/<stanza>/backup.info`, `archive/<stanza>/archive.info`, each with a `.copy`;
//! `backup/<stanza>/<label>/backup.manifest`, with a copy too, and the files beside it;
//! WAL under `archive/<stanza>/<version>-<id>/<16 hex>/<24 hex>-<sha1>[.ext]`.
//! The user's passphrase opens the info files only; each file holds the passphrase of those it leads to.

mod archive;
mod entry;
mod error;
mod history;
mod info;
mod manifest;
mod segment;
mod verify;
mod wal;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use entry::{BackupEntry, RepositorySizes};
pub use error::RepositoryError;
pub use history::HistoryEntry;
pub use info::{ArchiveInfo, BackupInfo, DatabaseIdentity};
pub use manifest::{BundlePlace, Manifest, ManifestFile, ManifestSizes};
pub use segment::{SegmentObject, SegmentReading};
pub use verify::{Damage, Progress, Scope, Verification};
pub use wal::WalEvidence;

use super::{
    STANZA,
    access::RepositoryAccess,
    cipher::{self, CipherError},
    content::{self, Coding, ContentError},
    info_file::{InfoFile, InfoFileError},
};
use crate::{
    domain::{archive::Compression, label::Label, secret::Secret},
    storage::{ObjectStore, StorageError},
};

/// What info files and manifests begin with.
const BEGINNING: &[u8] = b"[backrest]\n";

/// A file that was read, or its copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// What it says.
    pub content: T,
    /// Why its `.copy` was read instead. The repository is damaged then, and works.
    pub instead_of: Option<RepositoryError>,
}

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
    stanza: String,
    cipher: Option<Secret>,
}

impl Repository {
    /// Makes a client for the repository's store. No request is sent yet.
    pub async fn open(access: &RepositoryAccess) -> Result<Self, StorageError> {
        let store = access.store.open().await?;
        Ok(Self::with_store(store, &access.path, access.cipher.clone()).of_stanza(&access.stanza))
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
        Self {
            store,
            root,
            stanza: STANZA.to_owned(),
            cipher,
        }
    }

    /// Another stanza of it than our own clusters'.
    #[must_use]
    pub fn of_stanza(self, stanza: &str) -> Self {
        Self {
            stanza: stanza.to_owned(),
            ..self
        }
    }

    /// What the names of archived files begin with: `…archive/<stanza>/`.
    #[must_use]
    pub fn archive_root(&self) -> String {
        format!("{}archive/{}/", self.root, self.stanza)
    }

    /// What the names of the files of backups begin with: `…backup/<stanza>/`.
    #[must_use]
    pub fn backup_root(&self) -> String {
        format!("{}backup/{}/", self.root, self.stanza)
    }

    /// Reads `backup.info`, or its copy where that is damaged or gone.
    pub async fn backup_info(&self) -> Result<BackupInfo, RepositoryError> {
        Ok(self.read_backup_info().await?.content)
    }

    /// Reads `archive.info`, or its copy where that is damaged or gone.
    pub async fn archive_info(&self) -> Result<ArchiveInfo, RepositoryError> {
        Ok(self.read_archive_info().await?.content)
    }

    /// Reads `backup.info`, and says whether that was its copy.
    pub async fn read_backup_info(&self) -> Result<Read<BackupInfo>, RepositoryError> {
        let name = format!("{}backup.info", self.backup_root());
        self.info_or_copy(&name, self.cipher.as_ref(), Compression::None, BackupInfo::read)
            .await
    }

    /// Reads `archive.info`, and says whether that was its copy.
    pub async fn read_archive_info(&self) -> Result<Read<ArchiveInfo>, RepositoryError> {
        let name = format!("{}archive.info", self.archive_root());
        self.info_or_copy(&name, self.cipher.as_ref(), Compression::None, ArchiveInfo::read)
            .await
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

    /// Reads a file that has a `.copy` beside it.
    async fn info_or_copy<T>(
        &self,
        name: &str,
        cipher: Option<&Secret>,
        compression: Compression,
        read: impl Fn(&InfoFile) -> Result<T, InfoFileError>,
    ) -> Result<Read<T>, RepositoryError> {
        let first = match self.one_info_file(name, cipher, compression, &read).await {
            Ok(content) => {
                return Ok(Read {
                    content,
                    instead_of: None,
                });
            }
            Err(error) if error.the_copy_may_help() => error,
            Err(error) => return Err(error),
        };
        let copy = format!("{name}.copy");
        match self.one_info_file(&copy, cipher, compression, &read).await {
            Ok(content) => Ok(Read {
                content,
                instead_of: Some(first),
            }),
            // What is wrong with the file itself says more, but for a file that is only gone.
            Err(RepositoryError::Missing { .. }) => Err(first),
            Err(error) if matches!(first, RepositoryError::Missing { .. }) => Err(error),
            Err(_) => Err(first),
        }
    }

    async fn one_info_file<T>(
        &self,
        name: &str,
        cipher: Option<&Secret>,
        compression: Compression,
        read: &impl Fn(&InfoFile) -> Result<T, InfoFileError>,
    ) -> Result<T, RepositoryError> {
        let stored = self.store.get(name).await.map_err(|error| {
            if error.is_not_found() {
                RepositoryError::Missing {
                    file: name.to_owned(),
                }
            } else {
                RepositoryError::Storage(error)
            }
        })?;
        let text = open_text(name, stored, cipher, compression)?;
        let damaged = |error: InfoFileError| RepositoryError::Damaged {
            file: name.to_owned(),
            what: error.to_string(),
        };
        read(&InfoFile::parse(&text).map_err(damaged)?).map_err(damaged)
    }
}

fn open_text(
    name: &str,
    stored: Vec<u8>,
    cipher: Option<&Secret>,
    compression: Compression,
) -> Result<String, RepositoryError> {
    let plain = if compression == Compression::None {
        open_plain(name, stored, cipher)?
    } else {
        open_compressed(name, &stored, cipher, compression)?
    };
    String::from_utf8(plain).map_err(|_| RepositoryError::Damaged {
        file: name.to_owned(),
        what: "it is no text".to_owned(),
    })
}

/// Decrypts where that is due. A wrong passphrase can give a right padding, so the beginning is looked at too.
fn open_plain(name: &str, stored: Vec<u8>, cipher: Option<&Secret>) -> Result<Vec<u8>, RepositoryError> {
    let file = name.to_owned();
    match cipher {
        None if cipher::is_encrypted(&stored) => Err(RepositoryError::CipherMissing { file }),
        None => Ok(stored),
        Some(passphrase) => match cipher::decrypt(&stored, passphrase) {
            Ok(plain) if plain.starts_with(BEGINNING) => Ok(plain),
            Ok(_) | Err(CipherError::WrongPassphrase) => Err(RepositoryError::WrongPassphrase { file }),
            Err(CipherError::NotEncrypted) if stored.starts_with(BEGINNING) => {
                Err(RepositoryError::NotEncrypted { file })
            }
            Err(error) => Err(RepositoryError::Damaged {
                file,
                what: error.to_string(),
            }),
        },
    }
}

fn open_compressed(
    name: &str,
    stored: &[u8],
    cipher: Option<&Secret>,
    compression: Compression,
) -> Result<Vec<u8>, RepositoryError> {
    let file = name.to_owned();
    let coding = Coding {
        cipher: cipher.cloned(),
        compression,
        raw: false,
    };
    let mut plain = Vec::new();
    match content::decode(stored, &coding, |bytes| plain.extend_from_slice(bytes)) {
        Ok(_) => Ok(plain),
        Err(ContentError::CipherMissing) => Err(RepositoryError::CipherMissing { file }),
        Err(ContentError::NotEncrypted) => Err(RepositoryError::NotEncrypted { file }),
        Err(ContentError::WrongPassphrase) => Err(RepositoryError::WrongPassphrase { file }),
        Err(error) => Err(RepositoryError::Damaged {
            file,
            what: error.to_string(),
        }),
    }
}

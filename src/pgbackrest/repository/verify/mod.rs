//! Proves the content of a repository: each WAL segment against the SHA-1 in its name, and each file of each backup
//! against the SHA-1 in its manifest, decrypted and decompressed.
//!
//! Why: `pgbackrest verify` exits with 0 on corruption. Files of block incremental backups are compared as they are
//! stored (`rck` in the manifest), since as a whole they are in no one place; without that checksum they are counted as
//! not verified. Each stored file is read once, with the backup that holds it.
//!
//! What cannot be judged, because the store does not answer, is told apart from what is damaged.

mod backups;
mod wal;

use std::collections::BTreeSet;

use super::{Repository, RepositoryError};
use crate::{domain::label::Label, pgbackrest::content::ContentError};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The backups; `None` for all.
    pub backups: Option<BTreeSet<Label>>,
    /// WAL too.
    pub wal: bool,
    /// So many files at once. Each may take some 20 MiB of memory.
    pub concurrency: usize,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            backups: None,
            wal: true,
            concurrency: 4,
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// WAL segments that were read.
    pub segments: u64,
    /// Files of backups that were read.
    pub files: u64,
    /// As stored.
    pub bytes: u64,
    /// What is damaged or could not be judged, so far.
    pub problems: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The object's full name.
    pub object: String,
    /// The file of the backup, where the object is not that file alone.
    pub file: Option<String>,
    /// The backup that it belongs to; `None` for WAL and catalogues.
    pub backup: Option<Label>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// With the content of a file.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// With a catalogue or a manifest.
    #[error(transparent)]
    Catalogue(#[from] RepositoryError),
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// What was read.
    pub read: Progress,
    /// What is damaged.
    pub damaged: Vec<Damage>,
    /// What could not be judged: the store did not answer.
    pub unjudged: Vec<Damage>,
    /// Files of which no checksum is known.
    pub without_checksum: u64,
    /// Objects in the archive that are not pgBackRest's.
    pub foreign: u64,
}

impl Verification {
    /// Everything was read, and nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.unjudged.is_empty()
    }

    fn add(&mut self, damage: Damage) {
        let judged = match &damage.problem {
            Problem::Content(error) => error.is_damage(),
            Problem::Catalogue(error) => !matches!(error, RepositoryError::Storage(_)),
        };
        self.read.problems += 1;
        if judged {
            self.damaged.push(damage);
        } else {
            self.unjudged.push(damage);
        }
    }

    /// A catalogue or manifest that was read from its copy, or not at all.
    fn add_catalogue(&mut self, object: String, backup: Option<Label>, error: RepositoryError) {
        self.add(Damage {
            object,
            file: None,
            backup,
            problem: error.into(),
        });
    }
}

impl Repository {
    /// Reads everything in `scope` and compares it with its checksums. `progress` is called after every object. An
    /// error is one that leaves nothing to look at: no catalogue can be read, or the store does not list.
    pub async fn verify_content(
        &self,
        scope: &Scope,
        mut progress: impl FnMut(&Progress) + Send,
    ) -> Result<Verification, RepositoryError> {
        let mut found = Verification::default();
        if scope.wal {
            self.verify_wal(scope, &mut found, &mut progress).await?;
        }
        self.verify_backups(scope, &mut found, &mut progress).await?;
        Ok(found)
    }
}

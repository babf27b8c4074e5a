//! `--deep`: content, and not names alone.

use std::io::{IsTerminal as _, Write as _, stderr};

use serde::Serialize;

use super::InspectError;
use crate::{
    domain::{label::Label, size::Bytes},
    pgbackrest::repository::{Damage, Progress, Repository, Scope},
};

/// What was proven, and what not.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deep {
    /// WAL segments that were read.
    pub segments: u64,
    /// Files of backups that were read.
    pub files: u64,
    /// Bytes that were read, as stored.
    pub bytes: u64,
    /// What is damaged.
    pub damaged: Vec<Finding>,
    /// What could not be judged.
    pub unjudged: Vec<Finding>,
    /// Files of which no checksum is known.
    pub without_checksum: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The object's full name.
    pub object: String,
    /// The file of the backup, where the object is not that file alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The backup that it belongs to; absent for WAL and catalogues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Label>,
    /// What is wrong.
    pub problem: String,
}

impl From<Damage> for Finding {
    fn from(damage: Damage) -> Self {
        Self {
            problem: damage.problem.to_string(),
            object: damage.object,
            file: damage.file,
            backup: damage.backup,
        }
    }
}

/// Reads everything. In a terminal it says on standard error how far it is.
pub(super) async fn prove(repository: &Repository) -> Result<Deep, InspectError> {
    let told = stderr().is_terminal();
    let found = repository
        .verify_content(&Scope::default(), |progress: &Progress| {
            if told && (progress.segments + progress.files).is_multiple_of(16) {
                let (objects, bytes) = (progress.segments + progress.files, Bytes(progress.bytes));
                let _ = write!(
                    stderr(),
                    "\rread {objects} files, {bytes}, {} problems ",
                    progress.problems
                );
            }
        })
        .await?;
    if told {
        let _ = writeln!(stderr());
    }
    Ok(Deep {
        segments: found.read.segments,
        files: found.read.files,
        bytes: found.read.bytes,
        damaged: found.damaged.into_iter().map(Finding::from).collect(),
        unjudged: found.unjudged.into_iter().map(Finding::from).collect(),
        without_checksum: found.without_checksum,
    })
}

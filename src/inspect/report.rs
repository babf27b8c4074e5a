//! What `--json` prints. Its names are public: those that the status of a cluster has are the same there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::deep::Deep;
use crate::{
    domain::{
        label::Label,
        wal::Segment,
        windows::{BackupRecovery, Gap, Reach, Restorable, Unusable, Window},
    },
    pgbackrest::{
        access::{RepositoryAccess, StoreAccess},
        repository::BackupEntry,
    },
    survey::{ArchivePicture, Oddity, Picture, Requests},
};

/// What was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The repository, as a URL or a directory.
    pub repository: String,
    /// The stanza.
    pub stanza: String,
    /// When it was looked at.
    pub looked_at: DateTime<Utc>,
    /// The database that the stanza is for now.
    pub database: Database,
    /// The start of the first window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest_restorable_time: Option<DateTime<Utc>>,
    /// The latest end of a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<DateTime<Utc>>,
    /// Spans of time that can be restored to, by their start.
    pub windows: Vec<Window>,
    /// Missing WAL.
    pub gaps: Vec<Gap>,
    /// Missing WAL that may still arrive.
    pub gaps_in_grace: Vec<Gap>,
    /// Missing WAL that archive retention took away.
    pub gaps_of_expiry: Vec<Gap>,
    /// Segments that are listed and cannot be used.
    pub unusable: Vec<Unusable>,
    /// All backups, by label.
    pub backups: Vec<Backup>,
    /// The archives, by db-id.
    pub archives: Vec<ArchivePicture>,
    /// What else is not as it should be.
    pub oddities: Vec<Told>,
    /// What the look cost.
    pub requests: Requests,
    /// What `--deep` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep: Option<Deep>,
}

/// The database that a stanza is for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// The db-id.
    pub id: u32,
    /// The system identifier, as text: it does not fit the numbers of every JSON reader.
    pub system_id: String,
    /// Major version.
    pub version: String,
}

/// A backup with what can be restored from it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// The label.
    pub label: Label,
    /// `full`, `diff` or `incr`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The db-id.
    pub database_id: u32,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub stopped: DateTime<Utc>,
    /// Its timeline; absent for one that was taken offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Size of the database, in bytes.
    pub size: u64,
    /// What this backup alone takes in the repository, in bytes.
    pub repository_size: u64,
    /// Other backups that it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Label>,
    /// Whether it can be restored at all.
    pub restorable: Restorable,
    /// The latest commit that can be reached from it; absent while nothing has been committed after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_restorable_time: Option<DateTime<Utc>>,
    /// Each chain of timelines on which a recovery can go on from it.
    pub reaches: Vec<Reach>,
    /// It holds pages with a wrong checksum.
    pub page_errors: bool,
    /// The clocks of the database and of the host that took it disagree.
    pub clocks_disagree: bool,
    /// Marks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An oddity, for programs and in words.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// For programs.
    #[serde(flatten)]
    pub oddity: Oddity,
    /// In words.
    pub message: String,
}

impl Report {
    /// Puts it together.
    #[must_use]
    pub fn new(repository: String, stanza: &str, picture: Picture, deep: Option<Deep>) -> Self {
        let recovery = picture.recovery;
        let entries = picture.backups.iter();
        let backups = entries
            .filter_map(|entry| {
                let own = recovery.backups.iter().find(|own| own.label == entry.label)?;
                Some(Backup::new(entry, own))
            })
            .collect();
        Self {
            repository,
            stanza: stanza.to_owned(),
            looked_at: picture.looked_at,
            database: Database {
                id: picture.database.id,
                system_id: picture.database.system_id.to_string(),
                version: picture.database.version,
            },
            earliest_restorable_time: recovery.earliest_restorable_time,
            latest_restorable_time: recovery.latest_restorable_time,
            windows: recovery.windows,
            gaps: recovery.gaps,
            gaps_in_grace: recovery.gaps_in_grace,
            gaps_of_expiry: recovery.gaps_of_expiry,
            unusable: recovery.unusable,
            backups,
            archives: picture.archives,
            oddities: picture
                .oddities
                .into_iter()
                .map(|oddity| Told {
                    message: oddity.to_string(),
                    oddity,
                })
                .collect(),
            requests: picture.requests,
            deep,
        }
    }

    /// There is a gap or damage, or nothing can be restored.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let damaged = self
            .deep
            .as_ref()
            .is_some_and(|deep| !deep.damaged.is_empty() || !deep.unjudged.is_empty());
        !self.gaps.is_empty() || self.windows.is_empty() || !self.unusable.is_empty() || damaged
    }
}

impl Backup {
    fn new(entry: &BackupEntry, own: &BackupRecovery) -> Self {
        Self {
            label: entry.label.clone(),
            kind: entry.backup_type.as_str(),
            database_id: entry.database_id,
            started: entry.started,
            stopped: entry.stopped,
            timeline: entry.archive_stop.map(Segment::timeline),
            size: entry.size,
            repository_size: entry.repository.delta,
            references: entry.references.clone(),
            restorable: own.restorable.clone(),
            latest_restorable_time: own.latest_restorable_time,
            reaches: own.reaches.clone(),
            page_errors: entry.page_errors,
            clocks_disagree: own.clocks_disagree,
            annotations: entry.annotation.clone(),
        }
    }
}

/// The repository as it is named on the command line.
pub(super) fn place(access: &RepositoryAccess) -> String {
    let scheme = match &access.store {
        StoreAccess::Azure(settings) => format!("az://{}", settings.container),
        _ => return access.destination(),
    };
    format!("{scheme}{}", access.path)
}

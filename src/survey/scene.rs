//! What the info files tell, during one look.

use std::collections::BTreeMap;

use super::{
    archives::Archives,
    commits::CommitReader,
    look::Terms,
    picture::{ArchivePicture, Oddity},
};
use crate::{
    domain::{
        archive::{Archive, History},
        wal::SegmentSize,
    },
    pgbackrest::repository::{ArchiveInfo, BackupInfo, DatabaseIdentity, Repository, RepositoryError},
    storage::ObjectInfo,
};

/// What stays the same during a look.
pub(super) struct Scene<'a> {
    pub(super) repository: &'a Repository,
    pub(super) archive: &'a ArchiveInfo,
    pub(super) backup: &'a BackupInfo,
    pub(super) terms: &'a Terms,
}

impl Scene<'_> {
    /// The PostgreSQL clusters that have an archive.
    pub(super) fn databases(&self) -> impl Iterator<Item = (&u32, &DatabaseIdentity)> {
        self.archive.history.iter()
    }

    /// Reads segments of one of their archives, some names of which are known already.
    pub(super) fn reader<'b>(&'b self, directory: &'b str, recent: &'b [ObjectInfo]) -> CommitReader<'b> {
        CommitReader {
            repository: self.repository,
            info: self.archive,
            directory,
            recent,
        }
    }

    pub(super) fn version(&self, id: u32) -> String {
        self.archive
            .history
            .get(&id)
            .map_or_else(String::new, |database| database.version.clone())
    }

    /// By directory. Only backups tell a segment size; where there is none yet, the usual one is taken.
    pub(super) fn segment_sizes(&self) -> BTreeMap<String, SegmentSize> {
        let size = |id: u32| {
            let own = self
                .backup
                .backups
                .iter()
                .filter(|backup| backup.database_id == id);
            let starts: Vec<_> = own
                .filter_map(|backup| backup.archive_start.zip(backup.lsn_start))
                .collect();
            SegmentSize::fitting(&starts)
                .or_else(|| SegmentSize::fitting(starts.get(starts.len().checked_sub(1)?..)?))
                .unwrap_or_default()
        };
        self.databases()
            .map(|(id, database)| (database.archive_id(), size(*id)))
            .collect()
    }

    /// Reads the history files that are not known yet, and forgets those that are gone.
    pub(super) async fn read_histories(
        &self,
        directory: &str,
        archive: &Archive,
        known: &mut BTreeMap<u32, History>,
        oddities: &mut Vec<Oddity>,
    ) -> Result<(), RepositoryError> {
        known.retain(|timeline, _| archive.histories().contains_key(timeline));
        for timeline in archive.histories().keys().copied() {
            if known.contains_key(&timeline) {
                continue;
            }
            match self
                .repository
                .timeline_history(self.archive, directory, timeline)
                .await
            {
                Ok(history) => {
                    known.insert(timeline, history);
                }
                Err(RepositoryError::Storage(error)) => return Err(error.into()),
                Err(error) => oddities.push(Oddity::HistoryUnreadable {
                    archive: directory.to_owned(),
                    timeline,
                    what: error.to_string(),
                }),
            }
        }
        for (timeline, _) in archive.timelines() {
            if timeline > 1 && !archive.histories().contains_key(&timeline) {
                oddities.push(Oddity::HistoryMissing {
                    archive: directory.to_owned(),
                    timeline,
                });
            }
        }
        Ok(())
    }

    pub(super) fn pictures(&self, archives: &Archives, oddities: &mut Vec<Oddity>) -> Vec<ArchivePicture> {
        let mut pictures = Vec::new();
        for (id, database) in self.databases() {
            let directory = database.archive_id();
            let Some(listed) = archives.known().get(&directory) else {
                continue;
            };
            let archive = &listed.archive;
            if archive.not_ours() > 0 {
                oddities.push(Oddity::Foreign {
                    place: directory.clone(),
                    files: archive.not_ours(),
                });
            }
            if archive.wrong_size() > 0 {
                oddities.push(Oddity::WrongSize {
                    archive: directory.clone(),
                    segments: archive.wrong_size(),
                });
            }
            pictures.push(ArchivePicture {
                id: directory,
                database_id: *id,
                segment_size: archive.segment_size(),
                segments: archive
                    .timelines()
                    .map(|(_, segments)| segments.runs().count())
                    .sum(),
                files: listed.files,
                bytes: listed.bytes,
                timelines: archive.timelines().map(|(timeline, _)| timeline).collect(),
            });
        }
        pictures
    }
}

/// Reads both info files.
pub(super) async fn read_infos(
    repository: &Repository,
    oddities: &mut Vec<Oddity>,
) -> Result<(ArchiveInfo, BackupInfo), RepositoryError> {
    let (archive, backup) = futures::join!(repository.read_archive_info(), repository.read_backup_info());
    let (archive, backup) = (archive?, backup?);
    let copies = [
        ("archive.info", archive.instead_of),
        ("backup.info", backup.instead_of),
    ];
    for (file, instead_of) in copies {
        oddities.extend(instead_of.map(|error| Oddity::InfoFromCopy {
            file: file.to_owned(),
            what: error.to_string(),
        }));
    }
    Ok((archive.content, backup.content))
}

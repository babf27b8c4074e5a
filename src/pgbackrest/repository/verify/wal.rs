//! WAL segments against the checksums in their names.

use futures::{StreamExt as _, stream};

use super::{Damage, Progress, Scope, Verification};
use crate::{
    domain::archive::ArchiveFile,
    pgbackrest::{
        content::{self, Checked, ContentError},
        repository::{ArchiveInfo, Repository, RepositoryError, SegmentObject, segment::wal_piece},
    },
};

impl Repository {
    pub(super) async fn verify_wal(
        &self,
        scope: &Scope,
        found: &mut Verification,
        progress: &mut (impl FnMut(&Progress) + Send),
    ) -> Result<(), RepositoryError> {
        let archive = self.read_archive_info().await?;
        if let Some(error) = archive.instead_of {
            found.add_catalogue(format!("{}archive.info", self.archive_root()), None, error);
        }
        let archive = archive.content;
        for database in archive.history.values() {
            let root = format!("{}{}/", self.archive_root(), database.archive_id());
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(&root, after.as_deref()).await?;
                let mut segments = Vec::new();
                for object in &page.objects {
                    match SegmentObject::of(object) {
                        Some(segment) => segments.push(segment),
                        None if object
                            .name
                            .strip_prefix(&root)
                            .and_then(ArchiveFile::parse)
                            .is_none() =>
                        {
                            found.foreign += 1;
                        }
                        None => {}
                    }
                }
                let mut readings = stream::iter(segments)
                    .map(|segment| self.verify_segment(&archive, segment))
                    .buffer_unordered(scope.concurrency.max(1));
                while let Some((segment, result)) = readings.next().await {
                    found.read.segments += 1;
                    found.read.bytes = found.read.bytes.saturating_add(segment.size);
                    if let Err(error) = result {
                        found.add(Damage {
                            object: segment.name,
                            file: None,
                            backup: None,
                            problem: error.into(),
                        });
                    }
                    progress(&found.read);
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
    }

    async fn verify_segment(
        &self,
        archive: &ArchiveInfo,
        segment: SegmentObject,
    ) -> (SegmentObject, Result<(), ContentError>) {
        let (piece, coding) = wal_piece(archive, &segment);
        let result = content::read(&self.store, &piece, &coding, Checked::new(()))
            .await
            .and_then(|content| content.expect(None, &segment.stored.checksum));
        (segment, result)
    }
}

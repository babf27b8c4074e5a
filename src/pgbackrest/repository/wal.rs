//! Which WAL of a backup is in the repository, from the names of objects alone.

use std::collections::BTreeSet;

use super::{BackupEntry, BackupInfo, Repository, RepositoryError};
use crate::domain::wal::{Segment, SegmentSize};

/// WAL from the start to the stop of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalEvidence {
    /// First and last segment that the backup needs; `None` for one that was taken offline and needs none.
    pub range: Option<(Segment, Segment)>,
    /// The first of them that is not there.
    pub first_missing: Option<Segment>,
    /// How many are not there.
    pub missing: u64,
}

/// Names are `<24 hex>-<sha1>[.ext]`; `.partial` and `.backup` files have a dot in that place.
fn segment_of(object: &str) -> Option<Segment> {
    let file = object.rsplit('/').next()?;
    let name = file
        .get(..24)
        .filter(|_| file.as_bytes().get(24) == Some(&b'-'))?;
    name.parse().ok()
}

/// The segment size, as far as one backup tells it; it only matters for a backup during which a log ends.
pub(super) fn segment_size(backup: &BackupEntry) -> SegmentSize {
    let start = backup.archive_start.zip(backup.lsn_start);
    SegmentSize::fitting(start.as_slice()).unwrap_or_default()
}

impl Repository {
    /// True when a segment is in the archive of `archive_id` (`18-1`).
    pub async fn has_segment(&self, archive_id: &str, segment: Segment) -> Result<bool, RepositoryError> {
        let prefix = format!(
            "{}{archive_id}/{}/{segment}-",
            self.archive_root(),
            segment.directory()
        );
        Ok(!self.store.list(&prefix, None).await?.objects.is_empty())
    }

    /// The segments from `first` to `last` that are in the archive of `archive_id`.
    pub async fn segments(
        &self,
        archive_id: &str,
        first: Segment,
        last: Segment,
    ) -> Result<BTreeSet<Segment>, RepositoryError> {
        let root = format!("{}{archive_id}/", self.archive_root());
        // Sorts before every object of the first segment.
        let mut after = Some(format!("{root}{}/{first}", first.directory()));
        let end = format!("{root}{}/{last}.", last.directory());
        let mut found = BTreeSet::new();
        while let Some(from) = after {
            let page = self.store.list(&root, Some(&from)).await?;
            let past_the_end = page.objects.last().is_some_and(|object| object.name > end);
            found.extend(
                page.objects
                    .iter()
                    .filter_map(|object| segment_of(&object.name))
                    .filter(|segment| (first..=last).contains(segment)),
            );
            after = page.next.filter(|_| !past_the_end);
        }
        Ok(found)
    }

    /// Looks for all WAL that a backup needs.
    pub(super) async fn wal_of(
        &self,
        info: &BackupInfo,
        backup: &BackupEntry,
    ) -> Result<WalEvidence, RepositoryError> {
        let (Some(first), Some(last)) = (backup.archive_start, backup.archive_stop) else {
            return Ok(WalEvidence::default());
        };
        let database = info.history.get(&backup.database_id).unwrap_or(&info.database);
        let found = self.segments(&database.archive_id(), first, last).await?;
        let size = segment_size(backup);
        let mut evidence = WalEvidence {
            range: Some((first, last)),
            first_missing: None,
            missing: 0,
        };
        let mut wanted = Some(first);
        while let Some(segment) = wanted.filter(|segment| *segment <= last) {
            if !found.contains(&segment) {
                evidence.first_missing.get_or_insert(segment);
                evidence.missing += 1;
            }
            wanted = segment.next(size);
        }
        Ok(evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_count() {
        let name = |suffix: &str| format!("a/0000000100000000/000000010000000000000002{suffix}");
        assert!(segment_of(&name("-9207ffa76273016e9eabbf82634172edd5c8ae97.zst")).is_some());
        assert_eq!(segment_of(&name(".00000028.backup")), None);
        assert_eq!(segment_of(&name(".partial-9207ffa7.zst")), None);
        assert_eq!(segment_of("a/00000002.history"), None);
    }
}

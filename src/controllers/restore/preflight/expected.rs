//! What a restore is expected to read and to take, as far as that was measured.

use super::{Assessment, Seen};
use crate::api::restore::Preflight;
use crate::api::{PerconaPGRestore, time};
use crate::controllers::restore::wanted::Wanted;
use crate::domain::restore::{Measured, Stop, estimate};
use crate::domain::wal::{Segment, SegmentSize};

impl Assessment {
    /// Tells how much WAL is read, and how long it all takes by what `earlier` restores of the cluster took, or its backups.
    pub fn expect(&mut self, wanted: &Wanted, seen: &[Seen], earlier: &[PerconaPGRestore]) {
        let found = &mut self.preflight;
        let serving = seen
            .iter()
            .find(|seen| Some(&seen.name) == found.repository.as_ref());
        let Some(picture) = serving.and_then(|seen| seen.news.picture.as_deref()) else {
            return;
        };
        let current = picture
            .archives
            .iter()
            .find(|archive| archive.database_id == picture.database.id);
        if let Some(size) = current.map(|archive| archive.segment_size) {
            let segments = segments(found, &wanted.target.stop, size);
            found.wal_segments = segments.and_then(|count| i64::try_from(count).ok());
            found.wal_bytes =
                segments.and_then(|count| i64::try_from(count.saturating_mul(size.bytes())).ok());
        }
        let measured: Vec<Measured> = earlier.iter().filter_map(measured).collect();
        let backups = picture.backups.iter().filter_map(|backup| {
            let seconds = u64::try_from((backup.stopped - backup.started).num_seconds()).ok()?;
            Some((backup.size_delta, seconds.max(1)))
        });
        let positive = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let seconds = positive(found.database_bytes).and_then(|bytes| {
            let segments = positive(found.wal_segments).unwrap_or_default();
            estimate(bytes, segments, &measured, &backups.collect::<Vec<_>>())
        });
        found.estimated_seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    }
}

/// Segments up to the target. Of a time nobody knows the segment before it is replayed: WAL is taken to be written evenly.
fn segments(found: &Preflight, stop: &Stop, size: SegmentSize) -> Option<u64> {
    let index = |name: &Option<String>| Some(name.as_ref()?.parse::<Segment>().ok()?.index(size));
    let (first, last) = (index(&found.first_segment)?, index(&found.last_segment)?);
    let all = last.checked_sub(first)?.saturating_add(1);
    match stop {
        Stop::Immediate => Some(1),
        Stop::Lsn(position) => {
            let stop = position.0 / size.bytes();
            Some(stop.checked_sub(first)?.saturating_add(1).min(all))
        }
        Stop::Time(target) => {
            let from = time::from_kubernetes(found.backup_completed.as_ref()?);
            let to = time::from_kubernetes(found.latest_restorable_time.as_ref()?);
            let whole = u64::try_from((to - from).num_seconds()).ok()?.max(1);
            let part = u64::try_from((*target - from).num_seconds())
                .unwrap_or_default()
                .min(whole);
            Some((all.saturating_mul(part) / whole).max(1))
        }
        _ => Some(all),
    }
}

/// What a restore that ended well did and took.
fn measured(restore: &PerconaPGRestore) -> Option<Measured> {
    let status = restore.status.as_ref()?;
    let (restored, found) = (status.restored.as_ref()?, status.preflight.as_ref());
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    Some(Measured {
        bytes: number(restored.bytes)?,
        copying: number(restored.copy_seconds)?,
        segments: number(found.and_then(|found| found.wal_segments)).unwrap_or_default(),
        replaying: number(restored.recovery_seconds)?,
        whole: number(restored.total_seconds)?,
    })
}

//! What there was: backups that are gone, gaps that closed, and sizes over time. Only this cannot be read again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    CatalogError, RepositoryPlace, SizeSample, Sizes,
    connection::{Columns, Connection, Value},
};
use crate::{domain::wal::Segment, pgbackrest::repository::BackupEntry, survey::Picture};

/// Sizes are noted this often.
const SAMPLE: TimeDelta = TimeDelta::hours(1);
/// For so long all of them are kept, and after that the last of each day.
const KEEP_ALL: TimeDelta = TimeDelta::days(14);
/// For so long anything is kept.
pub(super) const KEEP: TimeDelta = TimeDelta::days(400);

/// A backup that is or was in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastBackup {
    /// The backup.
    pub backup: BackupEntry,
    /// When it was first seen.
    pub seen: DateTime<Utc>,
    /// When it was found to be gone.
    pub gone: Option<DateTime<Utc>>,
}

/// A gap that is or was in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastGap {
    /// The first missing segment.
    pub first: Segment,
    /// The last missing segment.
    pub last: Segment,
    /// How many were missing.
    pub segments: u64,
    /// Since when it was visible.
    pub since: DateTime<Utc>,
    /// When it was found to be closed, or to have become another: smaller, larger, or expired.
    pub closed: Option<DateTime<Utc>>,
}

/// What there was of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Backups, by label.
    pub backups: Vec<PastBackup>,
    /// Gaps, by age.
    pub gaps: Vec<PastGap>,
    /// Sizes, in the order of time.
    pub sizes: Vec<SizeSample>,
}

pub(super) fn time(micros: i64) -> Result<DateTime<Utc>, CatalogError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| CatalogError::Unexpected("a time in the catalog is none".to_owned()))
}

fn maybe_time(micros: Option<i64>) -> Result<Option<DateTime<Utc>>, CatalogError> {
    micros.map(time).transpose()
}

fn bytes(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn number(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Adds what changed since the last picture.
pub(super) async fn note(
    connection: &mut Connection,
    place: &RepositoryPlace,
    picture: &Picture,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let place = place.to_string();
    note_backups(connection, &place, picture, now).await?;
    note_gaps(connection, &place, picture, now).await
}

async fn note_backups(
    connection: &mut Connection,
    place: &str,
    picture: &Picture,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let sql = "SELECT label FROM holdfast_backups WHERE place = $1 AND gone IS NULL";
    let before = connection
        .rows(sql, vec![place.into()], |row| row.text(0))
        .await?;
    let before: BTreeSet<String> = before.into_iter().collect();
    let present: BTreeMap<&str, &BackupEntry> = picture
        .backups
        .iter()
        .map(|backup| (backup.label.as_str(), backup))
        .collect();
    for (label, backup) in &present {
        if before.contains(*label) {
            continue;
        }
        let text =
            serde_json::to_string(backup).map_err(|error| CatalogError::Unexpected(error.to_string()))?;
        // One that is back, as from a repository that was put back, is not gone.
        let sql = "INSERT INTO holdfast_backups (place, label, backup, seen) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (place, label) DO UPDATE SET backup = excluded.backup, gone = NULL";
        let values = vec![
            place.into(),
            (*label).into(),
            text.into(),
            now.timestamp_micros().into(),
        ];
        connection.execute(sql, values).await?;
    }
    for label in before
        .iter()
        .filter(|label| !present.contains_key(label.as_str()))
    {
        let sql = "UPDATE holdfast_backups SET gone = $3 WHERE place = $1 AND label = $2";
        let values = vec![place.into(), label.as_str().into(), now.timestamp_micros().into()];
        connection.execute(sql, values).await?;
    }
    let sql = "DELETE FROM holdfast_backups WHERE place = $1 AND gone < $2";
    connection
        .execute(sql, vec![place.into(), before_keep(now)])
        .await
        .map(drop)
}

fn before_keep(now: DateTime<Utc>) -> Value {
    (now - KEEP).timestamp_micros().into()
}

async fn note_gaps(
    connection: &mut Connection,
    place: &str,
    picture: &Picture,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let sql =
        "SELECT first_segment, last_segment, since FROM holdfast_gaps WHERE place = $1 AND closed IS NULL";
    let read = |row: &dyn Columns| Ok((row.text(0)?, row.text(1)?, row.number(2)?));
    let before = connection.rows(sql, vec![place.into()], read).await?;
    let before: BTreeSet<(String, String, i64)> = before.into_iter().collect();
    let present: BTreeMap<(String, String, i64), u64> = picture
        .recovery
        .gaps
        .iter()
        .map(|gap| {
            let key = (
                gap.first.to_string(),
                gap.last.to_string(),
                gap.since.timestamp_micros(),
            );
            (key, gap.segments)
        })
        .collect();
    let key = |(first, last, since): &(String, String, i64)| -> Vec<Value> {
        vec![
            place.into(),
            first.as_str().into(),
            last.as_str().into(),
            (*since).into(),
        ]
    };
    for (gap, segments) in present.iter().filter(|(gap, _)| !before.contains(*gap)) {
        let sql = "INSERT INTO holdfast_gaps (place, first_segment, last_segment, since, segments) \
            VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (place, first_segment, last_segment, since) DO UPDATE SET closed = NULL";
        let mut values = key(gap);
        values.push(number(*segments).into());
        connection.execute(sql, values).await?;
    }
    for gap in before.iter().filter(|gap| !present.contains_key(*gap)) {
        let sql = "UPDATE holdfast_gaps SET closed = $5 \
            WHERE place = $1 AND first_segment = $2 AND last_segment = $3 AND since = $4";
        let mut values = key(gap);
        values.push(now.timestamp_micros().into());
        connection.execute(sql, values).await?;
    }
    let sql = "DELETE FROM holdfast_gaps WHERE place = $1 AND closed < $2";
    connection
        .execute(sql, vec![place.into(), before_keep(now)])
        .await
        .map(drop)
}

/// Adds the sizes, if that is due.
pub(super) async fn note_sizes(
    connection: &mut Connection,
    place: &RepositoryPlace,
    picture: &Picture,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let (place, sizes) = (place.to_string(), Sizes::of(picture));
    let place = place.as_str();
    let sql = "SELECT MAX(at) FROM holdfast_sizes WHERE place = $1";
    let last = connection
        .rows(sql, vec![place.into()], |row| row.maybe_number(0))
        .await?;
    let last = maybe_time(last.first().copied().flatten())?;
    if last.is_some_and(|last| now - last < SAMPLE) {
        return Ok(());
    }
    let sql = "INSERT INTO holdfast_sizes (place, at, backup_bytes, wal_bytes, segments, database_bytes) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![
        place.into(),
        now.timestamp_micros().into(),
        number(sizes.backups).into(),
        number(sizes.wal).into(),
        number(sizes.segments).into(),
        number(sizes.database).into(),
    ];
    connection.execute(sql, values).await?;
    let sql = "DELETE FROM holdfast_sizes WHERE place = $1 AND (at < $2 OR at < $3 AND at NOT IN \
        (SELECT MAX(at) FROM holdfast_sizes WHERE place = $1 AND at < $3 GROUP BY at / 86400000000))";
    let thin = (now - KEEP_ALL).timestamp_micros();
    connection
        .execute(sql, vec![place.into(), before_keep(now), thin.into()])
        .await
        .map(drop)
}

/// All that is kept.
pub(super) async fn read(
    connection: &mut Connection,
    place: &RepositoryPlace,
) -> Result<History, CatalogError> {
    let place = place.to_string();
    let sql = "SELECT backup, seen, gone FROM holdfast_backups WHERE place = $1 ORDER BY label";
    let read = |row: &dyn Columns| Ok((row.text(0)?, row.number(1)?, row.maybe_number(2)?));
    let mut history = History::default();
    for (text, seen, gone) in connection.rows(sql, vec![place.as_str().into()], read).await? {
        // Of another version: left out.
        if let Ok(backup) = serde_json::from_str(&text) {
            history.backups.push(PastBackup {
                backup,
                seen: time(seen)?,
                gone: maybe_time(gone)?,
            });
        }
    }
    let sql = "SELECT first_segment, last_segment, since, segments, closed FROM holdfast_gaps \
        WHERE place = $1 ORDER BY since, first_segment";
    let gap = |row: &dyn Columns| {
        let segment = |text: String| {
            text.parse()
                .map_err(|_| CatalogError::Unexpected("a segment in the catalog is none".to_owned()))
        };
        Ok(PastGap {
            first: segment(row.text(0)?)?,
            last: segment(row.text(1)?)?,
            since: time(row.number(2)?)?,
            segments: bytes(row.number(3)?),
            closed: maybe_time(row.maybe_number(4)?)?,
        })
    };
    history.gaps = connection.rows(sql, vec![place.as_str().into()], gap).await?;
    let sql = "SELECT at, backup_bytes, wal_bytes, segments, database_bytes FROM holdfast_sizes \
        WHERE place = $1 ORDER BY at";
    let sample = |row: &dyn Columns| {
        Ok(SizeSample {
            at: time(row.number(0)?)?,
            sizes: Sizes {
                backups: bytes(row.number(1)?),
                wal: bytes(row.number(2)?),
                segments: bytes(row.number(3)?),
                database: bytes(row.number(4)?),
            },
        })
    };
    history.sizes = connection.rows(sql, vec![place.into()], sample).await?;
    Ok(history)
}

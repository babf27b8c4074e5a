//! Facts about the local PostgreSQL, by SQL.

use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use super::sql::connection::SqlError;
use crate::agent::report::ArchiverReport;

/// What one look gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Identity of the database cluster.
    pub system_identifier: String,
    /// Standby, or recovering.
    pub in_recovery: bool,
    /// On a primary the timeline being written, on a standby that of the last restart point.
    pub timeline: u32,
    /// Such as `18.6`.
    pub version: String,
    /// On a primary only.
    pub archiver: Option<ArchiverReport>,
    /// On a primary only.
    pub writing: Option<Writing>,
}

/// Where a primary writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writing {
    /// The transaction id that is given out next; whoever changes data takes one.
    pub next_transaction: String,
    /// The segment that is written to.
    pub segment: String,
    /// When something was committed last, where PostgreSQL keeps that.
    pub last_commit: Option<DateTime<Utc>>,
}

/// Notices that something was written: an idle PostgreSQL writes WAL too, and that need not be archived.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    next_transaction: Option<String>,
    segment: Option<String>,
    /// Looks since something was written.
    quiet: u32,
}

impl Writes {
    /// Takes a look, and gives the segment of the last write that was noticed.
    pub fn notice(&mut self, writing: &Writing) -> Option<String> {
        let before = self.next_transaction.replace(writing.next_transaction.clone());
        let changed = before.as_ref() != Some(&writing.next_transaction);
        self.quiet = if changed { 0 } else { self.quiet.saturating_add(1) };
        // What was written before the first look is not known.
        if before.is_some() && changed {
            self.segment = Some(writing.segment.clone());
        }
        self.segment.clone()
    }

    /// The last commit, where nothing has been written for a while: it is told once, and not at every look.
    #[must_use]
    pub fn settled(&self, writing: &Writing) -> Option<DateTime<Utc>> {
        writing.last_commit.filter(|_| self.quiet >= QUIET_LOOKS)
    }
}

/// So many looks without a write in a row are a while.
const QUIET_LOOKS: u32 = 5;

// pg_control still names the old timeline for a while after a promotion; the name of the current segment does not.
const FACTS: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
    (SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()), \
    (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), pg_catalog.current_setting('server_version'), \
    CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END, \
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text, \
    CASE WHEN NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.current_setting('track_commit_timestamp')::pg_catalog.bool \
    THEN (SELECT timestamp FROM pg_catalog.pg_last_committed_xact()) END";

const ARCHIVER: &str = "SELECT last_archived_wal, last_archived_time, last_failed_wal, last_failed_time, failed_count, \
    (SELECT count(*) FROM pg_catalog.pg_ls_archive_statusdir() WHERE name LIKE '%.ready'), \
    (SELECT setting::pg_catalog.int8 FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') \
    FROM pg_catalog.pg_stat_archiver";

/// Looks once.
pub async fn observe(client: &Client) -> Result<Observation, SqlError> {
    let row = client.query_one(FACTS, &[]).await?;
    let in_recovery: bool = row.try_get(0)?;
    let checkpoint: i32 = row.try_get(2)?;
    let segment: Option<String> = row.try_get(4)?;
    let version: String = row.try_get(3)?;
    Ok(Observation {
        system_identifier: row.try_get(1)?,
        in_recovery,
        timeline: segment
            .as_deref()
            .and_then(timeline_of)
            .unwrap_or(checkpoint.unsigned_abs()),
        version: version.split_whitespace().next().unwrap_or_default().to_owned(),
        writing: match segment {
            Some(segment) => Some(Writing {
                next_transaction: row.try_get(5)?,
                last_commit: row.try_get(6)?,
                segment,
            }),
            None => None,
        },
        archiver: if in_recovery {
            None
        } else {
            Some(archiver(client).await?)
        },
    })
}

async fn archiver(client: &Client) -> Result<ArchiverReport, SqlError> {
    let row = client.query_one(ARCHIVER, &[]).await?;
    let at = |index: usize| -> Result<Option<DateTime<Utc>>, SqlError> { Ok(row.try_get(index)?) };
    let (ready_files, segment): (i64, i64) = (row.try_get(5)?, row.try_get(6)?);
    Ok(ArchiverReport {
        last_archived_wal: row.try_get(0)?,
        last_archived_at: at(1)?,
        last_failed_wal: row.try_get(2)?,
        last_failed_at: at(3)?,
        failed_count: row.try_get(4)?,
        ready_files,
        ready_bytes: ready_files.saturating_mul(segment).unsigned_abs(),
        // What follows needs more than one look.
        volume: None,
        failure: None,
        last_written_wal: None,
        last_commit_at: None,
    })
}

/// The first eight digits of a segment's name.
pub(super) fn timeline_of(segment: &str) -> Option<u32> {
    u32::from_str_radix(segment.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segment_of_the_last_write_is_known_from_the_first_change_on() {
        let mut writes = Writes::default();
        let mut look = |transaction: &str, segment: &str| {
            writes.notice(&Writing {
                next_transaction: transaction.to_owned(),
                segment: segment.to_owned(),
                last_commit: None,
            })
        };
        assert_eq!(look("7", "A"), None);
        assert_eq!(look("7", "B"), None);
        assert_eq!(look("8", "C").as_deref(), Some("C"));
        assert_eq!(look("8", "D").as_deref(), Some("C"));
    }

    #[test]
    fn the_last_commit_is_told_once_nothing_has_been_written_for_a_while() {
        let mut writes = Writes::default();
        let mut look = |transaction: &str| {
            let writing = Writing {
                next_transaction: transaction.to_owned(),
                segment: "A".to_owned(),
                last_commit: Some(DateTime::UNIX_EPOCH),
            };
            writes.notice(&writing);
            writes.settled(&writing).is_some()
        };
        assert!(!look("7"));
        assert_eq!(
            (0..5).map(|_| look("7")).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        assert!(!look("8"));
    }

    #[test]
    fn the_timeline_is_hexadecimal() {
        assert_eq!(timeline_of("0000000A0000000000000024"), Some(10));
        assert_eq!(timeline_of("x"), None);
    }
}

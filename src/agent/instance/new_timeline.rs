//! Has the first WAL of a new timeline archived at once.
//!
//! PostgreSQL archives where a timeline begins as soon as it is promoted, and the first segment on it when that is full or
//! `archive_timeout` is over. Until then nothing in the repositories says that the database went on there, so that behind a
//! failover or a restore a point in time could not be chosen for a minute. The price is a part of one segment.

use tokio_postgres::Client;

use super::observe::Observation;
use super::sql::connection::SqlError;
use crate::domain::wal::Segment;

/// The timeline whose first segment was finished, or need not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTimeline {
    seen: Option<u32>,
}

impl NewTimeline {
    /// Finishes the segment that a primary writes, where nothing of its timeline has been archived.
    pub async fn look(&mut self, client: &Client, observed: &Observation) {
        if !self.is_due(observed) {
            return;
        }
        match client.batch_execute("SELECT pg_catalog.pg_switch_wal()").await {
            Ok(()) => {
                tracing::info!(
                    timeline = observed.timeline,
                    "the first segment of a new timeline is finished"
                );
                self.seen = Some(observed.timeline);
            }
            Err(error) => {
                tracing::warn!(error = %SqlError::from(error), "the first segment of a new timeline is not finished");
            }
        }
    }

    fn is_due(&mut self, observed: &Observation) -> bool {
        let Some(archiver) = observed.archiver.as_ref().filter(|_| observed.timeline > 1) else {
            return false;
        };
        if self.seen == Some(observed.timeline) {
            return false;
        }
        let last = archiver.last_archived_wal.as_deref();
        // Not a history, nor the last part of an earlier timeline.
        let segment = last.and_then(|name| Segment::parse(name.as_bytes()));
        let on_it = segment.map(Segment::timeline);
        if on_it == Some(observed.timeline) {
            self.seen = on_it;
            return false;
        }
        // What waits comes first: where it cannot be archived, one segment more would not be either.
        archiver.ready_files == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::ArchiverReport;

    fn is_due(timeline: u32, archived: &str, waiting: i64) -> bool {
        let observed = Observation {
            timeline,
            archiver: Some(ArchiverReport {
                last_archived_wal: Some(archived.to_owned()).filter(|name| !name.is_empty()),
                ready_files: waiting,
                ..ArchiverReport::default()
            }),
            ..Observation::default()
        };
        NewTimeline::default().is_due(&observed)
    }

    #[test]
    fn it_is_due_until_a_segment_of_the_timeline_is_archived() {
        assert!(is_due(3, "00000003.history", 0));
        assert!(is_due(3, "000000020000000000000007.partial", 0));
        assert!(is_due(3, "000000020000000000000007", 0));
        assert!(is_due(3, "", 0), "statistics do not survive a crash");
        assert!(!is_due(3, "000000030000000000000007", 0));
    }

    #[test]
    fn it_waits_for_what_waits_and_is_never_due_on_the_first_one_or_on_a_standby() {
        assert!(!is_due(3, "00000003.history", 1));
        assert!(!is_due(1, "", 0));
        let standby = Observation {
            timeline: 3,
            ..Observation::default()
        };
        assert!(!NewTimeline::default().is_due(&standby));
    }
}

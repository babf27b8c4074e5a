//! Lets go what a restore has kept of the data before it, once the restored database has proven itself: it takes writes, and WAL of
//! its own timeline is in the repositories. From then on the way back is a restore.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch::Receiver;

use super::database_loop::Local;
use super::observe::{Observation, timeline_of};
use crate::agent::environment::{self, EnvironmentError};
use crate::agent::postgres::Layout;
use crate::agent::restore::journal::Journal;
use crate::agent::restore::previous::Places;

/// Nobody is in a hurry.
const LOOK: Duration = Duration::from_secs(10);

/// Follows the local PostgreSQL; runs for ever.
pub async fn follow(local: Receiver<Local>) -> Result<(), EnvironmentError> {
    let layout = Layout::read(environment::variable)?;
    loop {
        let proven = local.borrow().observation.as_ref().is_some_and(has_proven_itself);
        if proven && is_due(layout.volume()) {
            let (places, volume) = (Places::of(&layout), layout.volume().to_owned());
            // A large directory takes its time.
            let released = tokio::task::spawn_blocking(move || places.release(&volume)).await;
            match released {
                Ok(Ok(())) => tracing::info!("what the restore had kept of the data before it is let go"),
                Ok(Err(error)) => tracing::warn!(%error, "what the restore had kept is not let go yet"),
                Err(error) => tracing::warn!(%error, "letting go was interrupted"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn is_due(volume: &Path) -> bool {
    matches!(Journal::read(volume), Ok(Some(journal)) if journal.stage.is_over())
}

/// It takes writes, and the last file that was archived is of the timeline that it writes.
fn has_proven_itself(observed: &Observation) -> bool {
    let archived = observed
        .archiver
        .as_ref()
        .and_then(|archiver| archiver.last_archived_wal.as_deref());
    !observed.in_recovery && archived.and_then(timeline_of) == Some(observed.timeline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::report::ArchiverReport;

    #[test]
    fn only_a_primary_whose_own_timeline_is_archived_has_proven_itself() {
        let observed = |in_recovery, archived: Option<&str>| Observation {
            in_recovery,
            timeline: 10,
            archiver: Some(ArchiverReport {
                last_archived_wal: archived.map(str::to_owned),
                ..ArchiverReport::default()
            }),
            ..Observation::default()
        };
        assert!(has_proven_itself(&observed(
            false,
            Some("0000000A0000000000000024")
        )));
        assert!(has_proven_itself(&observed(false, Some("0000000A.history"))));
        assert!(!has_proven_itself(&observed(
            false,
            Some("000000090000000000000024")
        )));
        assert!(!has_proven_itself(&observed(
            true,
            Some("0000000A0000000000000024")
        )));
        assert!(!has_proven_itself(&observed(false, None)));
    }
}

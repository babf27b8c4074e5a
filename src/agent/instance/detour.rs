//! WAL that waits because some repositories refuse it goes to the others meanwhile.
//!
//! pgBackRest sends a segment to one repository after the other, and again to all of them until the last has it. One that does not
//! answer costs most of a minute each time, and what is written later waits behind it, for every repository: a backup into a good
//! one would wait for its own WAL in vain. So what waits is also sent from here, to those that take it. PostgreSQL's archiver goes
//! on with all of them, and by it alone a segment is archived; what it finds in a repository already is compared and left.
//!
//! Invariant: what is sent is a copy that was whole while the segment was waiting. PostgreSQL writes into the file of a segment that
//! is archived.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch::Receiver;

use super::configuration;
use super::database_loop::Local;
use super::watch::Known;
use crate::agent::pgbackrest;
use crate::agent::report::ArchiveFailure;
use crate::pgbackrest::configuration::{CONFIGURATION_DIRECTORY, SCRATCH_DIRECTORY};

/// What waits is looked for this often.
const LOOK: Duration = Duration::from_secs(5);
/// pgBackRest retries for half a minute by itself.
const LIMIT: Duration = Duration::from_mins(3);

/// Where WAL waits, and where copies of it are made.
pub struct Detour {
    wal: PathBuf,
    /// Not on the data volume, which what waits may be about to fill.
    copies: PathBuf,
    configuration: PathBuf,
    /// What went to the others, of what still waits.
    sent: BTreeSet<String>,
}

impl Detour {
    /// Of a data directory, which need not be there yet.
    #[must_use]
    pub fn of(data_directory: &Path) -> Self {
        Self {
            wal: data_directory.join("pg_wal"),
            copies: Path::new(SCRATCH_DIRECTORY).join("detour-wal"),
            configuration: Path::new(SCRATCH_DIRECTORY).join("detour"),
            sent: BTreeSet::new(),
        }
    }

    /// Runs for ever.
    pub async fn follow(
        mut self,
        known: Receiver<Known>,
        local: Receiver<Local>,
        failures: Receiver<Option<ArchiveFailure>>,
    ) {
        let stanza = |known: &Receiver<Known>| {
            let desired = known.borrow().desired.clone()?;
            Some(desired.stanza.as_ref()?.name.clone())
        };
        // What an earlier agent was sending.
        let _ = fs::remove_dir_all(&self.copies);
        loop {
            tokio::time::sleep(LOOK).await;
            let open = open(&known.borrow(), &local.borrow(), failures.borrow().as_ref());
            let (Some(open), Some(stanza)) = (open, stanza(&known)) else {
                self.sent.clear();
                continue;
            };
            if let Err(error) = self.send(&stanza, &open).await {
                tracing::warn!(%error, "WAL that waits for one repository waits for the others too");
            }
        }
    }

    /// Sends what waits, oldest first, until one is refused.
    async fn send(&mut self, stanza: &str, open: &[u8]) -> io::Result<()> {
        let waiting = waiting(&self.wal)?;
        self.sent.retain(|name| waiting.contains(name));
        let unsent: Vec<String> = waiting.difference(&self.sent).cloned().collect();
        if unsent.is_empty() {
            return Ok(());
        }
        let keep = |key: u32| open.iter().any(|open| u32::from(*open) == key);
        configuration::copy(Path::new(CONFIGURATION_DIRECTORY), &self.configuration, &keep)?;
        for name in unsent {
            let (wal, copies, segment) = (self.wal.clone(), self.copies.clone(), name.clone());
            let copying = tokio::task::spawn_blocking(move || copy(&wal, &copies, &segment));
            let Some(copy) = copying.await.map_err(io::Error::other)?? else {
                continue;
            };
            let mut command = configuration::pgbackrest_with(&self.configuration, &keep);
            command.arg(format!("--stanza={stanza}"));
            command.args([
                "--no-archive-async",
                "--log-level-console=off",
                "--log-level-stderr=warn",
                "archive-push",
            ]);
            command.arg(&copy);
            let finished = pgbackrest::run(command, LIMIT).await;
            fs::remove_file(&copy)?;
            if finished.exit != Some(0) {
                // What the others refuse too is told by the archiver.
                return Ok(());
            }
            tracing::info!(segment = name, repositories = ?open, "WAL that waits for one repository went to the others");
            self.sent.insert(name);
        }
        Ok(())
    }
}

/// Keys of the repositories that take WAL while others refuse it; nothing where there is nothing to do.
fn open(known: &Known, local: &Local, failure: Option<&ArchiveFailure>) -> Option<Vec<u8>> {
    let stanza = known.desired.as_ref()?.stanza.as_ref()?;
    let archiver = local.observation.as_ref()?.archiver.as_ref()?;
    let refuse = &failure?.repositories;
    if !archiver.is_failing() || refuse.is_empty() {
        return None;
    }
    let open = stanza
        .repos
        .iter()
        .filter(|repo| !refuse.contains(&repo.name) && !stanza.suspended.contains(&repo.key))
        .map(|repo| repo.key);
    Some(open.collect()).filter(|open: &Vec<u8>| !open.is_empty())
}

/// Names of what PostgreSQL wants archived, as `archive_status/<name>.ready` says.
fn waiting(wal: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(wal.join("archive_status"))? {
        let name = entry?.file_name();
        names.extend(
            name.to_str()
                .and_then(|name| name.strip_suffix(".ready"))
                .map(str::to_owned),
        );
    }
    Ok(names)
}

/// A copy of what waits; nothing when it does not wait any more.
fn copy(wal: &Path, copies: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    fs::create_dir_all(copies)?;
    let copy = copies.join(name);
    match fs::copy(wal.join(name), &copy) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    // As long as it waits, PostgreSQL does not write into it.
    if wal.join("archive_status").join(format!("{name}.ready")).exists() {
        return Ok(Some(copy));
    }
    fs::remove_file(&copy)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::agent::desired::{Desired, DesiredRepository, DesiredStanza};
    use crate::agent::instance::observe::Observation;
    use crate::agent::report::ArchiverReport;

    #[test]
    fn the_detour_is_open_to_those_that_take_wal_while_others_refuse_it() {
        let repository = |key: u8| DesiredRepository {
            name: format!("repo{key}"),
            key,
        };
        let known = Known {
            desired: Some(Arc::new(Desired {
                stanza: Some(DesiredStanza {
                    repos: [1, 2, 3].map(repository).into(),
                    suspended: vec![3],
                    ..DesiredStanza::default()
                }),
                ..Desired::default()
            })),
            ..Known::default()
        };
        let local = |archived, failed| Local {
            observation: Some(Observation {
                archiver: Some(ArchiverReport {
                    last_archived_at: chrono::DateTime::from_timestamp(archived, 0),
                    last_failed_at: chrono::DateTime::from_timestamp(failed, 0),
                    ..ArchiverReport::default()
                }),
                ..Observation::default()
            }),
            ..Local::default()
        };
        let refused = |names: &[&str]| ArchiveFailure {
            repositories: names.iter().map(|name| (*name).to_owned()).collect(),
            ..ArchiveFailure::default()
        };
        let found = |names: &[&str]| open(&known, &local(1, 2), Some(&refused(names)));
        assert_eq!(found(&["repo1"]), Some(vec![2]));
        assert_eq!(found(&["repo1", "repo2"]), None, "nobody takes it");
        assert_eq!(found(&[]), None, "it is not known who refuses");
        assert_eq!(open(&known, &local(1, 2), None), None);
        let over = open(&known, &local(3, 2), Some(&refused(&["repo1"])));
        assert_eq!(over, None, "it is archived again");
    }

    #[test]
    fn only_what_still_waits_is_sent_and_as_it_was_then() {
        let directory = tempfile::tempdir().unwrap();
        let (wal, copies) = (directory.path().join("pg_wal"), directory.path().join("copies"));
        fs::create_dir_all(wal.join("archive_status")).unwrap();
        for (name, state) in [("2", "ready"), ("1", "ready"), ("0", "done")] {
            fs::write(wal.join(name), name).unwrap();
            fs::write(wal.join("archive_status").join(format!("{name}.{state}")), "").unwrap();
        }
        let names: Vec<String> = waiting(&wal).unwrap().into_iter().collect();
        assert_eq!(names, ["1", "2"]);
        let made = copy(&wal, &copies, "1").unwrap().unwrap();
        assert_eq!(fs::read_to_string(made).unwrap(), "1");
        assert_eq!(
            copy(&wal, &copies, "0").unwrap(),
            None,
            "it may be written to by now"
        );
        assert!(!copies.join("0").exists());
        assert_eq!(copy(&wal, &copies, "gone").unwrap(), None);
    }
}

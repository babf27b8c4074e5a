//! Looks at the local PostgreSQL every few seconds and applies the desired document where that is due.
//!
//! Due: when the document, the database's identity or its timeline is another than when everything was applied last,
//! and, with growing pauses, while something could not be applied. Looking costs no request to the API server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant;
use tokio_postgres::Client;

use super::following::Following;
use super::new_timeline::NewTimeline;
use super::observe::{Observation, Writes, observe};
use super::patroni::Patroni;
use super::sql::connection::{Socket, SqlError};
use super::wal_room::WalRoom;
use super::watch::Known;
use super::{CERTIFICATES, PATRONI_CONFIGURATION, apply};
use crate::agent::desired::Desired;
use crate::agent::environment::InstanceEnvironment;
use crate::agent::fingerprint::Fingerprint;
use crate::agent::report::{ArchiverReport, Problem, StandbyReport, StanzaReport};

/// So many files that wait are more than usually do.
const PILE: i64 = 8;
/// PostgreSQL is looked at this often.
const LOOK: Duration = Duration::from_secs(2);
/// First and longest pause before something that failed is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(20));

/// What is known of the local PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Local {
    /// Absent while it does not answer.
    pub observation: Option<Observation>,
    /// What it follows, where it leads a standby.
    pub standby: Option<StandbyReport>,
    /// Revision that is fully applied.
    pub revision: Option<String>,
    /// What could not be applied.
    pub problems: Vec<Problem>,
}

/// What an application was about; another one makes it due again.
#[derive(Clone, PartialEq)]
struct Applied {
    desired: Arc<Desired>,
    system_identifier: String,
    timeline: u32,
}

/// The loop and what it remembers.
pub struct DatabaseLoop {
    socket: Socket,
    patroni: Patroni,
    known: Receiver<Known>,
    local: Sender<Local>,
    connection: Option<Client>,
    applied: Option<Applied>,
    /// What the last application could not do.
    unsolved: Vec<Problem>,
    retry: Option<Instant>,
    pause: Duration,
    files: Vec<PathBuf>,
    seen: Fingerprint,
    stanzas: Receiver<Vec<StanzaReport>>,
    /// The stanzas were ready at the last look.
    ready: bool,
    writes: Writes,
    wal: WalRoom,
    following: Following,
    new_timeline: NewTimeline,
}

impl DatabaseLoop {
    /// Nothing is done before [`Self::run`].
    #[must_use]
    pub fn new(
        environment: &InstanceEnvironment,
        known: Receiver<Known>,
        local: Sender<Local>,
        stanzas: Receiver<Vec<StanzaReport>>,
    ) -> Self {
        let files = vec![CERTIFICATES.into(), PATRONI_CONFIGURATION.into()];
        Self {
            socket: Socket::new(&environment.socket_directory, environment.port),
            patroni: Patroni {
                url: environment.patroni_url.clone(),
                certificates: CERTIFICATES.into(),
            },
            known,
            local,
            connection: None,
            applied: None,
            unsolved: Vec::new(),
            retry: None,
            pause: BACK_OFF.0,
            seen: Fingerprint::of(&files),
            files,
            stanzas,
            ready: false,
            writes: Writes::default(),
            following: Following::default(),
            new_timeline: NewTimeline::default(),
            wal: WalRoom::of(&environment.data_directory, &environment.tablespaces),
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        loop {
            let next = self.pass().await;
            self.local.send_if_modified(|local| {
                let changed = *local != next;
                *local = next;
                changed
            });
            // A closed channel means that the follower has ended; the next pass is then only a matter of time.
            let _ = tokio::time::timeout(LOOK, self.known.changed()).await;
        }
    }

    async fn pass(&mut self) -> Local {
        let observation = match self.look().await {
            Ok(observation) => observation,
            Err(error) => {
                tracing::debug!(code = error.code(), %error, "PostgreSQL does not answer");
                self.connection = None;
                let what = "connection".to_owned();
                let problem = Problem {
                    what,
                    code: error.code().to_owned(),
                    message: error.to_string(),
                };
                return Local {
                    problems: vec![problem],
                    ..Local::default()
                };
            }
        };
        self.reload_changed_files().await;
        let desired = self.known.borrow_and_update().desired.clone();
        if observation.in_recovery {
            self.applied = None;
            let standby = match (&self.connection, &desired) {
                (Some(client), Some(desired)) => self.following.look(client, &self.patroni, desired).await,
                _ => None,
            };
            return Local {
                observation: Some(observation),
                standby,
                ..Local::default()
            };
        }
        self.following = Following::default();
        let Some(desired) = desired else {
            return Local {
                observation: Some(observation),
                ..Local::default()
            };
        };
        self.wake_archiver(&observation).await;
        if let Some(client) = &self.connection {
            self.new_timeline.look(client, &observation).await;
        }
        let due = Applied {
            desired,
            system_identifier: observation.system_identifier.clone(),
            timeline: observation.timeline,
        };
        let same = self.applied.as_ref() == Some(&due);
        let problems = if same && self.retry.is_none_or(|retry| Instant::now() < retry) {
            self.unsolved.clone()
        } else {
            self.apply(&due, same).await
        };
        // Not what is told: that may have been of a connection that is there again.
        self.unsolved.clone_from(&problems);
        let revision = problems.is_empty().then(|| due.desired.revision.clone());
        self.applied = Some(due);
        Local {
            observation: Some(observation),
            standby: None,
            revision,
            problems,
        }
    }

    async fn look(&mut self) -> Result<Observation, SqlError> {
        let client = match self.connection.take() {
            Some(client) => client,
            None => self.socket.connect("postgres").await?,
        };
        let mut observation = observe(&client).await?;
        if observation.in_recovery {
            self.writes = Writes::default();
        }
        if let (Some(writing), Some(archiver)) = (&observation.writing, observation.archiver.as_mut()) {
            archiver.last_written_wal = self.writes.notice(writing);
            archiver.last_commit_at = self.writes.settled(writing);
            archiver.volume = self.wal.look(Utc::now());
            // Free space comes and goes with every checkpoint; a forecast is news only where WAL piles up.
            let piles_up = archiver.is_failing() || archiver.ready_files >= PILE;
            if let Some(volume) = archiver.volume.as_mut().filter(|_| !piles_up) {
                volume.full_at = None;
            }
        }
        // The transaction id moves all the time, and is no news to anybody.
        observation.writing = None;
        self.connection = Some(client);
        Ok(observation)
    }

    async fn apply(&mut self, due: &Applied, again: bool) -> Vec<Problem> {
        let Some(client) = self.connection.as_ref() else {
            return Vec::new();
        };
        let mut problems = apply::apply(&self.socket, client, &due.desired).await;
        match self.patroni.configure(&due.desired.dynamic_configuration).await {
            Ok(true) => tracing::info!("Patroni's dynamic configuration changed"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "Patroni's dynamic configuration is not applied");
                let what = "patroni".to_owned();
                problems.push(Problem {
                    what,
                    code: error.code(),
                    message: error.to_string(),
                });
            }
        }
        if problems.is_empty() {
            tracing::info!(revision = due.desired.revision, "desired document applied");
            self.retry = None;
        } else {
            self.pause = if again {
                (self.pause * 2).min(BACK_OFF.1)
            } else {
                BACK_OFF.0
            };
            self.retry = Some(Instant::now() + self.pause);
        }
        problems
    }

    /// After three failures, as there are before the first stanza, PostgreSQL's archiver sleeps for a minute. A segment
    /// that is finished wakes it.
    async fn wake_archiver(&mut self, observation: &Observation) {
        let ready = {
            let stanzas = self.stanzas.borrow_and_update();
            !stanzas.is_empty() && stanzas.iter().all(|stanza| stanza.ready)
        };
        let became_ready = ready && !std::mem::replace(&mut self.ready, ready);
        let sleeps = observation
            .archiver
            .as_ref()
            .is_some_and(ArchiverReport::is_failing);
        let Some(client) = self.connection.as_ref().filter(|_| became_ready && sleeps) else {
            return;
        };
        // A segment without a record is not finished by the switch.
        let waking =
            "SELECT pg_catalog.pg_create_restore_point('holdfast: stanza ready'), pg_catalog.pg_switch_wal()";
        match client.batch_execute(waking).await {
            Ok(()) => tracing::info!("stanzas are ready: the archiver was woken"),
            Err(error) => tracing::warn!(error = %SqlError::from(error), "the archiver was not woken"),
        }
    }

    /// Rotated certificates and a new local configuration are taken up without a restart.
    async fn reload_changed_files(&mut self) {
        let now = Fingerprint::of(&self.files);
        if now == self.seen {
            return;
        }
        // Patroni first: it may refuse, and both are asked again at the next look then.
        if let Err(error) = self.patroni.reload().await {
            tracing::warn!(%error, "Patroni did not reload");
            return;
        }
        let Some(client) = self.connection.as_ref() else {
            return;
        };
        match client.batch_execute("SELECT pg_catalog.pg_reload_conf()").await {
            Ok(()) => {
                tracing::info!("mounted files changed: Patroni and PostgreSQL reloaded");
                self.seen = now;
            }
            Err(error) => tracing::warn!(error = %SqlError::from(error), "PostgreSQL did not reload"),
        }
    }
}

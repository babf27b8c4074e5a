//! Sees to it that the stanza exists in each repository that the controller has cleared.
//!
//! Invariants: `stanza-create` only under the repository's Lease and for one repository at a time; `stanza-upgrade`
//! never, since it accepts any database; a stanza of another PostgreSQL is reported and left alone.

mod claim;
mod info;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::process::Command;

use self::claim::Claim;
use self::info::Stanza;
use super::configuration::{self, SingleRepository};
use crate::agent::desired::{DesiredRepository, DesiredStanza};
use crate::agent::environment::InstanceEnvironment;
use crate::agent::pgbackrest::{self, Finished};
use crate::agent::report::StanzaReport;
use crate::pgbackrest::configuration::{CONFIGURATION_DIRECTORY, SCRATCH_DIRECTORY};
use crate::pgbackrest::lease;

/// pgBackRest retries for a minute by itself when a store does not answer.
const INFO_LIMIT: Duration = Duration::from_secs(90);
/// The same, for both of archive and backup.
const CREATE_LIMIT: Duration = Duration::from_mins(4);
/// A claim lasts two minutes.
const RENEWAL: Duration = Duration::from_secs(30);

/// Checks and creates stanzas.
pub struct Stanzas {
    client: Client,
    environment: InstanceEnvironment,
    /// Where the mounted configuration is.
    source: PathBuf,
    /// Where copies may be made.
    scratch: PathBuf,
}

impl Stanzas {
    /// For this pod; reads configuration from `/etc/pgbackrest`.
    #[must_use]
    pub fn new(client: Client, environment: InstanceEnvironment) -> Self {
        Self {
            client,
            environment,
            source: CONFIGURATION_DIRECTORY.into(),
            scratch: SCRATCH_DIRECTORY.into(),
        }
    }

    /// Looks at one repository, creates the stanza if it is missing, and says how it stands.
    pub async fn ensure(
        &self,
        stanza: &DesiredStanza,
        repository: &DesiredRepository,
        system_identifier: &str,
    ) -> StanzaReport {
        match self.look(stanza, repository, system_identifier).await {
            Stanza::Ready => return ready(repository),
            Stanza::OtherSystem => return other_system(repository),
            // An unreadable one too: the exit code of stanza-create tells more than `info`, and it breaks nothing.
            Stanza::Missing | Stanza::Unreadable(_) => {}
        }
        let me = lease::Holder::Agent {
            pod: self.environment.pod.clone(),
            uid: self.environment.pod_uid.clone(),
        };
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.environment.namespace);
        let claim = Claim::new(
            leases,
            lease::name(&self.environment.cluster, &repository.name),
            me,
        )
        .of(&self.environment.cluster, &stanza.cluster_uid);
        match claim.hold().await {
            Ok(true) => {}
            Ok(false) => return failed(repository, StanzaReport::BUSY, None),
            Err(error) => {
                tracing::warn!(%error, "cannot take the lease");
                return failed(repository, "LeaseUnavailable", None);
            }
        }
        let finished = self.create_while_held(stanza, repository, &claim).await;
        claim.release().await;
        if finished.exit != Some(0) {
            let error = finished.error_types.last().map_or("", String::as_str);
            return StanzaReport {
                http_status: finished.http_status,
                ..failed(repository, error, finished.exit)
            };
        }
        match self.look(stanza, repository, system_identifier).await {
            Stanza::Ready => ready(repository),
            Stanza::OtherSystem => other_system(repository),
            Stanza::Missing => failed(repository, "FileMissingError", Some(0)),
            Stanza::Unreadable(error) => failed(repository, error.as_deref().unwrap_or_default(), Some(0)),
        }
    }

    async fn look(&self, stanza: &DesiredStanza, repository: &DesiredRepository, system: &str) -> Stanza {
        let mut command = Command::new("pgbackrest");
        command
            .arg(format!("--stanza={}", stanza.name))
            .arg(format!("--repo={}", repository.key));
        command.args([
            "--output=json",
            "--log-level-console=off",
            "--log-level-stderr=warn",
            "info",
        ]);
        let finished = pgbackrest::run(command, INFO_LIMIT).await;
        if finished.exit != Some(0) {
            return Stanza::Unreadable(finished.error_types.last().cloned());
        }
        info::read(&finished.output, &stanza.name, repository.key, system)
    }

    async fn create_while_held(
        &self,
        stanza: &DesiredStanza,
        repository: &DesiredRepository,
        claim: &Claim,
    ) -> Finished {
        let directory = self.scratch.join(&repository.name);
        let single = match SingleRepository::copy(&self.source, &directory, repository.key) {
            Ok(single) => single,
            Err(error) => {
                tracing::error!(%error, "cannot copy pgBackRest's configuration");
                return Finished {
                    error_types: vec!["FileOpenError".into()],
                    ..Finished::default()
                };
            }
        };
        let creation = pgbackrest::run(
            stanza_create(&stanza.name, repository.key, single.path()),
            CREATE_LIMIT,
        );
        let renewal = async {
            loop {
                tokio::time::sleep(RENEWAL).await;
                if let Err(error) = claim.hold().await {
                    tracing::warn!(%error, "cannot renew the lease");
                }
            }
        };
        tokio::select! {
            finished = creation => finished,
            () = renewal => Finished::default(),
        }
    }
}

fn stanza_create(stanza: &str, key: u8, copy: &Path) -> Command {
    let mut command = configuration::pgbackrest_with(copy, &|other| other == u32::from(key));
    command.arg(format!("--stanza={stanza}"));
    command.args([
        "--log-level-console=off",
        "--log-level-stderr=info",
        "stanza-create",
    ]);
    command
}

fn ready(repository: &DesiredRepository) -> StanzaReport {
    StanzaReport {
        repo: repository.name.clone(),
        ready: true,
        exit: Some(0),
        at: Some(Utc::now()),
        ..StanzaReport::default()
    }
}

fn other_system(repository: &DesiredRepository) -> StanzaReport {
    failed(repository, StanzaReport::SYSTEM_ID_MISMATCH, None)
}

fn failed(repository: &DesiredRepository, error: &str, exit: Option<i32>) -> StanzaReport {
    StanzaReport {
        repo: repository.name.clone(),
        ready: false,
        exit,
        error: Some(error.to_owned()).filter(|error| !error.is_empty()),
        at: Some(Utc::now()),
        ..StanzaReport::default()
    }
}

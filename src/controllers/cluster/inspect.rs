//! Looking at repositories: with our own signed requests, at most as often as the cache allows, and beside the reconcile, which
//! goes on with what is known.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

use super::dereference::Observed;
use super::engine;
use super::looks::{Begun, Key};
use super::names::Names;
use super::repositories::{self, Content, Database, Look, Trouble, Verdict};
use super::shared::Shared;
use super::user_files::UserFiles;
use super::volumes;
use crate::agent::report::{ArchiverReport, InstanceReport};
use crate::api::repository::Repository;
use crate::api::{PerconaPGCluster, Reason};
use crate::controllers::fleet::Key as ClusterKey;
use crate::pgbackrest::access::{AccessError, RepositoryAccess};
use crate::pgbackrest::check::{self, Problem, RepositoryState, StanzaState};

/// The first look is waited for so long: most stores answer at once, and then everything is made in one go.
const FIRST_LOOK: Duration = Duration::from_millis(300);

/// What is awaited is looked for this often.
const AWAITED: TimeDelta = TimeDelta::seconds(10);

/// The repositories of one cluster, and what this process knows of them.
pub struct Inspection<'a> {
    shared: &'a Arc<Shared>,
    observed: &'a Observed,
    user: &'a UserFiles,
    /// Of each repository, in the order of the specification.
    keys: Vec<Key>,
}

impl<'a> Inspection<'a> {
    /// Of a cluster as it was observed.
    #[must_use]
    pub fn of(shared: &'a Arc<Shared>, observed: &'a Observed, user: &'a UserFiles) -> Self {
        Self {
            keys: keys(observed, user),
            shared,
            observed,
            user,
        }
    }

    /// Judges every repository of the spec. One that nobody has looked at yet is as it was `told`, where that stands.
    pub async fn verdicts(
        &self,
        reports: &[(String, InstanceReport)],
        own: Option<&str>,
        told: Option<&[Verdict]>,
    ) -> Vec<Verdict> {
        join_all(self.repositories().map(|(repository, key)| async move {
            let told = told.and_then(|told| told.iter().find(|verdict| verdict.repo == repository.name));
            let patience = if told.is_some() {
                Duration::ZERO
            } else {
                FIRST_LOOK
            };
            let look = match known_trouble(self.observed, repository, self.user) {
                Some(trouble) => Some(Look {
                    at: Utc::now(),
                    found: Err(trouble),
                }),
                None => self.look(repository, key, reports, patience).await,
            };
            match told.filter(|_| look.is_none()) {
                Some(told) => told.clone(),
                None => repositories::judge(&repository.name, look.as_ref(), own),
            }
        }))
        .await
    }

    /// Whether there is a repository that this process has not looked at.
    #[must_use]
    pub fn is_new(&self) -> bool {
        let looks = &self.shared.context.looks;
        self.keys.iter().any(|key| looks.latest(key).is_none())
    }

    /// When the next looks are due.
    #[must_use]
    pub fn next_looks(&self) -> Vec<DateTime<Utc>> {
        let now = Utc::now();
        let looks = &self.shared.context.looks;
        let next = |key| Some(looks.next(key, &looks.latest(key)?, now));
        self.keys.iter().filter_map(next).collect()
    }

    fn repositories(&self) -> impl Iterator<Item = (&Repository, &Key)> {
        let repositories = self.observed.cluster.spec.backups.repositories();
        repositories.iter().zip(&self.keys)
    }

    /// What is known. Where that is too old, another look is begun; whoever has to know is woken when it finds something else. A
    /// first one is waited for with `patience`.
    async fn look(
        &self,
        repository: &Repository,
        key: &Key,
        reports: &[(String, InstanceReport)],
        patience: Duration,
    ) -> Option<Look> {
        let looks = &self.shared.context.looks;
        let known = looks.latest(key);
        let good = known.as_ref().is_some_and(|look| {
            !looks.is_due(key, look, Utc::now())
                && !is_overtaken(look, &repository.name, reports)
                && !is_awaited(look, &self.observed.cluster)
        });
        if !good && let Some(begun) = looks.begin(key.clone()) {
            let asking = asking(self.observed, self.user, repository);
            let look = tokio::spawn(take(self.shared.clone(), begun, asking));
            if known.is_none() && !patience.is_zero() {
                // In vain where the store is slow: what it says is told later.
                let _ = tokio::time::timeout(patience, look).await;
            }
        }
        known.or_else(|| looks.latest(key))
    }
}

/// What can be told without asking the store.
fn known_trouble(observed: &Observed, repository: &Repository, user: &UserFiles) -> Option<Trouble> {
    let name = &repository.name;
    if let Some((reason, message)) = user.problems.first() {
        return Some(Trouble {
            reason: *reason,
            message: format!("{name}: {message}"),
            what: message.clone(),
        });
    }
    volumes::volume_of(repository)?;
    let why = volumes::why_not_ready(&Names::of(&observed.cluster), observed.repo_host.as_ref())?;
    let reason = if observed.cluster.spec.pause.unwrap_or(false) {
        Reason::ClusterPaused
    } else {
        Reason::RepoHostNotReady
    };
    Some(Trouble {
        reason,
        message: format!("{name}: {}", reason.explain(&why)),
        what: why,
    })
}

async fn take(shared: Arc<Shared>, begun: Begun, asking: Asking) {
    let slot = shared.looking.acquire().await;
    // A thousand may wait for their turn, and what a look needs is large: room for it is taken only now.
    let found = Box::pin(ask(&asking)).await;
    drop(slot);
    let news = begun.keep(&Look {
        at: Utc::now(),
        found,
    });
    if news {
        shared.wake(asking.cluster);
    }
}

/// What a look needs.
struct Asking {
    cluster: ClusterKey,
    repository: String,
    access: Result<RepositoryAccess, AccessError>,
}

fn asking(observed: &Observed, user: &UserFiles, repository: &Repository) -> Asking {
    let names = Names::of(&observed.cluster);
    Asking {
        access: engine::access(
            &names,
            repository,
            user,
            &observed.volume_claims,
            observed.certificates.as_ref(),
        ),
        repository: repository.name.clone(),
        cluster: ClusterKey::new(names.namespace, names.cluster),
    }
}

/// What an agent says shows that the look is not true any more: the stanza is there, or WAL has arrived.
fn is_overtaken(look: &Look, repo: &str, reports: &[(String, InstanceReport)]) -> bool {
    let reports = || reports.iter().map(|(_, report)| report);
    match &look.found {
        Ok(Content { database: None, .. }) => reports()
            .flat_map(|report| &report.stanzas)
            .any(|stanza| stanza.repo == repo && stanza.ready),
        Ok(_) => false,
        Err(_) => reports()
            .filter_map(|report| report.archiver.as_ref())
            .any(|archiver| arrived(archiver).is_some_and(|arrived| arrived > look.at)),
    }
}

/// A standby is to begin with what another cluster is about to bring there.
fn is_awaited(look: &Look, cluster: &PerconaPGCluster) -> bool {
    let begun = cluster.status.as_ref().and_then(|status| status.standby.as_ref());
    let holds_nothing = look
        .found
        .as_ref()
        .is_ok_and(|content| content.database.is_none() || content.backups == 0);
    cluster.is_standby() && begun.is_none() && holds_nothing && Utc::now() - look.at >= AWAITED
}

/// When WAL last arrived in every repository.
fn arrived(archiver: &ArchiverReport) -> Option<DateTime<Utc>> {
    archiver.last_archived_at.filter(|_| !archiver.is_failing())
}

async fn ask(asking: &Asking) -> Result<Content, Trouble> {
    let trouble = |problem: Problem| Trouble {
        reason: problem.reason(),
        message: format!("{}: {problem}", asking.repository),
        what: problem.what,
    };
    let access = asking
        .access
        .as_ref()
        .map_err(|error| trouble(Problem::from(error)))?;
    // Whose the stanza is, is judged here, each time anew: the look is kept longer than that question is open.
    match check::check(access, None).await {
        RepositoryState::Ready { stanza, backups } => Ok(Content {
            database: match stanza {
                StanzaState::Present(identity) => Some(Database {
                    system_identifier: identity.system_id.to_string(),
                    version: identity.version,
                }),
                StanzaState::Absent => None,
            },
            backups: backups.len(),
        }),
        RepositoryState::Problem(problem) => Err(trouble(problem)),
    }
}

/// The key of each repository, in the order of the specification.
fn keys(observed: &Observed, user: &UserFiles) -> Vec<Key> {
    // They differ in their repository only, and every reconcile asks for them.
    let mut shared = Sha256::new();
    for (option, value) in &user.options.global {
        add(&mut shared, option.as_bytes());
        add(&mut shared, value.as_bytes());
    }
    for (variable, value) in &user.options.environment {
        add(&mut shared, variable.as_bytes());
        add(&mut shared, value.expose().as_bytes());
    }
    for data in observed.sources.values() {
        for (name, value) in &**data {
            add(&mut shared, name.as_bytes());
            add(&mut shared, value);
        }
    }
    let cluster = observed.cluster.uid().unwrap_or_default();
    let repositories = observed.cluster.spec.backups.repositories().iter();
    repositories
        .map(|repository| {
            let mut hash = shared.clone();
            let repository_itself = serde_json::to_string(repository).unwrap_or_default();
            add(&mut hash, repository_itself.as_bytes());
            Key {
                cluster: cluster.clone(),
                repo: repository.name.clone(),
                access: hex::encode(hash.finalize()),
            }
        })
        .collect()
}

/// One part of a hash: with its length, so that two parts are never taken for one.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update(part.len().to_be_bytes());
    hash.update(part);
}

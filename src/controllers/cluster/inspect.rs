//! Looking at repositories: with our own signed requests, at most as often as the cache allows, all at once.

use chrono::{DateTime, Utc};
use futures::future::join_all;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

use super::dereference::Observed;
use super::engine;
use super::names::Names;
use super::reconcile::Shared;
use super::repositories::{self, Content, Key, Look, Trouble, Verdict};
use super::user_files::UserFiles;
use super::volumes;
use crate::agent::report::InstanceReport;
use crate::api::Reason;
use crate::api::repository::Repository;
use crate::pgbackrest::check::{self, Problem, RepositoryState, StanzaState};

/// Judges every repository of the spec.
pub async fn repositories(
    shared: &Shared,
    observed: &Observed,
    user: &UserFiles,
    reports: &[(String, InstanceReport)],
    own: Option<&str>,
) -> Vec<Verdict> {
    let repositories = observed.cluster.spec.backups.repositories();
    join_all(repositories.iter().map(|repository| async move {
        let look = match known_trouble(observed, repository, user) {
            Some(trouble) => Some(Look {
                at: Utc::now(),
                found: Err(trouble),
            }),
            None => Some(look(shared, observed, user, reports, repository).await),
        };
        repositories::judge(&repository.name, look.as_ref(), own)
    }))
    .await
}

/// What can be told without asking the store.
fn known_trouble(observed: &Observed, repository: &Repository, user: &UserFiles) -> Option<Trouble> {
    let name = &repository.name;
    if let Some((reason, message)) = user.problems.first() {
        return Some(Trouble {
            reason: *reason,
            message: format!("{name}: {message}"),
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
    })
}

async fn look(
    shared: &Shared,
    observed: &Observed,
    user: &UserFiles,
    reports: &[(String, InstanceReport)],
    repository: &Repository,
) -> Look {
    let key = key(observed, user, repository);
    if let Some(look) = shared.looks.fresh(&key, Utc::now())
        && !is_overtaken(&look, &repository.name, reports)
    {
        return look;
    }
    let found = ask(observed, user, repository).await;
    let look = Look {
        at: Utc::now(),
        found,
    };
    shared.looks.keep(key, look.clone());
    look
}

/// The agent says that the stanza is there, and the look was taken before it was.
fn is_overtaken(look: &Look, repo: &str, reports: &[(String, InstanceReport)]) -> bool {
    let without = matches!(
        &look.found,
        Ok(Content {
            system_identifier: None,
            ..
        })
    );
    without
        && reports
            .iter()
            .flat_map(|(_, report)| &report.stanzas)
            .any(|stanza| stanza.repo == repo && stanza.ready)
}

async fn ask(observed: &Observed, user: &UserFiles, repository: &Repository) -> Result<Content, Trouble> {
    let trouble = |problem: Problem| Trouble {
        reason: problem.reason(),
        message: format!("{}: {problem}", repository.name),
    };
    let names = Names::of(&observed.cluster);
    let certificates = observed.held.secrets.get(&names.pgbackrest());
    let access = engine::access(
        &names,
        repository,
        user,
        &observed.volume_claims,
        certificates.map(|secret| &secret.data),
    )
    .map_err(|error| trouble(Problem::from(&error)))?;
    // Whose the stanza is, is judged here, each time anew: the look is kept longer than that question is open.
    match check::check(&access, None).await {
        RepositoryState::Ready { stanza, backups } => Ok(Content {
            system_identifier: match stanza {
                StanzaState::Present(identity) => Some(identity.system_id.to_string()),
                StanzaState::Absent => None,
            },
            backups: backups.len(),
        }),
        RepositoryState::Problem(problem) => Err(trouble(problem)),
    }
}

fn key(observed: &Observed, user: &UserFiles, repository: &Repository) -> Key {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    };
    add(serde_json::to_string(repository).unwrap_or_default().as_bytes());
    for (option, value) in &user.options.global {
        add(option.as_bytes());
        add(value.as_bytes());
    }
    for (variable, value) in &user.options.environment {
        add(variable.as_bytes());
        add(value.expose().as_bytes());
    }
    for data in observed.sources.values() {
        for (name, value) in data {
            add(name.as_bytes());
            add(value);
        }
    }
    Key {
        cluster: observed.cluster.uid().unwrap_or_default(),
        repo: repository.name.clone(),
        access: hex::encode(hash.finalize()),
    }
}

/// When the next looks are due.
pub fn next_looks(shared: &Shared, observed: &Observed, user: &UserFiles) -> Vec<DateTime<Utc>> {
    observed
        .cluster
        .spec
        .backups
        .repositories()
        .iter()
        .filter_map(|repository| shared.looks.fresh(&key(observed, user, repository), Utc::now()))
        .map(|look| repositories::due(&look))
        .collect()
}

//! Looking at repositories: with our own signed requests, at most as often as the cache allows, all at once.

use chrono::{DateTime, Utc};
use futures::future::join_all;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

use super::dereference::Observed;
use super::engine;
use super::reconcile::Shared;
use super::repositories::{self, Content, Key, Look, Trouble, Verdict};
use super::user_files::UserFiles;
use crate::agent::report::InstanceReport;
use crate::api::Reason;
use crate::api::repository::Repository;
use crate::pgbackrest::access;
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
        let look = match known_trouble(repository, user) {
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
fn known_trouble(repository: &Repository, user: &UserFiles) -> Option<Trouble> {
    if engine::repository(repository).is_none() {
        let kind = repository.store().map_or("unknown", |store| store.storage_type());
        return Some(Trouble {
            reason: Reason::NotSupported,
            message: format!(
                "{}: a repository of type {kind} is not acted on yet",
                repository.name
            ),
        });
    }
    user.problems.first().map(|(reason, message)| Trouble {
        reason: *reason,
        message: format!("{}: {message}", repository.name),
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
    let found = ask(user, repository).await;
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

async fn ask(user: &UserFiles, repository: &Repository) -> Result<Content, Trouble> {
    let trouble = |problem: Problem| Trouble {
        reason: problem.reason(),
        message: format!("{}: {problem}", repository.name),
    };
    let specification = engine::repository(repository).ok_or_else(|| Trouble {
        reason: Reason::NotSupported,
        message: format!("{} is not acted on yet", repository.name),
    })?;
    let access = access::resolve(&specification, &user.options, &user.others)
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

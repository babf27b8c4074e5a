//! One look at a repository of a cluster, for whoever wants to know what can be restored from it.

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use kube::ResourceExt as _;

use super::dereference::Observed;
use super::surveys::{Happened, News, Surveys, Trouble};
use super::terms;
use crate::agent::report::ArchiverReport;
use crate::api::repository::Repository;
use crate::api::{PerconaPGBackup, PerconaPGCluster, Reason, time};
use crate::catalog::RepositoryPlace;
use crate::controllers::cluster::engine;
use crate::controllers::cluster::names::Names;
use crate::controllers::cluster::repositories::Content;
use crate::controllers::cluster::volumes;
use crate::controllers::context::Context;
use crate::pgbackrest::STANZA;
use crate::pgbackrest::access::RepositoryAccess;
use crate::pgbackrest::check::Problem;
use crate::survey::Terms;

/// Commit times are looked for in so many segments in one look: each may be 16 MB of download.
const MOST_SEGMENTS: u64 = 64;

/// When the repository itself is asked, and what time it is.
#[derive(Debug, Clone, Copy)]
pub enum Look {
    /// Whatever is known already.
    Now(DateTime<Utc>),
    /// Where what is known is too old.
    WhenDue(DateTime<Utc>),
    /// Now, as it stood at an earlier time.
    AsOf {
        /// What time it is.
        now: DateTime<Utc>,
        /// The earlier time.
        at: DateTime<Utc>,
    },
}

/// Whether nobody has looked at a repository yet.
pub fn is_unknown(context: &Context, observed: &Observed, repository: &Repository) -> bool {
    let uid = observed.cluster.uid().unwrap_or_default();
    observed.user.problems.is_empty()
        && volumes::volume_of(repository).is_none()
        && context.looks.known(&uid, &repository.name).is_none()
}

/// What the cluster controller's last look says against reading a repository now.
fn trouble(context: &Context, uid: &str, repository: &str) -> Option<Trouble> {
    match context.looks.known(uid, repository)?.found {
        Err(trouble) => Some(Trouble {
            reason: trouble.reason,
            message: trouble.what,
        }),
        Ok(Content { database: None, .. }) => Some(Trouble {
            reason: Reason::StanzaMissing,
            message: "it holds no stanza yet".to_owned(),
        }),
        Ok(_) => None,
    }
}

/// Looks at a repository, and gives what is known of it. Boxed, since the compiler cannot see through all of it that it may move to
/// another thread.
#[must_use]
pub fn survey<'a>(
    context: &'a Context,
    observed: &'a Observed,
    repository: &'a Repository,
    when: Look,
) -> BoxFuture<'a, News> {
    Box::pin(look(context, observed, repository, when))
}

async fn look(context: &Context, observed: &Observed, repository: &Repository, when: Look) -> News {
    let (Look::Now(now) | Look::WhenDue(now) | Look::AsOf { now, .. }) = when;
    let not = |reason: Reason, message: String| News {
        trouble: Some(Trouble { reason, message }),
        ..News::default()
    };
    if let Some((reason, message)) = observed.user.problems.first() {
        return not(*reason, message.clone());
    }
    let access = match engine::access(
        &Names::of(&observed.cluster),
        repository,
        &observed.user,
        &observed.volumes.claims,
        observed.volumes.certificates.as_ref(),
    ) {
        Ok(access) => RepositoryAccess {
            stanza: super::stanza(&observed.cluster).to_owned(),
            ..access
        },
        Err(error) => {
            let problem = Problem::from(&error);
            return not(problem.reason(), problem.what);
        }
    };
    let terms = Terms {
        now,
        grace: terms::grace(&observed.cluster),
        most_segments: MOST_SEGMENTS,
        retention: terms::retention(&observed.user.options, &repository.name, &observed.backups),
    };
    if let Look::AsOf { at, .. } = when {
        let Some(access) = access.at(at) else {
            let what = "it can be read as it stood at an earlier time on S3 only";
            return not(Reason::NotSupported, what.to_owned());
        };
        return own(Surveys::once(&access, &terms).await, observed);
    }
    let uid = observed.cluster.uid().unwrap_or_default();
    let archiver = observed.archiver.as_ref();
    let happened = Happened {
        changed: match when {
            Look::Now(now) | Look::AsOf { now, .. } => Some(now),
            Look::WhenDue(_) => last_change(&observed.cluster, &observed.backups, &repository.name),
        },
        last_write: archiver.map(ArchiverReport::last_write).unwrap_or_default(),
    };
    let place = RepositoryPlace {
        namespace: observed.cluster.namespace().unwrap_or_default(),
        cluster: observed.cluster.name_any(),
        repository: repository.name.clone(),
        location: match access.stanza.as_str() {
            STANZA => access.destination(),
            other => format!("{}#{other}", access.destination()),
        },
    };
    let surveyed = match trouble(context, &uid, &repository.name) {
        Some(trouble) => context.surveys.remembered(&uid, &place, trouble).await,
        None => {
            context
                .surveys
                .survey(&uid, &place, &access, &terms, &happened)
                .await
        }
    };
    own(surveyed, observed)
}

/// What another database's repository could restore is not this cluster's.
fn own(surveyed: News, observed: &Observed) -> News {
    let theirs = surveyed
        .picture
        .as_ref()
        .map(|picture| picture.database.system_id);
    match (theirs, observed.cluster.system_identifier()) {
        (Some(theirs), Some(own)) if theirs != own => News {
            picture: None,
            destination: surveyed.destination,
            again: surveyed.again,
            fresh: surveyed.fresh,
            trouble: Some(Trouble {
                reason: Reason::SystemIdentifierMismatch,
                message: format!("it belongs to the database with system identifier {theirs}"),
            }),
        },
        _ => surveyed,
    }
}

/// When a backup last came into a repository, or went from it.
fn last_change(cluster: &PerconaPGCluster, backups: &[PerconaPGBackup], repo: &str) -> Option<DateTime<Utc>> {
    let into = |backup: &&PerconaPGBackup| backup.spec.repo_name.as_deref() == Some(repo);
    let completed = |backup: &PerconaPGBackup| {
        backup
            .status
            .as_ref()?
            .completed
            .as_ref()
            .map(time::from_kubernetes)
    };
    let came = backups.iter().filter(into).filter_map(completed);
    let retention = cluster.status.iter().flat_map(|status| &status.retention);
    let went = retention
        .filter(|entry| entry.name == repo)
        .filter_map(|entry| entry.last_expired.as_ref().map(time::from_kubernetes));
    came.chain(went).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repository_changes_when_a_backup_has_come_and_when_one_has_gone() {
        let cluster = |expired: Option<&str>| -> PerconaPGCluster {
            let retention =
                expired.map(|at| json!([{ "name": "repo1", "policy": "", "lastExpired": at }, { "name": "repo2", "policy": "" }]));
            serde_json::from_value(json!({
                "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": { "name": "c" },
                "spec": { "postgresVersion": 18, "instances": [], "backups": {} },
                "status": { "retention": retention.unwrap_or(json!([])) },
            }))
            .unwrap()
        };
        let backup: PerconaPGBackup = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup", "metadata": { "name": "b" },
            "spec": { "pgCluster": "c", "repoName": "repo1" },
            "status": { "completed": "2026-11-23T07:35:21Z" },
        }))
        .unwrap();
        let changed = |expired, repo| {
            last_change(&cluster(expired), std::slice::from_ref(&backup), repo).map(|at| at.to_rfc3339())
        };
        assert_eq!(changed(None, "repo2"), None);
        assert_eq!(changed(None, "repo1").unwrap(), "2026-11-23T07:35:21+00:00");
        let later = Some("2026-11-23T07:35:28Z");
        assert_eq!(changed(later, "repo1").unwrap(), "2026-11-23T07:35:28+00:00");
        assert_eq!(changed(later, "repo2"), None);
        let earlier = Some("2026-11-23T07:00:00Z");
        assert_eq!(changed(earlier, "repo1").unwrap(), "2026-11-23T07:35:21+00:00");
    }
}

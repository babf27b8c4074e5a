//! One cluster, once: read the API, look at each repository that is due, tell what can be restored.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;

use super::dereference::{Observed, dereference};
use super::import::{Place, compare};
use super::look::{Look, is_unknown, survey};
use super::status::{self, Found};
use super::surveys::News;
use super::{apply, terms};
use crate::agent::report::ArchiverReport;
use crate::api::cluster::objectives::Objectives;
use crate::api::cluster::recovery::{RecoveryStatus, RepositoryRecovery};
use crate::api::repository::Repository;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Cluster, Fleet};
use crate::controllers::round::Failure;
use crate::telemetry::labels::Cluster as Measured;

/// The first look at a repository is waited for so long.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// What is told by others is looked at after this time in any case.
const LATER: Duration = Duration::from_mins(10);

/// What all reconciles of this controller share.
pub struct Shared {
    /// What all controllers share.
    pub context: Context,
    fleet: Arc<Fleet>,
}

impl Shared {
    /// With nothing known yet.
    #[must_use]
    pub fn new(context: Context, fleet: Arc<Fleet>) -> Self {
        Self { context, fleet }
    }

    /// Forgets a cluster that is gone, or has nothing to follow any more.
    pub(super) fn forget(&self, namespace: &str, name: &str, uid: &str) {
        self.context.surveys.forget(uid);
        let (metrics, measured) = (&self.context.metrics, Measured::new(namespace, name));
        metrics.recovery().forget(namespace, name);
        metrics.archiver().forget(&measured);
        metrics.backups().forget(&measured);
        metrics.clusters().forget(&measured);
    }
}

/// Reconciles one cluster.
pub async fn reconcile(object: Arc<Cluster>, shared: Arc<Shared>) -> Result<Action, Failure> {
    // One that cannot be read is told by the cluster controller.
    let Ok(cluster) = &object.0 else {
        return Ok(Action::await_change());
    };
    let left_alone = cluster.metadata.deletion_timestamp.is_some()
        || cluster.spec.unmanaged.unwrap_or(false)
        || cluster.spec.backups.repositories().is_empty();
    if left_alone {
        let (namespace, uid) = (
            cluster.namespace().unwrap_or_default(),
            cluster.uid().unwrap_or_default(),
        );
        shared.forget(&namespace, &cluster.name_any(), &uid);
        return Ok(Action::await_change());
    }
    let observed = dereference(&shared.context.client, &shared.fleet, Arc::new(cluster.clone())).await?;
    let repositories = observed.cluster.spec.backups.repositories();
    if repositories
        .iter()
        .any(|repository| is_unknown(&shared.context, &observed, repository))
    {
        // The cluster controller takes the first look; what it finds changes the cluster's status, which wakes us.
        return Ok(Action::requeue(FIRST_LOOK));
    }
    let now = Utc::now();
    let looks = repositories
        .iter()
        .map(|repository| survey(&shared.context, &observed, repository, Look::WhenDue(now)));
    let surveyed: Vec<(&Repository, News)> = repositories.iter().zip(join_all(looks).await).collect();
    let status = observed.cluster.status.as_ref();
    let told = status.is_some_and(|status| status.recovery.is_some());
    if !told && surveyed.iter().all(|(_, news)| news.awaits_stanza()) {
        // The cluster controller tells that; there is nothing to add.
        return Ok(Action::requeue(LATER));
    }
    tell(&shared, &observed, &surveyed, Utc::now()).await?;
    for (repository, news) in &surveyed {
        Box::pin(same_backups(&shared.context, &observed, repository, news)).await?;
    }
    Ok(Action::requeue(again(&surveyed, Utc::now())))
}

/// The objects of backups and the repository become the same, as far as the repository was read just now.
async fn same_backups(
    context: &Context,
    observed: &Observed,
    repository: &Repository,
    news: &News,
) -> Result<(), Failure> {
    let (Some(picture), None) = (&news.picture, &news.trouble) else {
        return Ok(());
    };
    // An older picture may show what was removed since, together with its object.
    if !news.fresh {
        return Ok(());
    }
    let own = observed.cluster.system_identifier() == Some(picture.database.system_id);
    if !own || observed.cluster.is_standby() {
        return Ok(());
    }
    let place = Place {
        cluster: &observed.cluster,
        repository,
        destination: &news.destination,
        picture,
    };
    let imports = compare(&place, &observed.backups, Utc::now());
    Box::pin(apply::imports(context, observed, imports)).await?;
    Ok(())
}

async fn tell(
    shared: &Shared,
    observed: &Observed,
    surveyed: &[(&Repository, News)],
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let last_write = observed
        .archiver
        .as_ref()
        .map(ArchiverReport::last_write)
        .unwrap_or_default();
    let found: Vec<Found<'_>> = surveyed
        .iter()
        .map(|(repository, surveyed)| {
            let picture = surveyed.picture.as_deref();
            Found {
                name: &repository.name,
                picture,
                trouble: surveyed.trouble.as_ref(),
                // How far behind a repository is that gets no WAL says nothing.
                lag: picture
                    .filter(|_| !repository.is_suspended())
                    .and_then(|picture| status::lag(picture, last_write, now)),
                suspended: repository.is_suspended(),
            }
        })
        .collect();
    let before = observed.cluster.status.clone().unwrap_or_default();
    let known = before.recovery.unwrap_or_default();
    let entry = |name: &str| known.repos.iter().find(|entry| entry.name == name);
    let repos: Vec<RepositoryRecovery> = found
        .iter()
        .map(|found| status::repository(found, entry(found.name)))
        .collect();
    let spec = &observed.cluster.spec.backups;
    let conditions = status::conditions(
        &found,
        objective(observed),
        &before.conditions,
        observed.cluster.metadata.generation,
        now,
    );
    measure(&shared.context, observed, &found, &conditions);
    let context = &shared.context;
    apply::cluster(
        context,
        observed,
        &RecoveryStatus {
            repos,
            drills: Vec::new(),
        },
        &conditions,
    )
    .await?;
    if spec.track_latest_restorable_time.unwrap_or(true) {
        for found in &found {
            if let Some(picture) = found.picture {
                apply::backups(context, observed, found.name, picture).await?;
            }
        }
    }
    Ok(())
}

fn measure(context: &Context, observed: &Observed, found: &[Found<'_>], own: &[Condition]) {
    let namespace = observed.cluster.namespace().unwrap_or_default();
    let name = observed.cluster.name_any();
    let cluster = Measured::new(&namespace, &name);
    let metrics = &context.metrics;
    let waiting = status::waiting(observed.archiver.as_ref());
    metrics.archiver().measure(&cluster, &waiting);
    let names: Vec<&str> = found.iter().map(|found| found.name).collect();
    metrics.recovery().keep_only(&namespace, &name, &names);
    for found in found {
        let repository = cluster.repository(found.name);
        let readable = found.trouble.is_none();
        metrics.recovery().readable(&repository, readable);
        match found.picture {
            Some(picture) => metrics.recovery().measure(&repository, picture, found.lag),
            None => metrics.recovery().unknown(&repository),
        }
    }
    let backups = |found: &Found<'_>| {
        let key = observed
            .cluster
            .spec
            .backups
            .repository(found.name)
            .and_then(Repository::key);
        let retention = key.is_some_and(|key| terms::lets_go(&observed.user.options, key));
        status::backups(found.name, found.picture, &observed.backups, retention)
    };
    let backups: Vec<_> = found.iter().map(|found| (found.name, backups(found))).collect();
    metrics.backups().measure(&cluster, &backups);
    let status = observed.cluster.status.clone().unwrap_or_default();
    let is_own = |condition: &&Condition| own.iter().any(|own| own.type_ == condition.type_);
    let others = status.conditions.iter().filter(|condition| !is_own(condition));
    let conditions: Vec<Condition> = others.chain(own).cloned().collect();
    metrics
        .clusters()
        .measure(&cluster, &conditions, objective(observed));
}

fn objective(observed: &Observed) -> Option<TimeDelta> {
    let objectives = observed.cluster.spec.backups.objectives.as_ref();
    objectives.and_then(Objectives::recovery_point)
}

/// When to look again, where nothing happens before. A second more: the look must be due when it is taken.
fn again(surveyed: &[(&Repository, News)], now: DateTime<Utc>) -> Duration {
    let next = surveyed.iter().filter_map(|(_, news)| news.again).min();
    let pause = next.map_or(LATER, |next| (next - now).to_std().unwrap_or_default());
    pause.min(LATER) + Duration::from_secs(1)
}

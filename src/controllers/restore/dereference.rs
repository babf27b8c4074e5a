//! All reads of a reconcile: the cluster from what is watched, and its repositories themselves.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::join_all;

use super::preflight::Seen;
use super::wanted::Wanted;
use crate::api::PerconaPGCluster;
use crate::controllers::archive::{self, Look};
use crate::controllers::cluster::engine;
use crate::controllers::cluster::names::Names;
use crate::controllers::context::Context;
use crate::controllers::fleet::{Fleet, Key};
use crate::controllers::reading::ReadError;

/// The cluster of that name, where there is one that can be read.
pub fn cluster(fleet: &Fleet, key: &Key) -> Option<PerconaPGCluster> {
    fleet.clusters().get(&key.reference())?.0.as_ref().ok().cloned()
}

/// Where a cluster's own repositories are, by name; one that cannot be reached with what is configured is nowhere.
pub async fn places(
    context: &Context,
    fleet: &Fleet,
    cluster: PerconaPGCluster,
) -> Result<Vec<(String, String)>, ReadError> {
    let observed = archive::dereference(&context.client, fleet, Arc::new(cluster)).await?;
    let names = Names::of(&observed.cluster);
    let all = observed.cluster.spec.backups.repositories().iter();
    Ok(all
        .filter_map(|repository| {
            let volumes = &observed.volumes;
            let certificates = volumes.certificates.as_ref();
            let access = engine::access(&names, repository, &observed.user, &volumes.claims, certificates);
            Some((repository.name.clone(), access.ok()?.destination()))
        })
        .collect())
}

/// Looks at the repositories that the restore may be done from, all at once and now.
pub async fn repositories(
    context: &Context,
    fleet: &Fleet,
    cluster: PerconaPGCluster,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<Vec<Seen>, ReadError> {
    let observed = archive::dereference(&context.client, fleet, Arc::new(cluster)).await?;
    let all = observed.cluster.spec.backups.repositories();
    let named = wanted.repository.as_ref();
    let candidates: Vec<_> = all
        .iter()
        .filter(|repository| named.is_none_or(|name| *name == repository.name))
        .collect();
    let when = match wanted.repository_time {
        Some(at) => Look::AsOf { now, at },
        None => Look::Now(now),
    };
    let looks = candidates
        .iter()
        .map(|repository| archive::survey(context, &observed, repository, when));
    let found = join_all(looks).await;
    Ok(candidates
        .iter()
        .zip(found)
        .map(|(repository, news)| Seen {
            name: repository.name.clone(),
            news,
        })
        .collect())
}

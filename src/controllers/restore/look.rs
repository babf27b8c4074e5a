//! The look before anything is done: what a restore would come to, from the repositories as they are now.

use chrono::{DateTime, TimeDelta, Utc};

use super::preflight::{Seen, assess};
use super::reconcile::Shared;
use super::scene::report;
use super::wanted::{Refused, Wanted};
use super::{dereference, origin, status};
use crate::agent::report::InstanceReport;
use crate::api::cluster::status::PerconaPGClusterStatus;
use crate::api::conditions;
use crate::api::restore::PreviousData;
use crate::api::{ConditionType, PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus, Reason};
use crate::controllers::fleet::Key;
use crate::controllers::round::Failure;
use crate::domain::restore::{Stop, Target, Timeline, random_time};

/// What was committed just now is archived within PostgreSQL's `archive_timeout`, a minute, and the time that sending it takes.
const ARCHIVING: TimeDelta = TimeDelta::minutes(3);

/// What a look came to.
pub enum Looked {
    /// The WAL of the target may be on its way.
    Yet(PerconaPGRestoreStatus),
    /// This.
    At(PerconaPGRestoreStatus),
    /// There is nothing to look at.
    Nothing(Refused),
}

/// Looks at the repositories.
pub async fn look(
    shared: &Shared,
    restore: &PerconaPGRestore,
    wanted: &Wanted,
    cluster: PerconaPGCluster,
    now: DateTime<Utc>,
) -> Result<Looked, Failure> {
    if restore.is_bootstrap() {
        return Box::pin(look_at_source(shared, restore, wanted, cluster, now)).await;
    }
    let archives = cluster.status.as_ref().is_some_and(archives);
    let primary = primary(shared, &Key::of(&cluster.metadata)).unwrap_or_default();
    let looking = dereference::repositories(&shared.context, &shared.fleet, cluster, wanted, now);
    let seen = Box::pin(looking).await?;
    let mut assessment = assess(wanted, &seen, now);
    assessment.expect(wanted, &seen, &earlier(shared, restore));
    if restore.spec.previous_data.unwrap_or_default() == PreviousData::Keep {
        let volume = primary.archiver.and_then(|archiver| archiver.volume);
        assessment.has_room_beside(volume.map(|volume| volume.tables_free.unwrap_or(volume.free)));
    }
    let follows = matches!(
        wanted.target.timeline,
        Timeline::Left | Timeline::Natural | Timeline::Latest
    );
    let unseen = follows && primary.timeline > seen.iter().filter_map(Seen::newest_timeline).max();
    if unseen {
        assessment.verdict = Err(Refused::new(
            Reason::TimelineUnclear,
            "no WAL of the timeline that the primary writes is archived yet, so it is not known what leads to the target",
        ));
    }
    if archives && (assessment.may_arrive || unseen) && !restore.is_older_than(ARCHIVING, now) {
        return Ok(Looked::Yet(status::not_archived_yet(restore, assessment, now)));
    }
    Ok(Looked::At(status::looked_at(restore, assessment, Utc::now())))
}

/// Looks at what a new cluster is to begin from.
async fn look_at_source(
    shared: &Shared,
    restore: &PerconaPGRestore,
    wanted: &Wanted,
    cluster: PerconaPGCluster,
    now: DateTime<Utc>,
) -> Result<Looked, Failure> {
    let source = match origin::of_new(&shared.context, &cluster).await? {
        Ok(source) => source,
        Err(why) => return Ok(Looked::Nothing(why)),
    };
    let elsewhere = source.metadata.namespace != cluster.metadata.namespace;
    let (context, fleet) = (&shared.context, &shared.fleet);
    let version = cluster.spec.postgres_version;
    let mut own = dereference::places(context, fleet, cluster).await?;
    // Claims of two namespaces are two, whatever their names.
    own.retain(|(_, place)| !elsewhere || !place.starts_with("pvc://"));
    let theirs = dereference::places(context, fleet, source.clone()).await?;
    let seen = Box::pin(dereference::repositories(context, fleet, source, wanted, now)).await?;
    let mut assessment = assess(wanted, &seen, now);
    assessment.expect(wanted, &seen, &[]);
    assessment.must_be_apart(&theirs, &own);
    assessment.must_be_of_version(&seen, version);
    Ok(Looked::At(status::looked_at(restore, assessment, Utc::now())))
}

/// Looks at the repositories for a rehearsal, to a time at random where there is something `by` which it is chosen.
pub async fn look_for(
    shared: &Shared,
    restore: &PerconaPGRestore,
    wanted: &Wanted,
    cluster: PerconaPGCluster,
    by: Option<String>,
    now: DateTime<Utc>,
) -> Result<PerconaPGRestoreStatus, Failure> {
    let looking = dereference::repositories(&shared.context, &shared.fleet, cluster, wanted, now);
    let seen = Box::pin(looking).await?;
    let chosen = by.and_then(|by| at_random(&seen, &by));
    let wanted = match chosen {
        Some(at) => &Wanted {
            target: Target::of(Stop::Time(at)),
            ..wanted.clone()
        },
        None => wanted,
    };
    let mut assessment = assess(wanted, &seen, now);
    assessment.expect(wanted, &seen, &earlier(shared, restore));
    Ok(status::looked_at(restore, assessment, Utc::now()))
}

/// Restores of the same cluster that ended well, of the same kind: a rehearsal stops and starts nothing.
fn earlier(shared: &Shared, restore: &PerconaPGRestore) -> Vec<PerconaPGRestore> {
    let all = shared.fleet.restores().state();
    let readable = all.iter().filter_map(|restore| restore.0.as_ref().ok());
    let kin = readable.filter(|other| {
        other.metadata.namespace == restore.metadata.namespace
            && other.spec.pg_cluster == restore.spec.pg_cluster
            && other.is_drill() == restore.is_drill()
            && other
                .status
                .as_ref()
                .is_some_and(|status| status.restored.is_some())
    });
    kin.cloned().collect()
}

/// A time at random among all that can be reached.
fn at_random(seen: &[Seen], by: &str) -> Option<DateTime<Utc>> {
    let readable = seen.iter().filter(|seen| seen.news.trouble.is_none());
    let pictures = readable.filter_map(|seen| seen.news.picture.as_deref());
    let windows = pictures.flat_map(|picture| {
        let id = picture.database.id;
        picture
            .recovery
            .windows
            .iter()
            .filter(move |window| window.database_id == id)
    });
    let spans: Vec<_> = windows
        .filter_map(|window| Some((window.from, window.to?)))
        .collect();
    random_time(&spans, by)
}

/// What the instance says of itself that takes writes.
fn primary(shared: &Shared, cluster: &Key) -> Option<InstanceReport> {
    let pods = shared.fleet.pods(cluster);
    let reports = pods.iter().filter_map(report);
    reports
        .filter(|report| report.in_recovery == Some(false))
        .max_by_key(|report| report.timeline)
}

fn archives(status: &PerconaPGClusterStatus) -> bool {
    conditions::is_true(&status.conditions, ConditionType::ArchivingHealthy.as_str())
}

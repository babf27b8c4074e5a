//! One cluster, once: five steps, and what has to be looked up between them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt as _;

use super::apply::Apply;
use super::build::{BuildError, build};
use super::dereference::{Observed, dereference, held};
use super::existence::existence;
use super::inspect::Inspection;
use super::names::{FIELD_MANAGER, Names};
use super::record::{self, Record};
use super::repositories::Verdict;
use super::shared::Shared;
use super::status::{self, Facts};
use super::user_files::{self, UserFiles};
use super::validate::{ImageDefaults, Refusal, validate};
use super::validated::ValidatedCluster;
use super::{announce, bootstrap, engine, finalize, initial, neighbours, release, standby, told};
use crate::api::cluster::PerconaPGClusterStatus;
use crate::api::unsupported::unsupported;
use crate::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore, Reason};
use crate::controllers::fleet::{Action, Cluster, Fingerprint, Fleet, Key};
use crate::controllers::reading::ReadError;
use crate::controllers::round::{Categorized, pause_after};
use crate::controllers::writer::WriteError;

/// Whoever waits for another cluster looks after this time.
const STANDBY_LOOK: TimeDelta = TimeDelta::seconds(15);

/// Why a reconcile did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A read failed.
    #[error(transparent)]
    Dereference(#[from] ReadError),
    /// Something could not be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Categorized for Failure {
    fn category(&self) -> &'static str {
        match self {
            Self::Dereference(error) => error.category(),
            Self::Build(error) => error.category(),
            Self::Write(error) => error.category(),
        }
    }
}

/// Reconciles one cluster.
pub async fn reconcile(object: Arc<Cluster>, shared: Arc<Shared>) -> Result<Action, Failure> {
    let result = Box::pin(one(&object, &shared)).await;
    if result.is_ok() {
        shared.failures(|failures| failures.remove(&key(&object)));
    }
    result
}

async fn one(object: &Cluster, shared: &Arc<Shared>) -> Result<Action, Failure> {
    let cluster = match &object.0 {
        Ok(cluster) => Arc::new(cluster.clone()),
        Err(invalid) => {
            announce::unreadable(&shared.context, object, invalid).await?;
            return Ok(Action::await_change());
        }
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        return finalize::finalize(shared, &cluster).await;
    }
    if cluster.spec.unmanaged.unwrap_or(false) {
        announce::unmanaged(&shared.context, &cluster, Utc::now()).await?;
        return Ok(Action::await_change());
    }
    let observed = dereference(&shared.context.client, &shared.fleet, cluster).await?;
    Box::pin(manage(shared, &observed)).await
}

async fn manage(shared: &Arc<Shared>, observed: &Observed) -> Result<Action, Failure> {
    let user = user_files::of_cluster(&observed.cluster, &observed.sources);
    let reports = status::reports(observed);
    let own = status::system_identifier(&reports)
        .or_else(|| Some(observed.cluster.system_identifier()?.to_string()));
    let inspection = Inspection::of(shared, observed, &user);
    let told = if inspection.is_new() {
        stands_as_told(shared, observed, &user, Utc::now())
    } else {
        None
    };
    let verdicts = inspection
        .verdicts(&reports, own.as_deref(), told.as_deref())
        .await;
    let scene = standby::Scene {
        observed,
        reports: &reports,
        repositories: &verdicts,
        writer: &|| writer(&shared.fleet, &observed.cluster),
    };
    let validated = standby::allowed(&scene).and_then(|()| valid(shared, observed, &user, &verdicts));

    let now = Utc::now();
    let done = match &validated {
        Ok(cluster) => carry_out(shared, observed, cluster, now).await?,
        Err(refusal) => {
            tracing::warn!(reason = %refusal.reason, message = refusal.message, "the specification is refused");
            Done::default()
        }
    };
    let mut ignored = unsupported(&observed.cluster);
    ignored.extend(engine::left_out(&observed.cluster.spec));
    let write_problem = (!done.problems.is_empty()).then(|| done.problems.join("; "));
    let facts = Facts {
        observed,
        validated: validated.as_ref(),
        repositories: &verdicts,
        reports: &reports,
        unsupported: &ignored,
        revision: done.revision.as_deref(),
        write_problem: write_problem.as_deref(),
    };
    let status = status::status(&facts, now);
    write_status(shared, observed, &status).await?;

    let context = &shared.context;
    let names = Names::of(&observed.cluster);
    release::claims(&context.client, &context.writer, &names, &observed.volume_claims).await?;

    if let (Ok(cluster), Some(restore)) = (&validated, bootstrap::missing(observed)) {
        let namespace = &cluster.names.namespace;
        context
            .writer
            .apply::<PerconaPGRestore>(namespace, &restore, FIELD_MANAGER)
            .await?;
        tracing::info!(
            restore = restore.name_any(),
            "the restore that brings the first data is created"
        );
    }

    let mut again: Vec<DateTime<Utc>> = inspection.next_looks();
    again.extend(done.until);
    if let Ok(cluster) = &validated {
        for verdict in &verdicts {
            again.extend(first_backup(shared, observed, cluster, verdict, now).await?);
        }
    }
    if validated.as_ref().is_err_and(standby::waits_for_another) {
        // Nobody tells when the other one is stopped.
        again.push(now + STANDBY_LOOK);
    }
    if write_problem.is_some() {
        again.push(now + TimeDelta::seconds(30));
    }
    Ok(match again.into_iter().min() {
        // A second more: the look must be due when it is taken.
        Some(at) => Action::requeue((at - now).to_std().unwrap_or_default() + Duration::from_secs(1)),
        None => Action::await_change(),
    })
}

fn valid(
    shared: &Shared,
    observed: &Observed,
    user: &UserFiles,
    verdicts: &[Verdict],
) -> Result<ValidatedCluster, Refusal> {
    let cleared = verdicts.iter().filter(|verdict| verdict.cleared);
    validate(
        &observed.cluster,
        &ImageDefaults::of(&shared.context.settings),
        &existence(observed, &|name| is_there(&shared.fleet, observed, name)),
        &user.options,
        cleared.map(|verdict| verdict.repo.clone()).collect(),
    )
}

/// What was told of the repositories before this process looked at them, while nothing else has changed since.
fn stands_as_told(
    shared: &Shared,
    observed: &Observed,
    user: &UserFiles,
    now: DateTime<Utc>,
) -> Option<Vec<Verdict>> {
    let told = told::verdicts(observed)?;
    let cluster = valid(shared, observed, user, &told).ok()?;
    last_record(shared, observed, &cluster, now).map(|_| told)
}

/// Whether there is a cluster of that name beside it.
fn is_there(fleet: &Fleet, observed: &Observed, name: &str) -> bool {
    let own = observed.cluster.name_any();
    let key = Key::new(observed.cluster.namespace().unwrap_or_default(), name.to_owned());
    name != own && fleet.clusters().get(&key.reference()).is_some()
}

/// Who else takes writes on its database.
fn writer(fleet: &Fleet, cluster: &PerconaPGCluster) -> Option<String> {
    let all = fleet.clusters().state();
    neighbours::writer(cluster, all.iter().filter_map(|other| other.0.as_ref().ok()))
}

/// What was carried out.
#[derive(Default)]
struct Done {
    /// What the API server refused, in its words.
    problems: Vec<String>,
    /// Revision of the document that the agents are to apply.
    revision: Option<String>,
    /// When it is to be looked at again in any case.
    until: Option<DateTime<Utc>>,
}

/// What is written down of the last time that everything was applied, while it holds.
fn last_record(
    shared: &Shared,
    observed: &Observed,
    cluster: &ValidatedCluster,
    now: DateTime<Utc>,
) -> Option<Record> {
    let (traces, key) = (shared.fleet.traces(), key_of(cluster));
    let known = Record::read(&traces.applied(&key)?)?;
    let holds = known.holds(inputs(shared, observed, cluster), traces.state(&key), now);
    holds.then_some(known)
}

fn inputs(shared: &Shared, observed: &Observed, cluster: &ValidatedCluster) -> Fingerprint {
    let address = shared.fleet.address(&key_of(cluster), &cluster.names.ha());
    record::inputs(
        &shared.context.settings.build,
        cluster,
        observed,
        address.as_deref(),
    )
}

fn key_of(cluster: &ValidatedCluster) -> Key {
    Key::new(cluster.names.namespace.clone(), cluster.names.cluster.clone())
}

async fn carry_out(
    shared: &Shared,
    observed: &Observed,
    cluster: &ValidatedCluster,
    now: DateTime<Utc>,
) -> Result<Done, Failure> {
    let (context, fleet) = (&shared.context, &shared.fleet);
    let apply = Apply {
        client: &context.client,
        writer: &context.writer,
        fleet,
        memory: &shared.memory,
        cluster,
        observed,
    };
    let done = if let Some(record) = last_record(shared, observed, cluster, now) {
        Done {
            problems: Vec::new(),
            until: Some(record.until()),
            revision: Some(record.revision),
        }
    } else {
        let held = held(&context.client, cluster, observed).await?;
        let built = build(cluster, &held, now)?;
        let revision = built.revision.clone();
        let applied = apply.everything(built).await?;
        let mut until = None;
        if applied.problems.is_empty() && !applied.held_back {
            let state = fleet.traces().state(&key_of(cluster));
            let record = Record::new(inputs(shared, observed, cluster), state, &revision, now);
            apply.write_down(&record).await?;
            until = Some(record.until());
        }
        Done {
            problems: applied.problems,
            revision: Some(revision),
            until,
        }
    };
    if done.problems.is_empty()
        && let Some(pod) = apply.replace_one().await?
    {
        let message = format!("Pod {pod} is replaced by one of the new template");
        context
            .events
            .publish(
                &*observed.cluster,
                kube::runtime::events::EventType::Normal,
                Reason::InProgress,
                &message,
            )
            .await;
    }
    Ok(done)
}

/// Whether the repository is known to hold backups.
fn has_backups(observed: &Observed, repo: &str) -> bool {
    let status = observed.cluster.status.as_ref();
    let recovery = status.and_then(|status| status.recovery.as_ref());
    let entries = recovery.map_or(&[][..], |recovery| &recovery.repos);
    let entry = entries.iter().find(|entry| entry.name == repo);
    entry
        .and_then(|entry| entry.backups)
        .is_some_and(|counts| counts.full > 0)
}

async fn first_backup(
    shared: &Shared,
    observed: &Observed,
    cluster: &ValidatedCluster,
    verdict: &Verdict,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    // The look may be from before there were any; what was read of the repository since is in the status.
    if has_backups(observed, &verdict.repo) {
        return Ok(None);
    }
    match initial::next(cluster, verdict, &observed.backups, now) {
        initial::Step::Nothing => Ok(None),
        initial::Step::Wait(until) => Ok(Some(until)),
        initial::Step::Create(backup) => {
            let namespace = &cluster.names.namespace;
            shared
                .context
                .writer
                .apply::<PerconaPGBackup>(namespace, &backup, FIELD_MANAGER)
                .await?;
            tracing::info!(backup = backup.name_any(), "the first full backup is created");
            Ok(None)
        }
    }
}

/// Writes the status if it differs, and tells what has changed in it as Events.
pub(super) async fn write_status(
    shared: &Shared,
    observed: &Observed,
    status: &PerconaPGClusterStatus,
) -> Result<(), Failure> {
    let before = observed.cluster.status.clone().unwrap_or_default();
    if before == *status {
        return Ok(());
    }
    announce::write(&shared.context, &observed.cluster, status).await?;
    announce::transitions(
        &shared.context,
        &observed.cluster,
        &before.conditions,
        &status.conditions,
    )
    .await;
    Ok(())
}

/// After a failure: soon again, then ever less often.
#[must_use]
pub fn on_failure(object: &Cluster, failure: &Failure, shared: &Shared) -> Action {
    if matches!(failure, Failure::Write(WriteError::NotLeading)) {
        return Action::await_change();
    }
    let key = key(object);
    let count = shared.failures(|failures| {
        let count = failures.entry(key.clone()).or_default();
        *count += 1;
        *count
    });
    tracing::warn!(cluster = key, category = failure.category(), error = %failure, "reconcile failed");
    Action::requeue(pause_after(count - 1))
}

fn key(object: &Cluster) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

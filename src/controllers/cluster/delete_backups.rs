//! `percona.com/delete-backups`: all backups and all WAL of a cluster that is being deleted go, repository after repository, each
//! by a Job under the repository's Lease.
//!
//! Nothing goes that may be another's: the agent compares system identifiers, and a store that another cluster of the same
//! database uses is left alone. Works with every instance down, and with a cluster that never became ready.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};

use super::build::pod::AGENT_BINARY;
use super::build::repository_job::{Frame, RepositoryJob, Work, last_words};
use super::dereference::{read_sources, volume_reads};
use super::finalize::delete_all;
use super::names::{FIELD_MANAGER, LABEL_CLUSTER, Names};
use super::neighbours::same_store;
use super::reconcile::Failure;
use super::shared::Shared;
use super::validate::{Existence, ImageDefaults, validate};
use super::validated::{Repo, ValidatedCluster};
use super::{engine, user_files};
use crate::agent::report::BackupOutcome;
use crate::api::names::{LABEL_PGBACKREST_BACKUP, LABEL_PGBACKREST_DELETE, LABEL_PGBACKREST_EXPIRE, STANZA};
use crate::api::repository::Repository;
use crate::api::{PerconaPGBackup, PerconaPGCluster, Reason};
use crate::controllers::backup::{ended, job_ended};
use crate::controllers::turns::{Turn, Turns};
use crate::controllers::writer::WriteError;
use crate::pgbackrest::lease::{self, Holder, Liveness};

/// Tries after the first.
const RETRIES: i32 = 3;
/// One that failed is kept so long to be read; then it is tried again.
const PAUSE: TimeDelta = TimeDelta::minutes(5);
/// Nobody wakes us when a Job ends.
const NEXT_STEP: Duration = Duration::from_secs(2);
/// What only a person can mend is told again after this.
const TROUBLE: Duration = Duration::from_secs(30);

/// Does the next step; returns when to take another, and nothing once all is done.
pub async fn step(
    shared: &Shared,
    cluster: &PerconaPGCluster,
    names: &Names,
) -> Result<Option<Duration>, Failure> {
    let Some(identity) = cluster.system_identifier() else {
        let text = "this cluster never had a database, so no backup of it is in any repository, and nothing is removed";
        tell(shared, cluster, EventType::Normal, Reason::BackupsDeleted, text).await;
        return forget_objects(shared, cluster, names).await.map(|()| None);
    };
    if cluster.is_standby() {
        let text =
            "this cluster is a standby: what is in the repositories is another's, and nothing is removed";
        tell(
            shared,
            cluster,
            EventType::Normal,
            Reason::BackupsNotDeleted,
            text,
        )
        .await;
        return forget_objects(shared, cluster, names).await.map(|()| None);
    }
    if !commands_ended(shared, names).await? {
        return Ok(Some(NEXT_STEP));
    }
    let selector = format!("{LABEL_CLUSTER}={},{LABEL_PGBACKREST_DELETE}", names.cluster);
    let of_cluster = ListParams::default().labels(&selector);
    let client = &shared.context.client;
    let jobs: Api<Job> = Api::namespaced(client.clone(), &names.namespace);
    let jobs = jobs.list(&of_cluster).await.map_err(WriteError::from)?.items;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &names.namespace);
    let pods = pods.list(&of_cluster).await.map_err(WriteError::from)?.items;
    let mut again: Vec<Duration> = Vec::new();
    for repository in cluster.spec.backups.repositories() {
        let name = job_name(&names.cluster, &repository.name);
        let job = jobs.iter().find(|job| job.name_any() == name);
        match job.map(|job| (job, ended(job))) {
            Some((_, Some(true))) => {}
            Some((_, None)) => again.push(NEXT_STEP),
            Some((job, Some(false))) => {
                again.push(TROUBLE);
                let says = last_words(job, &pods).map(|said: BackupOutcome| said.message);
                let says = says.unwrap_or_else(|| "the Job has failed".to_owned());
                let text = format!("{}: {says}", repository.name);
                tell(
                    shared,
                    cluster,
                    EventType::Warning,
                    Reason::BackupsNotDeleted,
                    &text,
                )
                .await;
                if job_ended(job).is_none_or(|at| at + PAUSE < Utc::now()) {
                    let writer = &shared.context.writer;
                    writer
                        .delete::<Job>(&names.namespace, &name, job.uid().as_deref())
                        .await?;
                }
            }
            None => again.extend(Box::pin(begin(shared, cluster, names, repository, identity)).await?),
        }
    }
    if again.is_empty() {
        let text = "the repositories hold no backup and no WAL of this cluster any more, but for what was told before";
        tell(shared, cluster, EventType::Normal, Reason::BackupsDeleted, text).await;
        forget_objects(shared, cluster, names).await?;
    }
    Ok(again.into_iter().min())
}

fn job_name(cluster: &str, repo: &str) -> String {
    format!("{cluster}-{repo}-delete")
}

/// Backups and expiries that run are ended; true once no Pod of them is left.
async fn commands_ended(shared: &Shared, names: &Names) -> Result<bool, Failure> {
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(shared.context.client.clone(), &names.namespace);
    let mut left = 0;
    for label in [LABEL_PGBACKREST_BACKUP, LABEL_PGBACKREST_EXPIRE] {
        let selector = format!("{LABEL_CLUSTER}={},{label}", names.cluster);
        delete_all::<Job>(shared, names, &selector).await?;
        let running = ListParams::default()
            .labels(&selector)
            .fields("status.phase!=Succeeded,status.phase!=Failed");
        let found = pods.list_metadata(&running).await.map_err(WriteError::from)?;
        left += found.items.len();
    }
    Ok(left == 0)
}

/// Makes the Job of one repository; returns when to look again, and nothing where nothing is to be done.
async fn begin(
    shared: &Shared,
    cluster: &PerconaPGCluster,
    names: &Names,
    repository: &Repository,
    identity: u64,
) -> Result<Option<Duration>, Failure> {
    if let Some(other) = sharer(shared, cluster, repository).await? {
        let text = format!(
            "{}: nothing is removed, since PerconaPGCluster {other} of the same database uses the same store",
            repository.name
        );
        tell(
            shared,
            cluster,
            EventType::Warning,
            Reason::BackupsNotDeleted,
            &text,
        )
        .await;
        return Ok(None);
    }
    let client = &shared.context.client;
    let volumes = volume_reads(client, &shared.fleet, cluster).await?;
    let sources = read_sources(client, &shared.fleet, &names.namespace, cluster).await?;
    let user = user_files::of_cluster(cluster, &sources);
    let existence = Existence {
        volume_claims: volumes.claims,
        ..Existence::default()
    };
    let images = ImageDefaults::of(&shared.context.settings);
    let cleared = std::collections::BTreeSet::default();
    let (validated, repo) = match validate(cluster, &images, &existence, &user.options, cleared) {
        Ok(validated) => (validated, engine::repo(repository)),
        Err(refusal) => {
            let text = format!("{}: {}", repository.name, refusal.message);
            tell(
                shared,
                cluster,
                EventType::Warning,
                Reason::BackupsNotDeleted,
                &text,
            )
            .await;
            return Ok(Some(TROUBLE));
        }
    };
    let Some(repo) = repo else { return Ok(None) };
    let leases: Api<Lease> = Api::namespaced(client.clone(), &names.namespace);
    let lease = leases
        .get_opt(&lease::name(&names.cluster, &repo.name))
        .await
        .map_err(WriteError::from)?;
    let turns = Turns {
        writer: &shared.context.writer,
        namespace: &names.namespace,
        cluster: &names.cluster,
        owner: cluster.controller_owner_ref(&()),
        repository: &repo.name,
        lease: lease.as_ref(),
        manager: FIELD_MANAGER,
    };
    let me = Holder::Job {
        name: job_name(&names.cluster, &repo.name),
        uid: cluster.uid().unwrap_or_default(),
    };
    // All that could hold it was ended before, but for agents, whose claims end by themselves.
    let turn = turns.take(&me, |_| Liveness::Gone, Utc::now()).await?;
    if turn != Turn::Ours {
        return Ok(Some(NEXT_STEP));
    }
    if let Some(job) = job(&validated, cluster, &repo, identity) {
        match shared
            .context
            .writer
            .create(&names.namespace, &job, FIELD_MANAGER)
            .await
        {
            Err(error) if !error.is_conflict() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(Some(NEXT_STEP))
}

fn job(validated: &ValidatedCluster, cluster: &PerconaPGCluster, repo: &Repo, identity: u64) -> Option<Job> {
    let backups = validated.backups.as_ref()?;
    let pgbackrest = cluster.spec.backups.pgbackrest.as_ref();
    let settings = pgbackrest
        .and_then(|pgbackrest| pgbackrest.jobs.clone())
        .unwrap_or_default();
    let place = RepositoryJob {
        cluster: validated,
        backups,
        settings: &settings,
        repository: &repo.name,
        // It has been stopped with all else.
        beside_host: false,
    };
    let mut command: Vec<String> = [
        AGENT_BINARY,
        "agent",
        "delete-stanza",
        "--stanza",
        STANZA,
        "--repo",
    ]
    .map(str::to_owned)
    .into();
    command.push(repo.key.to_string());
    command.extend(["--system-identifier".to_owned(), identity.to_string()]);
    if let Some(path) = place.lock_path() {
        command.extend(["--lock-path".to_owned(), path]);
    }
    let frame = Frame {
        name: job_name(&validated.names.cluster, &repo.name),
        label: LABEL_PGBACKREST_DELETE,
        retries: RETRIES,
        // One that has ended well says so until the cluster is gone.
        kept_seconds: None,
    };
    let work = Work {
        command,
        restart_policy: "Never".to_owned(),
        ..Work::default()
    };
    Some(place.job(frame, work))
}

/// Another cluster of the same database in the same store: a standby of it, or one that was restored from it.
async fn sharer(
    shared: &Shared,
    cluster: &PerconaPGCluster,
    repository: &Repository,
) -> Result<Option<String>, Failure> {
    let client = &shared.context.client;
    let namespaces = &shared.context.settings.namespaces;
    let places: Vec<Api<DeserializeGuard<PerconaPGCluster>>> = if namespaces.is_empty() {
        vec![Api::all(client.clone())]
    } else {
        namespaces
            .iter()
            .map(|namespace| Api::namespaced(client.clone(), namespace))
            .collect()
    };
    let mut others = Vec::new();
    for api in places {
        let found = api.list(&ListParams::default()).await.map_err(WriteError::from)?;
        others.extend(found.items.into_iter().filter_map(|other| other.0.ok()));
    }
    let uses_it = |other: &&PerconaPGCluster| {
        other.uid() != cluster.uid()
            && other.system_identifier() == cluster.system_identifier()
            && other
                .spec
                .backups
                .repositories()
                .iter()
                .any(|theirs| same_store(theirs, repository))
    };
    let found = others.iter().find(uses_it);
    Ok(found.map(|other| format!("{}/{}", other.namespace().unwrap_or_default(), other.name_any())))
}

/// The objects of backups that are there no more.
async fn forget_objects(shared: &Shared, cluster: &PerconaPGCluster, names: &Names) -> Result<(), Failure> {
    let api: Api<DeserializeGuard<PerconaPGBackup>> =
        Api::namespaced(shared.context.client.clone(), &names.namespace);
    let found = api.list(&ListParams::default()).await.map_err(WriteError::from)?;
    let name = cluster.name_any();
    for backup in found.items.into_iter().filter_map(|backup| backup.0.ok()) {
        if backup.spec.pg_cluster == name && backup.metadata.deletion_timestamp.is_none() {
            shared
                .context
                .writer
                .delete::<PerconaPGBackup>(&names.namespace, &backup.name_any(), backup.uid().as_deref())
                .await?;
        }
    }
    Ok(())
}

async fn tell(shared: &Shared, cluster: &PerconaPGCluster, kind: EventType, reason: Reason, text: &str) {
    shared.context.events.publish(cluster, kind, reason, text).await;
}

//! The Jobs of a restore. Pure. Their names are of the object's uid: none runs twice.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};

use super::wanted::Wanted;
use crate::api::PerconaPGRestore;
use crate::api::names::{ANNOTATION_RESTORE, LABEL_PGBACKREST, LABEL_PGBACKREST_RESTORE};
use crate::api::restore::{Preflight, PreviousData};
use crate::controllers::cluster::build::pod::AGENT_BINARY;
use crate::controllers::cluster::build::{Place, Restoring, repository_job, restore_pod};
use crate::controllers::cluster::validated::{Instance, ValidatedCluster};
use crate::domain::restore::Stop;

/// Tries after the first: with Kubernetes' growing pauses about ten minutes.
const RETRIES: i32 = 6;
/// A rehearsal is to tell what does not work.
const DRILL_RETRIES: i32 = 2;
/// Bringing a directory back is two renames: what stands against it may last longer.
const UNDO_RETRIES: i32 = 20;
/// Beside the database, room for WAL while it is replayed.
pub const WAL_BYTES: i64 = 256 << 20;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It restores.
    Restore,
    /// It brings the previous data back.
    Undo,
    /// It restores what is thrown away.
    Drill,
}

/// Its name.
#[must_use]
pub fn job_name(restore: &PerconaPGRestore, kind: Kind) -> String {
    let what = match kind {
        Kind::Restore => "restore",
        Kind::Undo => "undo",
        Kind::Drill => "drill",
    };
    repository_job::job_name(&restore.spec.pg_cluster, what, restore.uid())
}

/// Builds it; nothing where the instance is not one of the cluster's.
#[must_use]
pub fn job(
    restore: &PerconaPGRestore,
    kind: Kind,
    command: Vec<String>,
    place: Place,
    cluster: &ValidatedCluster,
    instance: &Instance,
) -> Option<Job> {
    let options = restore.spec.container_options.clone().unwrap_or_default();
    let work = Restoring {
        command,
        env: options.env,
        env_from: options.env_from,
        place,
    };
    let pod = restore_pod(cluster, instance, work)?;
    let mut labels = cluster.metadata.labels.clone();
    labels.extend(cluster.names.labels("pgbackrest"));
    labels
        .extend([LABEL_PGBACKREST, LABEL_PGBACKREST_RESTORE].map(|label| (label.to_owned(), String::new())));
    let mut annotations = cluster.metadata.annotations.clone();
    annotations.insert(ANNOTATION_RESTORE.to_owned(), restore.name_any());
    Some(Job {
        metadata: ObjectMeta {
            name: Some(job_name(restore, kind)),
            namespace: restore.namespace(),
            labels: Some(labels.clone()),
            annotations: Some(annotations.clone()),
            owner_references: restore.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(match kind {
                Kind::Restore => RETRIES,
                Kind::Undo => UNDO_RETRIES,
                Kind::Drill => DRILL_RETRIES,
            }),
            pod_failure_policy: Some(repository_job::failure_policy()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod),
            },
            ..JobSpec::default()
        }),
        status: None,
    })
}

/// What the agent is told, from what was found before anything was done. Nothing where that is not complete.
#[must_use]
pub fn command(
    restore: &PerconaPGRestore,
    wanted: &Wanted,
    found: &Preflight,
    system_identifier: Option<u64>,
    stanza: &str,
) -> Option<Vec<String>> {
    let key = found.repository.as_deref()?.strip_prefix("repo")?;
    let mut command: Vec<String> = [AGENT_BINARY, "agent", "restore", "--stanza", stanza]
        .map(str::to_owned)
        .into();
    let mut add = |name: &str, value: String| command.push(format!("--{name}={value}"));
    add("restore", restore.uid()?);
    add("repo", key.to_owned());
    if let Some(at) = wanted.repository_time {
        add(
            "repository-time",
            at.format("%Y-%m-%d %H:%M:%S%.f+00").to_string(),
        );
    }
    add("set", found.backup.clone()?);
    add("type", found.stop_type.clone()?);
    if let Some(target) = &found.stop_target {
        add("target", target.clone());
    }
    add("timeline", found.timeline?.to_string());
    // Only what goes on to the end may have an end that is none.
    let to_the_end = found.stop_type.as_deref() == Some(Stop::Latest.kind());
    if let Some(position) = found.latest_position.as_ref().filter(|_| to_the_end) {
        add("at-least", position.clone());
    }
    let previous = match restore.spec.previous_data.unwrap_or_default() {
        _ if restore.is_bootstrap() || restore.is_drill() => "absent",
        PreviousData::Keep => "keep",
        PreviousData::Discard => "discard",
    };
    add("previous", previous.to_owned());
    add(
        "bytes",
        (found.database_bytes.unwrap_or_default() + WAL_BYTES).to_string(),
    );
    if let Some(system_identifier) = system_identifier {
        add("system-identifier", system_identifier.to_string());
    }
    if found.passes_through == Some(true) {
        command.push("--passes-through".to_owned());
    }
    if wanted.target.exclusive {
        command.push("--exclusive".to_owned());
    }

    command.push("--".to_owned());
    command.extend(wanted.arguments.iter().cloned());
    Some(command)
}

/// What the agent is told that brings the previous data back.
#[must_use]
pub fn undo_command(restore: &PerconaPGRestore) -> Vec<String> {
    let mut command: Vec<String> = [AGENT_BINARY, "agent", "undo-restore"].map(str::to_owned).into();
    command.push(format!("--restore={}", restore.uid().unwrap_or_default()));
    command
}

//! The Job of a backup. Pure: from the validated cluster and the accepted backup.

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};

use super::decide::Accepted;
use crate::agent::report::exit;
use crate::api::cluster::jobs::BackupJobs;
use crate::api::names::{ANNOTATION_BACKUP, LABEL_PGBACKREST_BACKUP, STANZA};
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::cluster::build::pod::{AGENT_BINARY, env, env_field};
use crate::controllers::cluster::build::repository_job::{self, RepositoryJob, Work};
use crate::controllers::cluster::names::LABEL_INITIAL;
use crate::controllers::cluster::validated::{Metadata, ValidatedCluster};

pub use crate::controllers::cluster::build::repository_job::CONTAINER;

/// Tries after the first, where the user does not say.
const RETRIES: i32 = 6;

/// Name of the Job: one for each backup object, so that nothing runs twice.
#[must_use]
pub fn job_name(backup: &PerconaPGBackup) -> String {
    repository_job::job_name(&backup.spec.pg_cluster, "backup", backup.uid())
}

/// Builds the Job.
#[must_use]
pub fn job(
    backup: &PerconaPGBackup,
    accepted: &Accepted,
    cluster: &ValidatedCluster,
    raw: &PerconaPGCluster,
) -> Job {
    let settings = jobs(raw);
    let backups = cluster.backups.clone().unwrap_or_default();
    let place = RepositoryJob {
        cluster,
        backups: &backups,
        settings: &settings,
        repository: &accepted.repository.name,
        beside_host: true,
    };
    let kind = if backup.labels().contains_key(LABEL_INITIAL) {
        "replica-create"
    } else {
        "manual"
    };
    let Metadata {
        labels,
        mut annotations,
    } = place.metadata((LABEL_PGBACKREST_BACKUP, kind));
    annotations.insert(ANNOTATION_BACKUP.to_owned(), backup.name_any());
    let restart_policy = settings
        .restart_policy
        .clone()
        .unwrap_or_else(|| "Never".to_owned());
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(backup)),
            namespace: backup.namespace(),
            labels: Some(labels.clone()),
            annotations: Some(annotations.clone()),
            owner_references: backup.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(settings.backoff_limit.unwrap_or(RETRIES)),
            ttl_seconds_after_finished: settings.ttl_seconds_after_finished,
            active_deadline_seconds: settings.active_deadline_seconds,
            // Kubernetes allows a failure policy only where each try is a Pod of its own.
            pod_failure_policy: (restart_policy == "Never").then(failure_policy),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(place.pod(work(backup, accepted, &place, restart_policy))),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn jobs(cluster: &PerconaPGCluster) -> BackupJobs {
    let pgbackrest = cluster.spec.backups.pgbackrest.as_ref();
    pgbackrest
        .and_then(|pgbackrest| pgbackrest.jobs.as_deref().cloned())
        .unwrap_or_default()
}

/// What a retry cannot mend ends the Job at once; a drained node costs no try.
fn failure_policy() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some(CONTAINER.to_owned()),
                    operator: "In".to_owned(),
                    values: vec![i32::from(exit::PERMANENT)],
                }),
                on_pod_conditions: None,
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
            },
        ],
    }
}

fn work(
    backup: &PerconaPGBackup,
    accepted: &Accepted,
    place: &RepositoryJob<'_>,
    restart_policy: String,
) -> Work {
    let mut command: Vec<String> = [AGENT_BINARY, "agent", "backup", "--stanza", STANZA, "--repo"]
        .map(str::to_owned)
        .into();
    command.push(accepted.key.to_string());
    if let Some(path) = place.lock_path() {
        command.extend(["--lock-path".to_owned(), path]);
    }
    if let Some(seconds) = place.settings.stall_timeout_seconds {
        command.extend(["--stall-seconds".to_owned(), seconds.to_string()]);
    }
    command.push("--".to_owned());
    command.extend(accepted.options.arguments().iter().cloned());
    let own = backup.spec.container_options.clone().unwrap_or_default();
    Work {
        command,
        environment: vec![
            env_field("POD_NAME", "metadata.name"),
            env("HOLDFAST_NAMESPACE", &place.cluster.names.namespace),
            env("HOLDFAST_BACKUP_NAME", backup.name_any()),
            env("HOLDFAST_BACKUP_JOB", job_name(backup)),
        ],
        own: own.env,
        sources: own.env_from,
        reports: true,
        restart_policy,
    }
}

#[cfg(test)]
mod tests;

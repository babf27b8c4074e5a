//! The Job of a backup. Pure: from the validated cluster and the accepted backup.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use sha2::{Digest as _, Sha256};

use super::decide::Accepted;
use crate::agent::report::exit;
use crate::api::cluster::jobs::BackupJobs;
use crate::api::names::{
    ANNOTATION_BACKUP, LABEL_PGBACKREST, LABEL_PGBACKREST_BACKUP, LABEL_PGBACKREST_REPO, STANZA,
};
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::cluster::build::pgbackrest_mounts;
use crate::controllers::cluster::build::pod::{
    AGENT_BINARY, container_security, empty_dir, env, env_field, from_config_map, from_secret,
    init_container, mount, pod_security, projected, read_only,
};
use crate::controllers::cluster::names::{LABEL_INITIAL, paths};
use crate::controllers::cluster::validated::{Backups, ValidatedCluster};
use crate::pgbackrest::configuration::{FILE_NAME, JOB_KEY};

/// The container that runs pgBackRest.
pub const CONTAINER: &str = "pgbackrest";
/// Time for pgBackRest to free its locks when the Pod is told to end; the agent gives it 20 s.
const GRACE_SECONDS: i64 = 30;
/// Tries after the first, where the user does not say.
const RETRIES: i32 = 6;

/// Name of the Job: one for each backup object, so that nothing runs twice.
#[must_use]
pub fn job_name(backup: &PerconaPGBackup) -> String {
    let digest = Sha256::digest(backup.uid().unwrap_or_default().as_bytes());
    let short = hex::encode(digest.get(..4).unwrap_or_default());
    format!("{}-backup-{short}", backup.spec.pg_cluster)
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
    let name = job_name(backup);
    let labels = labels(backup, cluster, &backups);
    let mut annotations = cluster.metadata.annotations.clone();
    annotations.extend(backups.metadata.annotations.clone());
    annotations.insert(ANNOTATION_BACKUP.to_owned(), backup.name_any());
    let restart_policy = settings
        .restart_policy
        .clone()
        .unwrap_or_else(|| "Never".to_owned());
    Job {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: backup.namespace(),
            labels: Some(labels.clone()),
            annotations: Some(annotations.clone()),
            owner_references: backup.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(settings.backoff_limit.unwrap_or(RETRIES)),
            ttl_seconds_after_finished: settings.ttl_seconds_after_finished,
            // Kubernetes allows a failure policy only where each try is a Pod of its own.
            pod_failure_policy: (restart_policy == "Never").then(failure_policy),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(
                    backup,
                    accepted,
                    cluster,
                    &backups,
                    &settings,
                    restart_policy,
                )),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn jobs(cluster: &PerconaPGCluster) -> BackupJobs {
    let pgbackrest = cluster.spec.backups.pgbackrest.as_ref();
    pgbackrest
        .and_then(|pgbackrest| pgbackrest.jobs.clone())
        .unwrap_or_default()
}

fn labels(
    backup: &PerconaPGBackup,
    cluster: &ValidatedCluster,
    backups: &Backups,
) -> BTreeMap<String, String> {
    let kind = if backup.labels().contains_key(LABEL_INITIAL) {
        "replica-create"
    } else {
        "manual"
    };
    let repository = backup.spec.repo_name.clone().unwrap_or_default();
    let mut labels = cluster.metadata.labels.clone();
    labels.extend(backups.metadata.labels.clone());
    labels.extend(cluster.names.labels("pgbackrest"));
    labels.extend([
        (LABEL_PGBACKREST.to_owned(), String::new()),
        (LABEL_PGBACKREST_REPO.to_owned(), repository),
        (LABEL_PGBACKREST_BACKUP.to_owned(), kind.to_owned()),
    ]);
    labels
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

fn pod(
    backup: &PerconaPGBackup,
    accepted: &Accepted,
    cluster: &ValidatedCluster,
    backups: &Backups,
    settings: &BackupJobs,
    restart_policy: String,
) -> PodSpec {
    PodSpec {
        service_account_name: Some(cluster.names.pgbackrest()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        security_context: Some(pod_security(settings.security_context.as_ref())),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        restart_policy: Some(restart_policy),
        image_pull_secrets: (!cluster.images.pull_secrets.is_empty())
            .then(|| cluster.images.pull_secrets.clone()),
        affinity: settings.affinity.clone(),
        tolerations: (!settings.tolerations.is_empty()).then(|| settings.tolerations.clone()),
        priority_class_name: settings.priority_class_name.clone(),
        init_containers: Some(vec![init_container(cluster)]),
        containers: vec![container(backup, accepted, cluster, backups, settings)],
        volumes: Some(volumes(cluster, backups)),
        ..PodSpec::default()
    }
}

fn container(
    backup: &PerconaPGBackup,
    accepted: &Accepted,
    cluster: &ValidatedCluster,
    backups: &Backups,
    settings: &BackupJobs,
) -> Container {
    let mut command: Vec<String> = [AGENT_BINARY, "agent", "backup", "--stanza", STANZA, "--repo"]
        .map(str::to_owned)
        .into();
    command.push(accepted.key.to_string());
    command.push("--".to_owned());
    command.extend(accepted.options.arguments().iter().cloned());

    let mut environment = vec![
        env_field("POD_NAME", "metadata.name"),
        env("HOLDFAST_NAMESPACE", &cluster.names.namespace),
        env("HOLDFAST_BACKUP_NAME", backup.name_any()),
        env("HOLDFAST_BACKUP_JOB", job_name(backup)),
    ];
    let mut sources = backups.env_from.clone();
    let own = backup.spec.container_options.clone().unwrap_or_default();
    environment.extend(backups.env.iter().cloned().chain(own.env));
    sources.extend(own.env_from);
    let mut mounts = vec![mount("tmp", "/tmp"), read_only("holdfast", paths::HOLDFAST)];
    mounts.extend(pgbackrest_mounts());
    Container {
        name: CONTAINER.to_owned(),
        image: Some(cluster.images.pgbackrest.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some(command),
        env: Some(environment),
        env_from: (!sources.is_empty()).then_some(sources),
        resources: settings.resources.clone(),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn volumes(cluster: &ValidatedCluster, backups: &Backups) -> Vec<Volume> {
    let names = &cluster.names;
    let mut files = backups.configuration.clone();
    files.push(from_config_map(
        names.pgbackrest_config(),
        &[(JOB_KEY, FILE_NAME)],
    ));
    vec![
        empty_dir("holdfast"),
        empty_dir("tmp"),
        projected(
            "pgbackrest-main",
            vec![from_config_map(
                names.pgbackrest_config(),
                &[("pgbackrest.conf", "pgbackrest.conf")],
            )],
        ),
        projected("pgbackrest-config", files),
        projected(
            "pgbackrest-tls",
            vec![from_secret(
                names.pgbackrest(),
                &[
                    ("pgbackrest.ca-roots", "ca.crt"),
                    ("pgbackrest-client.crt", "client.crt"),
                    ("pgbackrest-client.key", "client.key"),
                ],
            )],
        ),
    ]
}

#[cfg(test)]
mod tests;

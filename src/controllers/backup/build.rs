//! The Job of a backup. Pure: from the validated cluster and the accepted backup.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, PodAffinityTerm, PodSecurityContext, PodSpec, PodTemplateSpec, SecurityContext,
    Volume,
};
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
use crate::controllers::cluster::build::pod::{
    AGENT_BINARY, container_security, empty_dir, env, env_field, init_container, mount, pod_security,
    read_only,
};
use crate::controllers::cluster::build::{pgbackrest_mounts, pgbackrest_volumes, repo_host};
use crate::controllers::cluster::names::{LABEL_INITIAL, paths};
use crate::controllers::cluster::validated::{Backups, RepositoryVolume, ValidatedCluster};
use crate::pgbackrest::configuration::{FILE_NAME, JOB_KEY, lock_path_on_volume};

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
            active_deadline_seconds: settings.active_deadline_seconds,
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
    let volume = volume(backups, accepted);
    let host = &backups.repo_host.pod;
    let mut tolerations = settings.tolerations.clone();
    let mut affinity = settings.affinity.clone();
    let mut security = settings.security_context.clone();
    if volume.is_some() {
        // The claim can be mounted by several pods of one node; files on it belong to the user of the repository host.
        affinity = Some(beside_the_host(cluster, affinity));
        tolerations.extend(host.tolerations.iter().cloned());
        security = Some(as_the_host(security, host.security.as_ref()));
    }
    let security = pod_security(security.as_ref());
    let container = container(backup, accepted, cluster, backups, settings);
    let mut init = init_container(cluster);
    if cluster.init_container.security.is_none() {
        init.security_context = Some(container_security_in(&security));
    }
    PodSpec {
        service_account_name: Some(cluster.names.pgbackrest()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        containers: vec![Container {
            security_context: Some(container_security_in(&security)),
            ..container
        }],
        security_context: Some(security),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        restart_policy: Some(restart_policy),
        image_pull_secrets: (!cluster.images.pull_secrets.is_empty())
            .then(|| cluster.images.pull_secrets.clone()),
        affinity,
        tolerations: (!tolerations.is_empty()).then_some(tolerations),
        priority_class_name: settings.priority_class_name.clone(),
        init_containers: Some(vec![init]),
        volumes: Some(volumes(cluster, backups, volume)),
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
    let volume = volume(backups, accepted);
    if let Some(volume) = volume {
        command.extend(["--lock-path".to_owned(), lock_path_on_volume(&volume.repo.name)]);
    }
    if let Some(seconds) = settings.stall_timeout_seconds {
        command.extend(["--stall-seconds".to_owned(), seconds.to_string()]);
    }
    command.push("--".to_owned());
    command.extend(accepted.options.arguments().iter().cloned());

    let mut environment = vec![
        env_field("POD_NAME", "metadata.name"),
        env("HOLDFAST_NAMESPACE", &cluster.names.namespace),
        env("HOLDFAST_BACKUP_NAME", backup.name_any()),
        env("HOLDFAST_BACKUP_JOB", job_name(backup)),
    ];
    let own = backup.spec.container_options.clone().unwrap_or_default();
    // Of two with one name, the backup's goes before the cluster's.
    let replaced = |name: &str| own.env.iter().any(|variable| variable.name == name);
    environment.extend(
        backups
            .env
            .iter()
            .filter(|variable| !replaced(&variable.name))
            .cloned(),
    );
    let mut sources = backups.env_from.clone();
    environment.extend(own.env);
    sources.extend(own.env_from);
    let mut mounts = vec![mount("tmp", "/tmp"), read_only("holdfast", paths::HOLDFAST)];
    mounts.extend(pgbackrest_mounts());
    mounts.extend(volume.map(repo_host::mount_of));
    Container {
        name: CONTAINER.to_owned(),
        image: Some(cluster.images.pgbackrest.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some(command),
        env: Some(environment),
        env_from: (!sources.is_empty()).then_some(sources),
        resources: settings.resources.clone(),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn volumes(cluster: &ValidatedCluster, backups: &Backups, volume: Option<&RepositoryVolume>) -> Vec<Volume> {
    let mut volumes = vec![empty_dir("holdfast"), empty_dir("tmp")];
    volumes.extend(pgbackrest_volumes(
        cluster,
        backups,
        &[(JOB_KEY, FILE_NAME)],
        None,
    ));
    volumes.extend(volume.map(repo_host::volume_of));
    volumes
}

/// The volume of the backup's repository, if it is on one.
fn volume<'a>(backups: &'a Backups, accepted: &Accepted) -> Option<&'a RepositoryVolume> {
    backups
        .volumes
        .iter()
        .find(|volume| volume.repo.name == accepted.repository.name)
}

/// What the user wants of a Job's Pod, with the user and the groups of the repository host.
fn as_the_host(wanted: Option<PodSecurityContext>, host: Option<&PodSecurityContext>) -> PodSecurityContext {
    let host = host.cloned().unwrap_or_default();
    PodSecurityContext {
        run_as_user: host.run_as_user,
        run_as_group: host.run_as_group,
        fs_group: host.fs_group,
        fs_group_change_policy: host.fs_group_change_policy,
        supplemental_groups: host.supplemental_groups,
        se_linux_options: host.se_linux_options,
        ..wanted.unwrap_or_default()
    }
}

/// That of every container of ours, with the seccomp profile of the Pod: the user may have one of their own.
fn container_security_in(pod: &PodSecurityContext) -> SecurityContext {
    SecurityContext {
        seccomp_profile: pod.seccomp_profile.clone(),
        ..container_security()
    }
}

/// What the user wants, and the node of the repository host.
fn beside_the_host(cluster: &ValidatedCluster, wanted: Option<Affinity>) -> Affinity {
    let mut affinity = wanted.unwrap_or_default();
    affinity
        .pod_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .push(PodAffinityTerm {
            label_selector: Some(repo_host::selector(&cluster.names.cluster)),
            topology_key: "kubernetes.io/hostname".to_owned(),
            ..PodAffinityTerm::default()
        });
    affinity
}

#[cfg(test)]
mod tests;

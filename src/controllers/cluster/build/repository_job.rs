//! Pods of Jobs that run pgBackRest on one repository, whatever the command: its configuration and certificates, and for a
//! repository on a volume its claim, on the node of the repository host.

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, Pod, PodAffinityTerm, PodSpec, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

use super::pod::{container_security, empty_dir, init_container, mount, pod_security, read_only};
use super::{pgbackrest_mounts, pgbackrest_volumes, repo_host};
use crate::agent::report::{BackupOutcome, exit};
use crate::api::cluster::jobs::BackupJobs;
use crate::api::names::{LABEL_PGBACKREST, LABEL_PGBACKREST_REPO};
use crate::controllers::cluster::names::paths;
use crate::controllers::cluster::validated::{Backups, RepositoryVolume, ValidatedCluster};
use crate::pgbackrest::configuration::{FILE_NAME, JOB_KEY, lock_path_on_volume};

/// The Job itself, around its Pod.
pub struct Frame {
    /// Its name.
    pub name: String,
    /// A label that tells what it does.
    pub label: &'static str,
    /// Tries after the first.
    pub retries: i32,
    /// Seconds for which it is kept when it has ended.
    pub kept_seconds: Option<i32>,
}

/// The container that runs pgBackRest.
pub const CONTAINER: &str = "pgbackrest";
/// Time for pgBackRest to free its locks when the Pod is told to end; the agent gives it 20 s.
const GRACE_SECONDS: i64 = 30;

/// A Job on one repository.
pub struct RepositoryJob<'a> {
    /// The cluster.
    pub cluster: &'a ValidatedCluster,
    /// Its backups.
    pub backups: &'a Backups,
    /// What the user says of Jobs.
    pub settings: &'a BackupJobs,
    /// `repo1` to `repo4`.
    pub repository: &'a str,
    /// The repository host runs: a claim must be mounted on its node.
    pub beside_host: bool,
}

/// What its container is given.
#[derive(Default)]
pub struct Work {
    /// The whole command.
    pub command: Vec<String>,
    /// Variables.
    pub environment: Vec<EnvVar>,
    /// Sources of variables.
    pub sources: Vec<EnvFromSource>,
    /// Whether it reports on its own Pod.
    pub reports: bool,
    /// `Never` or `OnFailure`.
    pub restart_policy: String,
}

impl RepositoryJob<'_> {
    /// The volume of the repository, if it is on one.
    #[must_use]
    pub fn volume(&self) -> Option<&RepositoryVolume> {
        let mut volumes = self.backups.volumes.iter();
        volumes.find(|volume| volume.repo.name == self.repository)
    }

    /// Where the locks are, if that is on the volume.
    #[must_use]
    pub fn lock_path(&self) -> Option<String> {
        Some(lock_path_on_volume(&self.volume()?.repo.name))
    }

    /// The Job. What another try cannot mend ends it at once.
    #[must_use]
    pub fn job(&self, frame: Frame, work: Work) -> Job {
        let cluster = self.cluster;
        let mut labels = cluster.metadata.labels.clone();
        labels.extend(self.backups.metadata.labels.clone());
        labels.extend(cluster.names.labels("pgbackrest"));
        labels.extend([
            (LABEL_PGBACKREST.to_owned(), String::new()),
            (LABEL_PGBACKREST_REPO.to_owned(), self.repository.to_owned()),
            (frame.label.to_owned(), String::new()),
        ]);
        let mut annotations = cluster.metadata.annotations.clone();
        annotations.extend(self.backups.metadata.annotations.clone());
        let pod = ObjectMeta {
            labels: Some(labels.clone()),
            annotations: Some(annotations.clone()),
            ..ObjectMeta::default()
        };
        Job {
            metadata: ObjectMeta {
                name: Some(frame.name),
                namespace: Some(cluster.names.namespace.clone()),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: Some(vec![cluster.owner.clone()]),
                ..ObjectMeta::default()
            },
            spec: Some(JobSpec {
                backoff_limit: Some(frame.retries),
                ttl_seconds_after_finished: frame.kept_seconds,
                pod_failure_policy: Some(failure_policy()),
                template: PodTemplateSpec {
                    metadata: Some(pod),
                    spec: Some(self.pod(work)),
                },
                ..JobSpec::default()
            }),
            status: None,
        }
    }

    /// The Pod.
    #[must_use]
    pub fn pod(&self, work: Work) -> PodSpec {
        let (cluster, settings) = (self.cluster, self.settings);
        let volume = self.volume();
        let host = &self.backups.repo_host.pod;
        let mut tolerations = settings.tolerations.clone();
        let mut affinity = settings.affinity.clone();
        let mut security = settings.security_context.as_ref();
        if volume.is_some() {
            // The claim can be mounted by several pods of one node; files on it belong to the user of the repository host.
            if self.beside_host {
                affinity = Some(beside_the_host(cluster, affinity));
            }
            tolerations.extend(host.tolerations.iter().cloned());
            security = host.security.as_ref().or(security);
        }
        let mut volumes = vec![empty_dir("holdfast"), empty_dir("tmp")];
        let files = [(JOB_KEY, FILE_NAME)];
        volumes.extend(pgbackrest_volumes(cluster, self.backups, &files, None));
        volumes.extend::<Option<Volume>>(volume.map(repo_host::volume_of));
        PodSpec {
            service_account_name: Some(cluster.names.pgbackrest()),
            automount_service_account_token: Some(work.reports),
            enable_service_links: Some(false),
            security_context: Some(pod_security(security)),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            restart_policy: Some(work.restart_policy.clone()),
            image_pull_secrets: (!cluster.images.pull_secrets.is_empty())
                .then(|| cluster.images.pull_secrets.clone()),
            affinity,
            tolerations: (!tolerations.is_empty()).then_some(tolerations),
            priority_class_name: settings.priority_class_name.clone(),
            init_containers: Some(vec![init_container(cluster)]),
            containers: vec![self.container(work)],
            volumes: Some(volumes),
            ..PodSpec::default()
        }
    }

    fn container(&self, work: Work) -> Container {
        let mut sources = self.backups.env_from.clone();
        let mut environment = work.environment;
        environment.splice(0..0, self.backups.env.iter().cloned());
        sources.extend(work.sources);
        let mut mounts = vec![mount("tmp", "/tmp"), read_only("holdfast", paths::HOLDFAST)];
        mounts.extend(pgbackrest_mounts());
        mounts.extend(self.volume().map(repo_host::mount_of));
        Container {
            name: CONTAINER.to_owned(),
            image: Some(self.cluster.images.pgbackrest.clone()),
            image_pull_policy: self.cluster.images.pull_policy.clone(),
            command: Some(work.command),
            env: (!environment.is_empty()).then_some(environment),
            env_from: (!sources.is_empty()).then_some(sources),
            resources: self.settings.resources.clone(),
            security_context: Some(container_security()),
            volume_mounts: Some(mounts),
            ..Container::default()
        }
    }
}

/// What another try cannot mend ends the Job at once.
fn failure_policy() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![PodFailurePolicyRule {
            action: "FailJob".to_owned(),
            on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                container_name: Some(CONTAINER.to_owned()),
                operator: "In".to_owned(),
                values: vec![i32::from(exit::PERMANENT)],
            }),
            on_pod_conditions: None,
        }],
    }
}

/// What the last Pod of a Job said when it ended.
#[must_use]
pub fn last_words(job: &Job, pods: &[Pod]) -> Option<String> {
    let of_job = |pod: &&Pod| pod.labels().get("batch.kubernetes.io/job-name") == Some(&job.name_any());
    let last = pods
        .iter()
        .filter(of_job)
        .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
    let statuses = last.status.as_ref()?.container_statuses.as_ref()?;
    let state = statuses.first()?.state.as_ref()?;
    let message = state.terminated.as_ref()?.message.as_ref()?;
    let outcome: BackupOutcome = serde_json::from_str(message).ok()?;
    Some(outcome.message)
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

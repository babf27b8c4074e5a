//! Pods of Jobs that run pgBackRest on one repository, whatever the command: its configuration and certificates, and for a
//! repository on a volume its claim, on the node of the repository host.

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, Pod, PodAffinityTerm, PodSecurityContext, PodSpec,
    PodTemplateSpec, SecurityContext, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::pod::{container_security, empty_dir, init_container, mount, pod_security, read_only};
use super::{pgbackrest_mounts, pgbackrest_volumes, repo_host};
use crate::agent::report::exit;
use crate::api::cluster::jobs::BackupJobs;
use crate::api::names::{LABEL_PGBACKREST, LABEL_PGBACKREST_REPO};
use crate::controllers::cluster::names::paths;
use crate::controllers::cluster::validated::{Backups, Metadata, RepositoryVolume, ValidatedCluster};
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
/// Kubernetes' label of a Job's Pods.
const LABEL_JOB: &str = "batch.kubernetes.io/job-name";
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
    /// Variables that the agent reads.
    pub environment: Vec<EnvVar>,
    /// Variables that the user wants for this work alone.
    pub own: Vec<EnvVar>,
    /// Sources of such variables.
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
        let metadata = self.metadata((frame.label, ""));
        let (labels, annotations) = (metadata.labels, metadata.annotations);
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

    /// What the user puts onto everything, and our own labels, one of which tells what it does.
    #[must_use]
    pub fn metadata(&self, what: (&str, &str)) -> Metadata {
        let mut metadata = self.cluster.metadata.clone();
        metadata.labels.extend(self.backups.metadata.labels.clone());
        metadata.labels.extend(self.cluster.names.labels("pgbackrest"));
        metadata.labels.extend([
            (LABEL_PGBACKREST.to_owned(), String::new()),
            (LABEL_PGBACKREST_REPO.to_owned(), self.repository.to_owned()),
            (what.0.to_owned(), what.1.to_owned()),
        ]);
        metadata
            .annotations
            .extend(self.backups.metadata.annotations.clone());
        metadata
    }

    /// The Pod.
    #[must_use]
    pub fn pod(&self, work: Work) -> PodSpec {
        let (cluster, settings) = (self.cluster, self.settings);
        let volume = self.volume();
        let host = &self.backups.repo_host.pod;
        let mut tolerations = settings.tolerations.clone();
        let mut affinity = settings.affinity.clone();
        let mut security = settings.security_context.clone();
        if volume.is_some() {
            // The claim can be mounted by several pods of one node; files on it belong to the user of the repository host.
            if self.beside_host {
                affinity = Some(beside_the_host(cluster, affinity));
            }
            tolerations.extend(host.tolerations.iter().cloned());
            security = Some(as_the_host(security, host.security.as_ref()));
        }
        let security = pod_security(security.as_ref());
        let mut init = init_container(cluster);
        if cluster.init_container.security.is_none() {
            init.security_context = Some(container_security_in(&security));
        }
        let mut volumes = vec![empty_dir("holdfast"), empty_dir("tmp")];
        let files = [(JOB_KEY, FILE_NAME)];
        volumes.extend(pgbackrest_volumes(cluster, self.backups, &files, None));
        volumes.extend::<Option<Volume>>(volume.map(repo_host::volume_of));
        PodSpec {
            service_account_name: Some(cluster.names.pgbackrest()),
            automount_service_account_token: Some(work.reports),
            enable_service_links: Some(false),
            containers: vec![Container {
                security_context: Some(container_security_in(&security)),
                ..self.container(&work)
            }],
            security_context: Some(security),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            restart_policy: Some(work.restart_policy),
            image_pull_secrets: (!cluster.images.pull_secrets.is_empty())
                .then(|| cluster.images.pull_secrets.clone()),
            affinity,
            tolerations: (!tolerations.is_empty()).then_some(tolerations),
            priority_class_name: settings.priority_class_name.clone(),
            init_containers: Some(vec![init]),
            volumes: Some(volumes),
            ..PodSpec::default()
        }
    }

    fn container(&self, work: &Work) -> Container {
        let mut environment = work.environment.clone();
        // Of two with one name, the work's goes before the cluster's.
        let own = |name: &str| work.own.iter().any(|variable| variable.name == name);
        let of_cluster = self.backups.env.iter().filter(|variable| !own(&variable.name));
        environment.extend(of_cluster.cloned());
        environment.extend(work.own.iter().cloned());
        let mut sources = self.backups.env_from.clone();
        sources.extend(work.sources.iter().cloned());
        let mut mounts = vec![mount("tmp", "/tmp"), read_only("holdfast", paths::HOLDFAST)];
        mounts.extend(pgbackrest_mounts());
        mounts.extend(self.volume().map(repo_host::mount_of));
        Container {
            name: CONTAINER.to_owned(),
            image: Some(self.cluster.images.pgbackrest.clone()),
            image_pull_policy: self.cluster.images.pull_policy.clone(),
            command: Some(work.command.clone()),
            env: (!environment.is_empty()).then_some(environment),
            env_from: (!sources.is_empty()).then_some(sources),
            resources: self.settings.resources.clone(),
            volume_mounts: Some(mounts),
            ..Container::default()
        }
    }
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

/// What another try cannot mend ends the Job at once.
#[must_use]
pub fn failure_policy() -> PodFailurePolicy {
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

/// The name of a Job that is for one object: of the object's uid, so that nothing runs twice.
#[must_use]
pub fn job_name(cluster: &str, what: &str, uid: Option<String>) -> String {
    let digest = Sha256::digest(uid.unwrap_or_default().as_bytes());
    let short = hex::encode(digest.get(..4).unwrap_or_default());
    format!("{cluster}-{what}-{short}")
}

/// The Pods of some Jobs.
#[must_use]
pub fn pods_of(jobs: &[String]) -> ListParams {
    ListParams::default().labels(&format!("{LABEL_JOB} in ({})", jobs.join(",")))
}

/// The newest Pod of a Job.
#[must_use]
pub fn last_pod<'a>(job: &Job, pods: &'a [Pod]) -> Option<&'a Pod> {
    let name = job.name_any();
    let own = pods
        .iter()
        .filter(|pod| pod.labels().get(LABEL_JOB) == Some(&name));
    own.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// What the newest Pod of a Job said when it ended.
#[must_use]
pub fn last_words<T: DeserializeOwned>(job: &Job, pods: &[Pod]) -> Option<T> {
    let statuses = last_pod(job, pods)?
        .status
        .as_ref()?
        .container_statuses
        .as_ref()?;
    let terminated = statuses.first()?.state.as_ref()?.terminated.as_ref()?;
    serde_json::from_str(terminated.message.as_ref()?).ok()
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

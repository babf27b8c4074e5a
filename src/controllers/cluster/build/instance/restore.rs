//! The Pod that restores an instance's volumes: the instance's own, with one container that ends.

use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvFromSource, EnvVar, EphemeralVolumeSource, PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate, PodSpec, ResourceRequirements, Toleration, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{data_mounts, environment, selecting, volumes};
use crate::controllers::cluster::build::pgbackrest;
use crate::controllers::cluster::build::pod::{around, container_security, init_container, mount};
use crate::controllers::cluster::build::repository_job::CONTAINER;
use crate::controllers::cluster::validated::{Instance, PodSettings, ValidatedCluster};

/// What a restore's container is given.
#[derive(Debug, Default)]
pub struct Restoring {
    /// The whole command.
    pub command: Vec<String>,
    /// The user's variables.
    pub env: Vec<EnvVar>,
    /// Sources of such variables.
    pub env_from: Vec<EnvFromSource>,
    /// Where it is done.
    pub place: Place,
}

/// What of a restore is not as it is with an instance of the cluster.
#[derive(Debug, Default)]
pub struct Place {
    /// What pgBackRest is mounted of another cluster's, instead of the cluster's own.
    pub source: Option<SourceFiles>,
    /// Where the Pod runs, and on what.
    pub placement: Placement,
    /// A claim that comes and goes with the Pod, instead of the instance's.
    pub throw_away: Option<PersistentVolumeClaimSpec>,
}

/// pgBackRest's configuration for a source that is not the cluster's own.
#[derive(Debug, Default)]
pub struct SourceFiles {
    /// For the mounts of [`pgbackrest::mounts`].
    pub volumes: Vec<Volume>,
    /// pgBackRest's options as variables.
    pub env: Vec<EnvVar>,
}

/// What of an instance's settings does not hold for the Job that brings its data.
#[derive(Debug, Default)]
pub struct Placement {
    /// Requests and limits.
    pub resources: Option<ResourceRequirements>,
    /// Which nodes.
    pub affinity: Option<Affinity>,
    /// Taints that are tolerated.
    pub tolerations: Vec<Toleration>,
    /// How urgent it is.
    pub priority_class: Option<String>,
}

impl Placement {
    fn over(self, settings: PodSettings) -> PodSettings {
        PodSettings {
            resources: self.resources.or(settings.resources),
            affinity: self.affinity.or(settings.affinity),
            tolerations: if self.tolerations.is_empty() {
                settings.tolerations
            } else {
                self.tolerations
            },
            priority_class: self.priority_class.or(settings.priority_class),
            ..settings
        }
    }
}

fn throw_away(name: &str, claim: &PersistentVolumeClaimSpec) -> Volume {
    Volume {
        name: name.to_owned(),
        ephemeral: Some(EphemeralVolumeSource {
            volume_claim_template: Some(PersistentVolumeClaimTemplate {
                metadata: None,
                spec: claim.clone(),
            }),
        }),
        ..Volume::default()
    }
}

/// The Pod; nothing only if its set does not exist, which validation excludes.
pub fn restore_pod(cluster: &ValidatedCluster, instance: &Instance, work: Restoring) -> Option<PodSpec> {
    let set = cluster.set_of(instance)?;
    let backups = cluster.backups.clone().unwrap_or_default();
    let mut environment = environment(cluster, set);
    environment.extend(set.pod.env.iter().cloned());
    let mut sources = set.pod.env_from.clone();
    let mut mounts = data_mounts(cluster, set);
    let mut volumes = volumes(cluster, set, instance);
    // What runs beside an instance would never end.
    let settings = work.place.placement.over(PodSettings {
        sidecars: Vec::new(),
        ..set.pod.clone()
    });
    if let Some(claim) = work.place.throw_away {
        // Those that are an instance's own.
        for volume in volumes
            .iter_mut()
            .filter(|volume| volume.persistent_volume_claim.is_some())
        {
            *volume = throw_away(&volume.name, &claim);
        }
    }
    if let Some(source) = work.place.source {
        environment.extend(source.env);
        volumes.retain(|own| source.volumes.iter().all(|theirs| theirs.name != own.name));
        volumes.extend(source.volumes);
        if cluster.backups.is_none() {
            mounts.extend(pgbackrest::mounts());
        }
    } else {
        environment.extend(backups.env);
        sources.extend(backups.env_from);
    }
    environment.extend(work.env);
    sources.extend(work.env_from);
    mounts.push(mount("dshm", "/dev/shm"));
    mounts.extend(set.pod.mounts.iter().cloned());
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(cluster.images.postgres.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some(work.command),
        env: Some(environment),
        env_from: (!sources.is_empty()).then_some(sources),
        resources: settings.resources.clone(),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let kin = LabelSelector {
        match_labels: Some(selecting(&cluster.names.cluster, &set.name, &instance.name)),
        match_expressions: None,
    };
    let pod = around(container, volumes, cluster, &settings, &kin);
    Some(PodSpec {
        service_account_name: Some(cluster.names.pgbackrest()),
        automount_service_account_token: Some(true),
        termination_grace_period_seconds: Some(60),
        restart_policy: Some("Never".to_owned()),
        init_containers: Some(vec![init_container(cluster)]),
        ..pod
    })
}

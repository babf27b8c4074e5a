//! The Pod that restores an instance's volumes: the instance's own, with one container that ends.

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{data_mounts, environment, selecting, volumes};
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
}

/// The Pod; nothing only if its set does not exist, which validation excludes.
pub fn restore_pod(cluster: &ValidatedCluster, instance: &Instance, work: Restoring) -> Option<PodSpec> {
    let set = cluster.set_of(instance)?;
    let backups = cluster.backups.clone().unwrap_or_default();
    let mut environment = environment(cluster, set);
    environment.extend(set.pod.env.iter().cloned());
    environment.extend(backups.env);
    environment.extend(work.env);
    let sources = [set.pod.env_from.clone(), backups.env_from, work.env_from].concat();
    let mut mounts = data_mounts(cluster, set);
    mounts.push(mount("dshm", "/dev/shm"));
    mounts.extend(set.pod.mounts.iter().cloned());
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(cluster.images.postgres.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some(work.command),
        env: Some(environment),
        env_from: (!sources.is_empty()).then_some(sources),
        resources: set.pod.resources.clone(),
        security_context: Some(container_security()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    // What runs beside an instance would never end.
    let settings = PodSettings {
        sidecars: Vec::new(),
        ..set.pod.clone()
    };
    let kin = LabelSelector {
        match_labels: Some(selecting(&cluster.names.cluster, &set.name, &instance.name)),
        match_expressions: None,
    };
    let pod = around(
        container,
        volumes(cluster, set, instance),
        cluster,
        &settings,
        &kin,
    );
    Some(PodSpec {
        service_account_name: Some(cluster.names.pgbackrest()),
        automount_service_account_token: Some(true),
        termination_grace_period_seconds: Some(60),
        restart_policy: Some("Never".to_owned()),
        init_containers: Some(vec![init_container(cluster)]),
        ..pod
    })
}

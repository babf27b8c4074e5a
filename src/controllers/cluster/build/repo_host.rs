//! The pod that mounts the volumes of repositories: instances send it WAL, the controller reads through it, and a backup
//! Job runs beside it. A cluster without such a repository has none.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    Container, ExecAction, PersistentVolumeClaim, PodSpec, PodTemplateSpec, Probe, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use super::metadata::{annotations, labels, lasting, owned, with};
use super::pgbackrest;
use super::pod::{
    AGENT_BINARY, around, claim_volume, container_security, empty_dir, env, from_secret, init_container,
    limited_empty_dir, mount, port, read_only,
};
use crate::api::names::{
    LABEL_PGBACKREST, LABEL_PGBACKREST_DEDICATED, LABEL_PGBACKREST_REPO, LABEL_PGBACKREST_VOLUME,
};
use crate::controllers::cluster::names::{LABEL_CLUSTER, LABEL_DATA, paths};
use crate::controllers::cluster::validated::{Backups, RepositoryVolume, ValidatedCluster};
use crate::pgbackrest::configuration::{
    FILE_NAME, REPO_HOST_KEY, SERVER_FILE_NAME, SERVER_KEY, SERVER_PORT, VOLUMES_DIRECTORY,
};
use crate::storage::repo_host::PORT;

/// Key of the server's certificate in the Secret of pgBackRest's certificates.
pub const CERTIFICATE_KEY: &str = "pgbackrest-repo-host.crt";
/// Its key.
pub const KEY_KEY: &str = "pgbackrest-repo-host.key";
/// What repositories have as [`LABEL_DATA`].
const DATA: &str = "pgbackrest";

/// The `StatefulSet`, where there is a volume.
pub fn stateful_set(cluster: &ValidatedCluster) -> Option<StatefulSet> {
    let backups = cluster
        .backups
        .as_ref()
        .filter(|backups| !backups.volumes.is_empty())?;
    let own = [
        (LABEL_PGBACKREST, ""),
        (LABEL_PGBACKREST_DEDICATED, ""),
        (LABEL_DATA, DATA),
    ];
    let labels = labels(cluster, "pgbackrest", &own, Some(&backups.metadata));
    let mut metadata = with(
        owned(cluster, cluster.names.repo_host(), "pgbackrest"),
        &backups.metadata,
    );
    metadata.labels = Some(labels.clone());
    Some(StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(backups.repo_host.running)),
            revision_history_limit: Some(0),
            // A Pod that cannot start must not keep its own repair from being rolled out.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: None,
            }),
            selector: selector(&cluster.names.cluster),
            service_name: Some(cluster.names.pods()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: annotations(
                        cluster,
                        &backups.metadata,
                        &[("kubectl.kubernetes.io/default-container", "pgbackrest")],
                    ),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(cluster, backups)),
            },
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}

/// Selects the pod.
pub fn selector(cluster: &str) -> LabelSelector {
    let labels = [
        (LABEL_CLUSTER, cluster),
        (LABEL_PGBACKREST, ""),
        (LABEL_PGBACKREST_DEDICATED, ""),
    ];
    LabelSelector {
        match_labels: Some(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        match_expressions: None,
    }
}

fn pod(cluster: &ValidatedCluster, backups: &Backups) -> PodSpec {
    let settings = &backups.repo_host.pod;
    // Data and backups keep apart where they can.
    let data_pods = LabelSelector {
        match_labels: Some([(LABEL_CLUSTER.to_owned(), cluster.names.cluster.clone())].into()),
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: LABEL_DATA.to_owned(),
            operator: "In".to_owned(),
            values: Some(vec!["postgres".to_owned(), DATA.to_owned()]),
        }]),
    };
    let main = container(cluster, backups);
    PodSpec {
        service_account_name: Some(cluster.names.pgbackrest()),
        termination_grace_period_seconds: Some(30),
        init_containers: Some(vec![init_container(cluster)]),
        ..around(main, volumes(cluster, backups), cluster, settings, &data_pods)
    }
}

fn container(cluster: &ValidatedCluster, backups: &Backups) -> Container {
    let mut environment = vec![env("HOLDFAST_PGBACKREST_CLIENT", cluster.pgbackrest_client())];
    environment.extend(backups.env.iter().cloned());
    let mut mounts = vec![mount("tmp", "/tmp"), read_only("holdfast", paths::HOLDFAST)];
    mounts.extend(pgbackrest::mounts());
    mounts.extend(backups.volumes.iter().map(mount_of));
    Container {
        name: "pgbackrest".to_owned(),
        image: Some(cluster.images.pgbackrest.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some([AGENT_BINARY, "agent", "repo-host"].map(str::to_owned).into()),
        env: Some(environment),
        env_from: (!backups.env_from.is_empty()).then(|| backups.env_from.clone()),
        ports: Some(vec![
            port("pgbackrest", i32::from(SERVER_PORT)),
            port("volumes", i32::from(PORT)),
        ]),
        resources: backups.repo_host.pod.resources.clone(),
        security_context: Some(container_security()),
        liveness_probe: Some(probe(30, 3)),
        readiness_probe: Some(probe(10, 2)),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// pgBackRest's own question to its server: it asks for no certificate, and leaves no complaint in the log.
fn probe(period: i32, failures: i32) -> Probe {
    Probe {
        exec: Some(ExecAction {
            command: Some(
                [
                    "pgbackrest",
                    "--io-timeout=5",
                    "--log-level-console=off",
                    "server-ping",
                    "127.0.0.1",
                ]
                .map(str::to_owned)
                .into(),
            ),
        }),
        initial_delay_seconds: Some(2),
        period_seconds: Some(period),
        timeout_seconds: Some(8),
        success_threshold: Some(1),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn volumes(cluster: &ValidatedCluster, backups: &Backups) -> Vec<Volume> {
    let server = from_secret(
        cluster.names.pgbackrest(),
        &[(CERTIFICATE_KEY, "server.crt"), (KEY_KEY, "server.key")],
    );
    let files = [(REPO_HOST_KEY, FILE_NAME), (SERVER_KEY, SERVER_FILE_NAME)];
    let mut volumes = vec![empty_dir("holdfast"), limited_empty_dir("tmp", "2Gi")];
    volumes.extend(pgbackrest::volumes(cluster, backups, &files, Some(server)));
    volumes.extend(backups.volumes.iter().map(volume_of));
    volumes
}

/// The volume of a repository, for a pod.
pub fn volume_of(volume: &RepositoryVolume) -> Volume {
    claim_volume(&volume.repo.name, volume.claim.clone())
}

/// And where it is mounted.
pub fn mount_of(volume: &RepositoryVolume) -> VolumeMount {
    mount(
        &volume.repo.name,
        &format!("{VOLUMES_DIRECTORY}/{}", volume.repo.name),
    )
}

/// Claims of the volumes. They have no owner: backups outlive the cluster.
pub fn claims(cluster: &ValidatedCluster) -> Vec<PersistentVolumeClaim> {
    let Some(backups) = &cluster.backups else {
        return Vec::new();
    };
    let claim = |volume: &RepositoryVolume| {
        let own = [
            (LABEL_PGBACKREST, ""),
            (LABEL_PGBACKREST_VOLUME, ""),
            (LABEL_PGBACKREST_REPO, volume.repo.name.as_str()),
            (LABEL_DATA, DATA),
        ];
        let metadata = with(
            lasting(cluster, volume.claim.clone(), "pgbackrest"),
            &backups.metadata,
        );
        PersistentVolumeClaim {
            metadata: ObjectMeta {
                labels: Some(labels(cluster, "pgbackrest", &own, Some(&backups.metadata))),
                ..metadata
            },
            spec: Some(volume.spec.clone()),
            status: None,
        }
    };
    backups.volumes.iter().map(claim).collect()
}

#[cfg(test)]
pub(crate) mod tests;

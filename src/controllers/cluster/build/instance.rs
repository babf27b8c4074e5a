//! One PostgreSQL server: its `StatefulSet` and its claims.

mod claims;
mod restore;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, HTTPGetAction, PodSpec, PodTemplateSpec, Probe, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub use self::claims::claims;
pub use self::restore::{Place, Placement, Restoring, SourceFiles, restore_pod};
use super::metadata::{annotations, labels, owned, with};
use super::patroni::local_key;
use super::pgbackrest;
use super::pod::{
    AGENT_BINARY, around, claim_volume, container_security, empty_dir, env, env_field, from_config_map,
    from_secret, init_container, limited_empty_dir, mount, port, projected, read_only, shared_memory,
};
use crate::controllers::cluster::names::{
    ANNOTATION_LED_LAST, LABEL_CLUSTER, LABEL_DATA, LABEL_INSTANCE, LABEL_INSTANCE_SET, LABEL_PATRONI, Names,
    paths,
};
use crate::controllers::cluster::validated::{Instance, InstanceSet, ValidatedCluster};
use crate::pgbackrest::configuration::{FILE_NAME, INSTANCE_KEY, SERVER_FILE_NAME, SERVER_KEY};

/// The `StatefulSet` of one instance; nothing only if its set does not exist, which validation excludes.
pub fn stateful_set(cluster: &ValidatedCluster, instance: &Instance) -> Option<StatefulSet> {
    let set = cluster.set_of(instance)?;
    let identity = identity(cluster, set, instance);
    let identity: Vec<_> = identity
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let selector = LabelSelector {
        match_labels: Some(selecting(&cluster.names.cluster, &set.name, &instance.name)),
        match_expressions: None,
    };
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels(cluster, "pg", &identity, Some(&set.metadata))),
            annotations: annotations(
                cluster,
                &set.metadata,
                &[("kubectl.kubernetes.io/default-container", "database")],
            ),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(cluster, set, instance)),
    };
    let mut metadata = with(owned(cluster, instance.name.clone(), "pg"), &set.metadata);
    metadata.labels = Some(labels(cluster, "pg", &identity, Some(&set.metadata)));
    if instance.led_last {
        metadata
            .annotations
            .get_or_insert_default()
            .insert(ANNOTATION_LED_LAST.to_owned(), "true".to_owned());
    }
    Some(StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(instance.running)),
            revision_history_limit: Some(0),
            selector,
            service_name: Some(cluster.names.pods()),
            template,
            // Which Pod goes when is decided by us: replicas first, the primary last.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}

fn selecting(cluster: &str, set: &str, instance: &str) -> BTreeMap<String, String> {
    [
        (LABEL_CLUSTER, cluster),
        (LABEL_INSTANCE_SET, set),
        (LABEL_INSTANCE, instance),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn identity(
    cluster: &ValidatedCluster,
    set: &InstanceSet,
    instance: &Instance,
) -> [(&'static str, String); 4] {
    [
        (LABEL_INSTANCE_SET, set.name.clone()),
        (LABEL_INSTANCE, instance.name.clone()),
        (LABEL_DATA, "postgres".to_owned()),
        (LABEL_PATRONI, cluster.names.ha()),
    ]
}

fn pod(cluster: &ValidatedCluster, set: &InstanceSet, instance: &Instance) -> PodSpec {
    let settings = &set.pod;
    let mut init_containers = vec![init_container(cluster)];
    init_containers.extend(settings.init_containers.iter().cloned());
    let data_pods = LabelSelector {
        match_labels: Some(
            [
                (LABEL_CLUSTER, cluster.names.cluster.as_str()),
                (LABEL_DATA, "postgres"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ),
        match_expressions: None,
    };
    let pod = around(
        database(cluster, set, instance),
        volumes(cluster, set, instance),
        cluster,
        settings,
        &data_pods,
    );
    let beside = if cluster.backups.is_some() {
        pgbackrest(cluster, set)
    } else {
        agent_alone(cluster, set)
    };
    let mut containers = pod.containers;
    containers.insert(1, beside);
    PodSpec {
        service_account_name: Some(cluster.names.instance_account()),
        automount_service_account_token: Some(true),
        // Patroni's clean stop writes a checkpoint and waits for the last WAL to be archived.
        termination_grace_period_seconds: Some(60),
        init_containers: Some(init_containers),
        containers,
        ..pod
    }
}

fn database(cluster: &ValidatedCluster, set: &InstanceSet, instance: &Instance) -> Container {
    let patroni = &cluster.patroni;
    let mut environment = environment(cluster, set);
    let host = format!(
        "$(POD_NAME).{}.{}.svc.{}",
        cluster.names.pods(),
        cluster.names.namespace,
        cluster.names.dns_suffix
    );
    environment.extend([
        env("PATRONI_NAME", "$(POD_NAME)"),
        env("PATRONI_KUBERNETES_POD_IP", "$(POD_IP)"),
        env(
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS",
            format!("{host}:{}", cluster.port),
        ),
        env(
            "PATRONI_RESTAPI_CONNECT_ADDRESS",
            format!("{host}:{}", patroni.port),
        ),
    ]);
    let (data, wal) = instance.adopted.clone().unwrap_or_default();
    environment.extend(data.map(|name| env("HOLDFAST_ADOPTED_DATA", name)));
    environment.extend(wal.map(|name| env("HOLDFAST_ADOPTED_WAL", name)));
    environment.extend(set.pod.env.iter().cloned());
    let mut mounts = data_mounts(cluster, set);
    mounts.extend([
        mount("dshm", "/dev/shm"),
        read_only("patroni-config", "/etc/patroni"),
    ]);
    mounts.extend(set.pod.mounts.iter().cloned());
    Container {
        name: "database".to_owned(),
        image: Some(cluster.images.postgres.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some([AGENT_BINARY, "agent", "postgres"].map(str::to_owned).into()),
        env: Some(environment),
        env_from: (!set.pod.env_from.is_empty()).then(|| set.pod.env_from.clone()),
        ports: Some(vec![
            port("postgres", cluster.port),
            port("patroni", patroni.port),
        ]),
        resources: set.pod.resources.clone(),
        security_context: Some(container_security()),
        liveness_probe: Some(probe(cluster, "/liveness")),
        readiness_probe: Some(probe(cluster, "/readiness")),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn pgbackrest(cluster: &ValidatedCluster, set: &InstanceSet) -> Container {
    Container {
        image: Some(cluster.images.pgbackrest.clone()),
        ports: Some(vec![port("pgbackrest", 8432)]),
        ..agent_alone(cluster, set)
    }
}

/// The agent's container: it supervises pgBackRest's server where there is one, and applies users and databases in any case.
fn agent_alone(cluster: &ValidatedCluster, set: &InstanceSet) -> Container {
    let mut environment = environment(cluster, set);
    environment.extend(set.pod.env.iter().cloned());
    let mut env_from = set.pod.env_from.clone();
    if let Some(backups) = &cluster.backups {
        environment.extend(backups.env.iter().cloned());
        env_from.extend(backups.env_from.iter().cloned());
    }
    Container {
        name: "pgbackrest".to_owned(),
        image: Some(cluster.images.postgres.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some([AGENT_BINARY, "agent", "instance"].map(str::to_owned).into()),
        env: Some(environment),
        env_from: (!env_from.is_empty()).then_some(env_from),
        resources: set.pgbackrest_resources.clone(),
        security_context: Some(container_security()),
        volume_mounts: Some(data_mounts(cluster, set)),
        ..Container::default()
    }
}

fn environment(cluster: &ValidatedCluster, set: &InstanceSet) -> Vec<EnvVar> {
    let version = cluster.postgres_version;
    let mut environment = vec![
        env_field("POD_NAME", "metadata.name"),
        env_field("POD_UID", "metadata.uid"),
        env_field("POD_IP", "status.podIP"),
        env("HOLDFAST_CLUSTER", &cluster.names.cluster),
        env("HOLDFAST_NAMESPACE", &cluster.names.namespace),
        env("HOLDFAST_POSTGRES_VERSION", version.to_string()),
        env(
            "HOLDFAST_WAL_DIRECTORY",
            paths::wal_directory(version, set.wal_claim.is_some()),
        ),
        env(
            "HOLDFAST_PATRONI_URL",
            format!("https://localhost:{}", cluster.patroni.port),
        ),
        env("PGDATA", paths::data_directory(version)),
        env("PGHOST", paths::SOCKETS),
        env("PGPORT", cluster.port.to_string()),
        env("PGUSER", "postgres"),
    ];
    if !set.tablespaces.is_empty() {
        let volumes = set.tablespaces.iter().map(|(name, _)| paths::tablespace(name));
        let volumes = volumes.collect::<Vec<_>>().join(":");
        environment.push(env("HOLDFAST_TABLESPACES", volumes));
    }
    environment
}

fn data_mounts(cluster: &ValidatedCluster, set: &InstanceSet) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("postgres-data", paths::DATA),
        mount("tmp", "/tmp"),
        read_only("holdfast", paths::HOLDFAST),
        read_only("cert-volume", paths::TLS),
    ];
    if set.wal_claim.is_some() {
        mounts.push(mount("postgres-wal", paths::WAL));
    }
    for (name, _) in &set.tablespaces {
        mounts.push(mount(&tablespace_volume(name), &paths::tablespace(name)));
    }
    if cluster.backups.is_some() {
        mounts.extend(pgbackrest::mounts());
    }
    mounts
}

fn tablespace_volume(name: &str) -> String {
    format!("tablespace-{name}")
}

fn volumes(cluster: &ValidatedCluster, set: &InstanceSet, instance: &Instance) -> Vec<Volume> {
    let names = &cluster.names;
    let mut volumes = vec![
        claim_volume("postgres-data", instance.data_claim.clone()),
        empty_dir("holdfast"),
        limited_empty_dir("tmp", "2Gi"),
        shared_memory(),
        projected(
            "patroni-config",
            vec![from_config_map(
                names.config(),
                &[(local_key(set.wal_claim.is_some()), "patroni.yaml")],
            )],
        ),
        projected(
            "cert-volume",
            vec![
                from_secret(
                    names.cluster_cert(),
                    &[
                        ("tls.crt", "tls.crt"),
                        ("tls.key", "tls.key"),
                        ("ca.crt", "ca.crt"),
                    ],
                ),
                from_secret(
                    names.replication_cert(),
                    &[
                        ("tls.crt", "replication/tls.crt"),
                        ("tls.key", "replication/tls.key"),
                        ("ca.crt", "replication/ca.crt"),
                    ],
                ),
            ],
        ),
    ];
    if set.wal_claim.is_some() {
        volumes.push(claim_volume("postgres-wal", instance.wal_claim.clone()));
    }
    for (name, _) in &set.tablespaces {
        let claim = Names::tablespace_claim(&instance.name, name);
        volumes.push(claim_volume(&tablespace_volume(name), claim));
    }
    if let Some(backups) = &cluster.backups {
        let server = from_secret(
            Names::instance_certs(&instance.name),
            &[
                ("pgbackrest-server.crt", "server.crt"),
                ("pgbackrest-server.key", "server.key"),
            ],
        );
        let files = [(INSTANCE_KEY, FILE_NAME), (SERVER_KEY, SERVER_FILE_NAME)];
        volumes.extend(pgbackrest::volumes(cluster, backups, &files, Some(server)));
    }
    volumes
}

/// Kubelet does not verify the certificate of an HTTPS probe, and Patroni asks for none on reads.
fn probe(cluster: &ValidatedCluster, path: &str) -> Probe {
    let (ttl, period) = (cluster.patroni.ttl, cluster.patroni.loop_wait.max(1));
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(cluster.patroni.port),
            scheme: Some("HTTPS".to_owned()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(3),
        period_seconds: Some(period),
        timeout_seconds: Some((period / 2).max(1)),
        success_threshold: Some(1),
        failure_threshold: Some((ttl / period).max(1)),
        ..Probe::default()
    }
}

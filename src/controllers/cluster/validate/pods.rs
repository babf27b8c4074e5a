//! What users may say about Pods, from the resource's shape into ours.

use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use crate::api::PerconaPGClusterSpec;
use crate::api::cluster::{instances, proxy};
use crate::api::pods::{ExtraVolume, Metadata as ApiMetadata};
use crate::controllers::cluster::validated::{InstanceSet, Metadata, PodSettings};

pub fn metadata(metadata: Option<&ApiMetadata>) -> Metadata {
    metadata.map_or_else(Metadata::default, |metadata| Metadata {
        labels: metadata.labels.clone(),
        annotations: metadata.annotations.clone(),
    })
}

pub fn instance_set(name: String, set: &instances::InstanceSet, spec: &PerconaPGClusterSpec) -> InstanceSet {
    let (mut volumes, mut mounts) = extra(&set.extra_volumes);
    volumes.extend(set.sidecar_volumes.iter().cloned());
    mounts.extend(set.volume_mounts.iter().cloned());
    let pgbackrest = spec.backups.pgbackrest.as_ref();
    InstanceSet {
        name,
        replicas: set.replicas,
        min_available: set.min_available.clone(),
        metadata: metadata(set.metadata.as_ref()),
        data_claim: set.data_volume_claim_spec.clone(),
        wal_claim: set.wal_volume_claim_spec.clone(),
        tablespaces: set
            .tablespace_volumes
            .iter()
            .map(|volume| (volume.name.clone(), volume.data_volume_claim_spec.clone()))
            .collect(),
        pod: PodSettings {
            resources: set.resources.clone(),
            affinity: set.affinity.clone(),
            tolerations: set.tolerations.clone(),
            topology_spread: some(&set.topology_spread_constraints),
            priority_class: set.priority_class_name.clone(),
            security: set.security_context.clone(),
            env: set.env.clone(),
            env_from: set.env_from.clone(),
            sidecars: set.sidecars.clone(),
            volumes,
            mounts,
            init_containers: set.init_containers.clone(),
        },
        pgbackrest_resources: pgbackrest
            .and_then(|pgbackrest| {
                pgbackrest
                    .containers
                    .clone()
                    .or_else(|| pgbackrest.sidecars.clone())
            })
            .and_then(|containers| containers.pgbackrest)
            .and_then(|container| container.resources),
    }
}

pub fn pooler(pg_bouncer: &proxy::PgBouncer) -> PodSettings {
    PodSettings {
        resources: pg_bouncer.resources.clone(),
        affinity: pg_bouncer.affinity.clone(),
        tolerations: pg_bouncer.tolerations.clone(),
        topology_spread: some(&pg_bouncer.topology_spread_constraints),
        priority_class: pg_bouncer.priority_class_name.clone(),
        security: pg_bouncer.security_context.clone(),
        env: pg_bouncer.env.clone(),
        env_from: pg_bouncer.env_from.clone(),
        sidecars: pg_bouncer.sidecars.clone(),
        volumes: pg_bouncer.sidecar_volumes.clone(),
        mounts: Vec::new(),
        init_containers: Vec::new(),
    }
}

pub fn repo_host(spec: &PerconaPGClusterSpec) -> PodSettings {
    let host = spec
        .backups
        .pgbackrest
        .as_ref()
        .and_then(|pgbackrest| pgbackrest.repo_host.clone())
        .unwrap_or_default();
    PodSettings {
        topology_spread: some(&host.topology_spread_constraints),
        resources: host.resources,
        affinity: host.affinity,
        tolerations: host.tolerations,
        priority_class: host.priority_class_name,
        security: host.security_context,
        sidecars: host.sidecars,
        volumes: host.sidecar_volumes,
        ..PodSettings::default()
    }
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn extra(extra: &[ExtraVolume]) -> (Vec<Volume>, Vec<VolumeMount>) {
    let volumes = extra
        .iter()
        .map(|volume| volume.volume_source.named(&volume.name))
        .collect();
    let mounts = extra
        .iter()
        .flat_map(|volume| {
            volume.mounts.iter().map(|mount| VolumeMount {
                name: volume.name.clone(),
                mount_path: mount.mount_path.clone(),
                sub_path: mount.sub_path.clone(),
                read_only: Some(mount.read_only),
                ..VolumeMount::default()
            })
        })
        .collect();
    (volumes, mounts)
}

//! What all Pods of ours have in common: security contexts of the restricted profile, mounts, environment.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    KeyToPath, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec,
    ProjectedVolumeSource, SeccompProfile, SecretProjection, SecurityContext, TopologySpreadConstraint,
    Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::controllers::cluster::names::paths;
use crate::controllers::cluster::validated::{PodSettings, ValidatedCluster};

/// Our binary, where the init container has put it.
pub const AGENT_BINARY: &str = "/opt/holdfast/holdfast";
/// Group of the images' `postgres` user: what mounts are given to.
const POSTGRES_GROUP: i64 = 26;
/// Read-only for owner (root) and group: PostgreSQL, libpq and pgBackRest accept keys of root with this mode.
pub const SECRET_MODE: i32 = 0o440;

/// Security context of every container of ours.
#[must_use]
pub fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        seccomp_profile: Some(runtime_default()),
        ..SecurityContext::default()
    }
}

/// Security context of a Pod: the user's, completed to the restricted profile.
#[must_use]
pub fn pod_security(user: Option<&PodSecurityContext>) -> PodSecurityContext {
    let mut context = user.cloned().unwrap_or_default();
    context.fs_group.get_or_insert(POSTGRES_GROUP);
    context
        .fs_group_change_policy
        .get_or_insert_with(|| "OnRootMismatch".to_owned());
    context.run_as_non_root.get_or_insert(true);
    context.seccomp_profile.get_or_insert_with(runtime_default);
    context
}

fn runtime_default() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    }
}

/// A Pod of ours around one container, with all that the user may say of any: where it runs, and what runs beside it.
/// Unless the user says otherwise it keeps apart from the Pods that `kin` selects. It asks the API server nothing.
pub fn around(
    main: Container,
    volumes: Vec<Volume>,
    cluster: &ValidatedCluster,
    settings: &PodSettings,
    kin: &LabelSelector,
) -> PodSpec {
    let pull_secrets = &cluster.images.pull_secrets;
    let mut containers = vec![main];
    containers.extend(settings.sidecars.iter().cloned());
    let mut all = volumes;
    all.extend(settings.volumes.iter().cloned());
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security(settings.security.as_ref())),
        image_pull_secrets: (!pull_secrets.is_empty()).then(|| pull_secrets.clone()),
        affinity: settings.affinity.clone(),
        tolerations: (!settings.tolerations.is_empty()).then(|| settings.tolerations.clone()),
        topology_spread_constraints: Some(settings.topology_spread.clone().unwrap_or_else(|| spread(kin))),
        priority_class_name: settings.priority_class.clone(),
        containers,
        volumes: Some(all),
        ..PodSpec::default()
    }
}

/// Copies our binary into the Pod, so that any image with the standard programs will do.
pub fn init_container(cluster: &ValidatedCluster) -> Container {
    let own = &cluster.init_container;
    Container {
        name: "holdfast-init".to_owned(),
        image: Some(cluster.images.holdfast.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some(
            ["/usr/local/bin/holdfast", "agent", "install", paths::HOLDFAST]
                .map(str::to_owned)
                .into(),
        ),
        resources: own.resources.clone(),
        security_context: Some(own.security.clone().unwrap_or_else(container_security)),
        volume_mounts: Some(vec![mount("holdfast", paths::HOLDFAST)]),
        ..Container::default()
    }
}

pub fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

pub fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(volume, path)
    }
}

pub fn empty_dir(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

pub fn limited_empty_dir(name: &str, limit: &str) -> Volume {
    let source = EmptyDirVolumeSource {
        size_limit: Some(Quantity(limit.to_owned())),
        medium: None,
    };
    Volume {
        name: name.to_owned(),
        empty_dir: Some(source),
        ..Volume::default()
    }
}

/// Shared memory beyond the container runtime's 64 MB, which parallel queries exceed.
pub fn shared_memory() -> Volume {
    let source = EmptyDirVolumeSource {
        medium: Some("Memory".to_owned()),
        size_limit: None,
    };
    Volume {
        name: "dshm".to_owned(),
        empty_dir: Some(source),
        ..Volume::default()
    }
}

pub fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    let source = ProjectedVolumeSource {
        sources: Some(sources),
        default_mode: Some(SECRET_MODE),
    };
    Volume {
        name: name.to_owned(),
        projected: Some(source),
        ..Volume::default()
    }
}

pub fn from_secret(secret: String, items: &[(&str, &str)]) -> VolumeProjection {
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret,
            items: Some(key_paths(items)),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

pub fn from_config_map(config_map: String, items: &[(&str, &str)]) -> VolumeProjection {
    VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: config_map,
            items: Some(key_paths(items)),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

fn key_paths(items: &[(&str, &str)]) -> Vec<KeyToPath> {
    items
        .iter()
        .map(|(key, path)| KeyToPath {
            key: (*key).to_owned(),
            path: (*path).to_owned(),
            mode: None,
        })
        .collect()
}

pub fn env(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        value_from: None,
    }
}

pub fn env_field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector {
        field_path: path.to_owned(),
        api_version: None,
    };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(field),
            ..EnvVarSource::default()
        }),
    }
}

pub fn claim_volume(name: &str, claim: String) -> Volume {
    let source = PersistentVolumeClaimVolumeSource {
        claim_name: claim,
        read_only: None,
    };
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(source),
        ..Volume::default()
    }
}

pub fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// Unless the user says otherwise, Pods of one kind keep apart where they can.
fn spread(selector: &LabelSelector) -> Vec<TopologySpreadConstraint> {
    ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        .map(|key| TopologySpreadConstraint {
            max_skew: 1,
            topology_key: key.to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(selector.clone()),
            ..TopologySpreadConstraint::default()
        })
        .into()
}

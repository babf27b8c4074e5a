//! From what the user wrote and what exists to the proof type that `build` takes, or to a refusal with its reason.
//!
//! CEL rules have said what can be said of the object alone; here is what needs settings, the store of images, or
//! what exists.

mod access;
mod backups;
mod images;
pub mod jobs;
mod pods;
mod standby;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use kube::Resource as _;
use serde_json::Value;

use super::engine;
use super::instances::{self, Existing};
use super::names::{Names, PGBOUNCER_USER, REPLICATION_USER};
use super::validated::{
    Exposure, Extensions, InitContainer, Instance, InstanceSet, Metadata, Patroni, Pooler, Stopped, User,
    ValidatedCluster,
};
use crate::api::cluster::data_source::{DataSource, VolumesSource};
use crate::api::cluster::services::Expose;
use crate::api::cluster::status::RestoreUnderWay;
use crate::api::cluster::users::PasswordType;
use crate::api::{PerconaPGCluster, PerconaPGClusterSpec, Reason, names as api_names};
use crate::pgbackrest::user_options::UserOptions;

pub use images::ImageDefaults;

/// Why a cluster is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Public word.
    pub reason: Reason,
    /// What exactly, for a person.
    pub message: String,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What exists of the cluster, as far as validation depends on it.
#[derive(Debug, Clone, Default)]
pub struct Existence {
    /// Instances by set name.
    pub instances: BTreeMap<String, Vec<Existing>>,
    /// Specs of instances' claims by name.
    pub claims: BTreeMap<String, PersistentVolumeClaimSpec>,
    /// Names of the claims with data and with WAL, by instance, where they are there.
    pub volumes: BTreeMap<String, Volumes>,
    /// Claims that `spec.dataSource.volumes` names, and that are no instance's yet, by name; nothing where nobody has looked, since
    /// no instance is built.
    pub offered: Option<BTreeMap<String, Offered>>,
    /// Claims of repositories.
    pub volume_claims: Vec<PersistentVolumeClaim>,
    /// No instance has data yet, where `spec.dataSource` says that some are to be brought.
    pub awaits_data: bool,
}

/// Names of an instance's claims.
#[derive(Debug, Clone, Default)]
pub struct Volumes {
    pub data: Option<String>,
    pub wal: Option<String>,
}

/// A claim that is to be taken over.
#[derive(Debug, Clone, Default)]
pub struct Offered {
    /// To whom it belongs, in words, if to anybody.
    pub owner: Option<String>,
}

/// Longest cluster name and set name together: what is derived from them must be a DNS label.
const LONGEST_NAMES: usize = 46;
/// Names that must not be application users.
const RESERVED_USERS: [&str; 2] = ["monitor", "logicalrepl"];

/// Validates. `cleared` are the repositories that may be given a stanza.
pub fn validate(
    cluster: &PerconaPGCluster,
    defaults: &ImageDefaults,
    existence: &Existence,
    options: &UserOptions,
    cleared: BTreeSet<String>,
) -> Result<ValidatedCluster, Refusal> {
    let spec = &cluster.spec;
    let names = Names::of(cluster);
    let owner = cluster.controller_owner_ref(&()).ok_or_else(|| {
        Refusal::new(
            Reason::InvalidObject,
            "the object has no UID yet, so nothing can belong to it",
        )
    })?;
    volumes::check(spec, existence)?;
    let sets = sets(&names, spec)?;
    let paused = spec.pause.unwrap_or(false);
    let restore = cluster.status.as_ref().and_then(|status| status.restore.as_ref());
    let stopped = paused || restore.is_some() || existence.awaits_data;
    let volumes = spec
        .data_source
        .as_ref()
        .and_then(|source| source.volumes.as_ref());
    let instances = place(&names, &sets, stopped, restore, volumes, existence);
    let dynamic = spec
        .patroni
        .as_ref()
        .and_then(|patroni| patroni.dynamic_configuration.clone())
        .map_or_else(|| Value::Object(serde_json::Map::default()), Value::Object);
    refuse_wal_level(&dynamic)?;
    let patroni = spec.patroni.clone().unwrap_or_default();
    let backed_up = spec.backups.is_enabled();
    Ok(ValidatedCluster {
        uid: owner.uid.clone(),
        owner: owner.clone(),
        images: images::of(spec, defaults)?,
        postgres_version: spec.postgres_version,
        port: spec.port,
        metadata: pods::metadata(spec.metadata.as_ref()),
        paused,
        stopped: if existence.awaits_data {
            Some(Stopped::AwaitsData)
        } else {
            restore.map(|_| Stopped::Restoring)
        },
        sets,
        instances: instances.clone(),
        patroni: Patroni {
            ttl: patroni.leader_lease_duration_seconds,
            loop_wait: patroni.sync_period_seconds,
            port: patroni.port,
            has_source: spec
                .data_source
                .as_ref()
                .is_some_and(|source| **source != DataSource::default()),
            dynamic,
            track_commit_timestamp: backed_up && spec.backups.track_latest_restorable_time.unwrap_or(true),
        },
        standby: standby::of(spec)?,
        hba: access::lines(spec)?,
        extensions: extensions(spec)?,
        users: users(&names, spec)?,
        create_user_schema: spec.auto_create_user_schema.unwrap_or(true),
        expose: exposure(spec.expose.as_ref()),
        expose_replicas: exposure(spec.expose_replicas.as_ref()),
        pooler: spec.proxy.as_ref().map(|proxy| pooler(&proxy.pg_bouncer)),
        backups: if backed_up {
            let files = engine::files(spec, &names, &owner.uid, &instances, options)?;
            Some(backups::of(spec, &names, existence, files, cleared))
        } else {
            None
        },
        init_container: InitContainer {
            resources: spec
                .init_container
                .as_ref()
                .and_then(|init| init.resources.clone()),
            security: spec
                .init_container
                .as_ref()
                .and_then(|init| init.container_security_context.clone()),
        },
        names,
    })
}

fn refuse_wal_level(dynamic: &Value) -> Result<(), Refusal> {
    match dynamic
        .pointer("/postgresql/parameters/wal_level")
        .and_then(Value::as_str)
    {
        None | Some("logical" | "replica") => Ok(()),
        Some(other) => Err(Refusal::new(
            Reason::InvalidSpecification,
            format!(
                "patroni.dynamicConfiguration: wal_level {other:?} cannot be archived; use logical or replica"
            ),
        )),
    }
}

fn sets(names: &Names, spec: &PerconaPGClusterSpec) -> Result<Vec<InstanceSet>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut sets = Vec::new();
    for (position, set) in spec.instances.iter().enumerate() {
        let name = api_names::instance_set(&set.name, position);
        if names.cluster.len() + name.len() > LONGEST_NAMES {
            return Err(Refusal::new(
                Reason::InvalidSpecification,
                format!(
                    "the names of the cluster and of instance set {name} are longer than {LONGEST_NAMES} characters together"
                ),
            ));
        }
        if !seen.insert(name.clone()) {
            return Err(Refusal::new(
                Reason::InvalidSpecification,
                format!("two instance sets are named {name}"),
            ));
        }
        sets.push(pods::instance_set(name, set, spec));
    }
    Ok(sets)
}

fn place(
    names: &Names,
    sets: &[InstanceSet],
    stopped: bool,
    restore: Option<&RestoreUnderWay>,
    source: Option<&VolumesSource>,
    existence: &Existence,
) -> Vec<Instance> {
    let mut placed: Vec<(usize, Existing)> = Vec::new();
    for (position, set) in sets.iter().enumerate() {
        let existing = existence
            .instances
            .get(&set.name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let wanted = usize::try_from(set.replicas).unwrap_or(1).max(1);
        for name in instances::choose(&names.cluster, &set.name, wanted, existing) {
            let known = existing.iter().find(|instance| instance.name == name).cloned();
            placed.push((
                position,
                known.unwrap_or_else(|| Existing {
                    name,
                    ..Existing::default()
                }),
            ));
        }
    }
    let everything: Vec<Existing> = placed.iter().map(|(_, instance)| instance.clone()).collect();
    let mut parts = instances::parts(stopped, &everything);
    // What was restored starts first, and alone.
    if let Some(restored) = restore.and_then(|restore| restore.instance.as_ref()) {
        for (instance, part) in everything.iter().zip(&mut parts) {
            part.led_last = instance.name == *restored;
        }
    }
    placed
        .into_iter()
        .zip(parts)
        .map(|((set, instance), part)| {
            let own = volumes::of(names, sets, &instance.name, source, existence);
            let claims = existence.claims.iter();
            Instance {
                existing_claims: claims
                    .filter(|(claim, _)| own.has(claim))
                    .map(|(claim, spec)| (claim.clone(), spec.clone()))
                    .collect(),
                data_claim: own.data,
                wal_claim: own.wal,
                adopted: own.adopted,
                name: instance.name,
                set,
                running: part.running,
                led_last: part.led_last,
            }
        })
        .collect()
}

fn users(names: &Names, spec: &PerconaPGClusterSpec) -> Result<Vec<User>, Refusal> {
    let Some(users) = &spec.users else {
        return Ok(vec![User {
            name: names.cluster.clone(),
            databases: vec![names.cluster.clone()],
            options: String::new(),
            secret: names.user_secret(&names.cluster),
            alphanumeric: false,
            grant_public_schema_access: false,
        }]);
    };
    users
        .iter()
        .map(|user| {
            if RESERVED_USERS.contains(&user.name.as_str())
                || [REPLICATION_USER, PGBOUNCER_USER].contains(&user.name.as_str())
            {
                return Err(Refusal::new(
                    Reason::InvalidSpecification,
                    format!("users: the name {} is reserved", user.name),
                ));
            }
            Ok(User {
                name: user.name.clone(),
                databases: user.databases.clone(),
                options: user.options.clone().unwrap_or_default(),
                secret: user
                    .secret_name
                    .clone()
                    .unwrap_or_else(|| names.user_secret(&user.name)),
                alphanumeric: user
                    .password
                    .as_ref()
                    .is_some_and(|password| password.type_ == PasswordType::AlphaNumeric),
                grant_public_schema_access: user.grant_public_schema_access.unwrap_or(false),
            })
        })
        .collect()
}

fn extensions(spec: &PerconaPGClusterSpec) -> Result<Extensions, Refusal> {
    let wanted = spec.extensions.clone().unwrap_or_default();
    let builtin = wanted.builtin.unwrap_or_default();
    let on = |switch: Option<bool>, older: Option<bool>, default: bool| switch.or(older).unwrap_or(default);
    let switch = |switch: &Option<crate::api::cluster::extensions::ExtensionSwitch>| {
        switch.as_ref().and_then(|switch| switch.enabled)
    };
    let monitor = on(switch(&wanted.pg_stat_monitor), builtin.pg_stat_monitor, false);
    let statements = on(
        switch(&wanted.pg_stat_statements),
        builtin.pg_stat_statements,
        false,
    );
    if monitor && statements {
        return Err(Refusal::new(
            Reason::InvalidSpecification,
            "extensions: pg_stat_monitor and pg_stat_statements exclude each other",
        ));
    }
    let mut extensions = Extensions::default();
    // Name in SQL, library to preload if any, and whether it is wanted.
    for (name, library, wanted) in [
        ("pg_stat_monitor", Some("pg_stat_monitor"), monitor),
        ("pg_stat_statements", Some("pg_stat_statements"), statements),
        (
            "pgaudit",
            Some("pgaudit"),
            on(switch(&wanted.pg_audit), builtin.pg_audit, true),
        ),
        (
            "vector",
            None,
            on(switch(&wanted.pgvector), builtin.pgvector, false),
        ),
        (
            "pg_repack",
            None,
            on(switch(&wanted.pg_repack), builtin.pg_repack, false),
        ),
        (
            "set_user",
            Some("set_user"),
            on(switch(&wanted.set_user), None, false),
        ),
    ] {
        if wanted {
            extensions.create.push(name.to_owned());
            extensions.preload.extend(library.map(str::to_owned));
        }
    }
    // pg_cron can be created in one database only, so it is preloaded and left to the user to create.
    if on(switch(&wanted.pg_cron), None, false) {
        extensions.preload.push("pg_cron".to_owned());
    }
    Ok(extensions)
}

fn exposure(expose: Option<&Expose>) -> Exposure {
    expose.map_or_else(Exposure::default, |expose| Exposure {
        service_type: Some(expose.type_.clone()).filter(|kind| !kind.is_empty()),
        metadata: Metadata {
            labels: expose.labels.clone(),
            annotations: expose.annotations.clone(),
        },
        node_port: expose.node_port,
        load_balancer_class: expose.load_balancer_class.clone(),
        load_balancer_source_ranges: expose.load_balancer_source_ranges.clone(),
    })
}

fn pooler(pg_bouncer: &crate::api::cluster::proxy::PgBouncer) -> Pooler {
    let config = pg_bouncer.config.clone().unwrap_or_default();
    Pooler {
        replicas: pg_bouncer.replicas,
        port: pg_bouncer.port,
        min_available: pg_bouncer.min_available.clone(),
        metadata: pods::metadata(pg_bouncer.metadata.as_ref()),
        pod: pods::pooler(pg_bouncer),
        expose: exposure(pg_bouncer.expose.as_ref()),
        global: config.global,
        databases: config.databases,
        users: config.users,
        expose_superusers: pg_bouncer.expose_superusers.unwrap_or(false),
    }
}

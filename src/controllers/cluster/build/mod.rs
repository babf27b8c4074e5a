//! Builds every object of a cluster from what was validated. Pure but for fresh keys and passwords: no client, and the
//! clock is passed in. What exists already and must be kept (certificates, passwords) comes in as [`Held`].

mod access;
mod budgets;
mod certificates;
mod desired;
mod instance;
mod metadata;
mod patroni;
mod pgbackrest;
pub(crate) mod pod;
mod pooler;
pub(crate) mod repo_host;
pub(crate) mod repository_job;
mod services;
mod users;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};

pub(crate) use instance::{Place, Placement, Restoring, SourceFiles, restore_pod};
pub(crate) use pgbackrest::{mounts as pgbackrest_mounts, volumes as pgbackrest_volumes};

use super::validated::ValidatedCluster;
use crate::pki::PkiError;

/// What exists and must be kept or pointed at.
#[derive(Clone, Default)]
pub struct Held {
    /// Data of existing Secrets, by name.
    pub secrets: BTreeMap<String, HeldSecret>,
    /// Address of the Service in front of Patroni's leader, once Kubernetes has given it one.
    pub leader_address: Option<String>,
}

/// One existing Secret.
#[derive(Clone, Default)]
pub struct HeldSecret {
    /// Decoded data.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Version the data was read at: a write of the same Secret is refused when someone changed it since.
    pub version: Option<String>,
}

impl Held {
    fn value(&self, secret: &str, key: &str) -> Option<&[u8]> {
        self.secrets.get(secret)?.data.get(key).map(Vec::as_slice)
    }

    fn text(&self, secret: &str, key: &str) -> Option<String> {
        String::from_utf8(self.value(secret, key)?.to_vec())
            .ok()
            .filter(|text| !text.is_empty())
    }
}

/// Why a validated cluster could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A document of ours could not be written as JSON or YAML.
    #[error("cannot render {what}: {message}")]
    Render {
        /// Which document.
        what: &'static str,
        /// What the serializer said.
        message: String,
    },
}

impl BuildError {
    /// Short stable name for metrics and Events.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Pki(error) => error.category(),
            Self::Render { .. } => "render",
        }
    }
}

/// Every object of a cluster. `apply` takes it apart without `..`: a new field does not compile until it is applied.
#[derive(Clone)]
pub struct Built {
    pub service_accounts: Vec<ServiceAccount>,
    pub roles: Vec<Role>,
    pub role_bindings: Vec<RoleBinding>,
    /// Kept when the cluster goes: certificates and the users' credentials.
    pub lasting_secrets: Vec<Secret>,
    /// Derived from the others; goes with the cluster.
    pub agent_secret: Secret,
    /// Revision of the document in it.
    pub revision: String,
    pub config_maps: Vec<ConfigMap>,
    pub services: Vec<Service>,
    pub endpoint_slices: Vec<EndpointSlice>,
    /// Without owner: they outlive the cluster.
    pub claims: Vec<PersistentVolumeClaim>,
    pub stateful_sets: Vec<StatefulSet>,
    pub deployments: Vec<Deployment>,
    pub budgets: Vec<PodDisruptionBudget>,
}

/// Builds everything. `now` decides about the renewal of certificates only.
pub fn build(cluster: &ValidatedCluster, held: &Held, now: DateTime<Utc>) -> Result<Built, BuildError> {
    let certificates = certificates::build(cluster, held, now)?;
    let users = users::build(cluster, held);
    let pooler = pooler::build(cluster, held, &certificates)?;
    let dynamic = patroni::dynamic_configuration(cluster);
    let (agent_secret, revision) = desired::build(
        cluster,
        &users,
        pooler.as_ref().map(|p| p.verifier.clone()),
        &dynamic,
    )?;

    let mut config_maps = vec![
        patroni::config_map(cluster, &dynamic)?,
        pgbackrest::config_map(cluster),
    ];
    let mut deployments = Vec::new();
    let mut lasting_secrets = certificates.secrets;
    lasting_secrets.extend(users.into_iter().map(|user| user.secret));
    if let Some(pooler) = pooler {
        config_maps.push(pooler.config_map);
        deployments.push(pooler.deployment);
        lasting_secrets.push(pooler.secret);
    }
    Ok(Built {
        service_accounts: access::service_accounts(cluster),
        roles: access::roles(cluster),
        role_bindings: access::role_bindings(cluster),
        lasting_secrets,
        agent_secret,
        revision,
        config_maps,
        services: services::build(cluster),
        endpoint_slices: services::primary_slice(cluster, held).into_iter().collect(),
        claims: [instance::claims(cluster), repo_host::claims(cluster)].concat(),
        stateful_sets: cluster
            .instances
            .iter()
            .filter_map(|instance| instance::stateful_set(cluster, instance))
            .chain(repo_host::stateful_set(cluster))
            .collect(),
        deployments,
        budgets: budgets::build(cluster),
    })
}

/// The slice behind the primary's stable name, once the Service in front of the leader has an address.
pub fn primary_slice(cluster: &ValidatedCluster, leader_address: Option<String>) -> Option<EndpointSlice> {
    let held = Held {
        leader_address,
        ..Held::default()
    };
    services::primary_slice(cluster, &held)
}

#[cfg(test)]
pub(crate) mod tests;

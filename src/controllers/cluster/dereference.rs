//! All reads of a reconcile, none of them written back. Bounded: an API server that does not answer ends the reconcile.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, PersistentVolumeClaim, Pod, Secret, Service};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

use super::build::{Held, HeldSecret};
use super::names::{LABEL_CLUSTER, LABEL_DATA, LABEL_INSTANCE, Names};
use super::user_files::{self, Source, Sources};
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::reading::{PATIENCE, ReadError};

/// Everything a reconcile looks at.
#[derive(Clone)]
pub struct Observed {
    pub cluster: Arc<PerconaPGCluster>,
    pub stateful_sets: Vec<StatefulSet>,
    /// Pods of instances.
    pub pods: Vec<Pod>,
    pub claims: Vec<PersistentVolumeClaim>,
    pub pooler: Option<Deployment>,
    /// Name of the Pod that leads, as Patroni's Endpoints say; the role label can lie for half a minute.
    pub leader: Option<String>,
    pub held: Held,
    /// Data of what `configuration[]`, `env` and `envFrom` name.
    pub sources: Sources,
    /// Backups of this cluster.
    pub backups: Vec<PerconaPGBackup>,
}

/// Reads everything.
pub async fn dereference(client: &Client, cluster: Arc<PerconaPGCluster>) -> Result<Observed, ReadError> {
    tokio::time::timeout(PATIENCE, Box::pin(read(client, cluster)))
        .await
        .map_err(|_| ReadError::Timeout)?
}

async fn read(client: &Client, cluster: Arc<PerconaPGCluster>) -> Result<Observed, ReadError> {
    let names = Names {
        cluster: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        dns_suffix: String::new(),
    };
    let namespace = names.namespace.as_str();
    let ours = ListParams::default().labels(&format!("{LABEL_CLUSTER}={}", names.cluster));
    let data = ListParams::default().labels(&format!(
        "{LABEL_CLUSTER}={},{LABEL_DATA}=postgres,{LABEL_INSTANCE}",
        names.cluster
    ));
    let (ha, pooler_name) = (names.ha(), names.pgbouncer());

    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let backups: Api<PerconaPGBackup> = Api::namespaced(client.clone(), namespace);

    let (stateful_sets, pods, claims, pooler, leader, service, secrets_of_ours, backups) = futures::try_join!(
        async {
            stateful_sets
                .list(&data)
                .await
                .map_err(ReadError::of("StatefulSets"))
        },
        async { pods.list(&data).await.map_err(ReadError::of("Pods")) },
        async {
            claims
                .list(&data)
                .await
                .map_err(ReadError::of("PersistentVolumeClaims"))
        },
        async {
            deployments
                .get_opt(&pooler_name)
                .await
                .map_err(ReadError::of("Deployments"))
        },
        async { endpoints.get_opt(&ha).await.map_err(ReadError::of("Endpoints")) },
        async { services.get_opt(&ha).await.map_err(ReadError::of("Services")) },
        async { secrets.list(&ours).await.map_err(ReadError::of("Secrets")) },
        async {
            backups
                .list(&ListParams::default())
                .await
                .map_err(ReadError::of("PerconaPGBackups"))
        },
    )?;
    let mut held = BTreeMap::new();
    for secret in secrets_of_ours {
        held.insert(secret.name_any(), keep(secret));
    }
    // What was made by another hand need not carry our label, and its content must be kept all the same.
    for name in expected_secrets(&names, &cluster) {
        if !held.contains_key(&name)
            && let Some(secret) = secrets.get_opt(&name).await.map_err(ReadError::of("Secrets"))?
        {
            held.insert(name, keep(secret));
        }
    }
    let leader = leader
        .and_then(|endpoints| endpoints.metadata.annotations)
        .and_then(|annotations| annotations.get("leader").cloned())
        .filter(|leader| !leader.is_empty());
    let leader_address = service
        .and_then(|service| service.spec)
        .and_then(|spec| spec.cluster_ip)
        .filter(|address| !address.is_empty() && address != "None");
    Ok(Observed {
        sources: read_sources(client, namespace, &cluster).await?,
        stateful_sets: stateful_sets.items,
        pods: pods.items,
        claims: claims.items,
        pooler,
        leader,
        held: Held {
            secrets: held,
            leader_address,
        },
        backups: backups
            .items
            .into_iter()
            .filter(|backup| backup.spec.pg_cluster == names.cluster)
            .collect(),
        cluster,
    })
}

fn keep(secret: Secret) -> HeldSecret {
    HeldSecret {
        version: secret.metadata.resource_version,
        data: secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect(),
    }
}

fn expected_secrets(names: &Names, cluster: &PerconaPGCluster) -> Vec<String> {
    let mut expected = vec![
        names.ca_secret(),
        names.cluster_cert(),
        names.replication_cert(),
        names.pgbackrest(),
        names.pgbouncer(),
    ];
    match &cluster.spec.users {
        None => expected.push(names.user_secret(&names.cluster)),
        Some(users) => expected.extend(users.iter().map(|user| {
            user.secret_name
                .clone()
                .unwrap_or_else(|| names.user_secret(&user.name))
        })),
    }
    expected
}

/// Reads the Secrets and `ConfigMaps` on which pgBackRest's configuration depends; those that are missing are left out.
pub async fn read_sources(
    client: &Client,
    namespace: &str,
    cluster: &PerconaPGCluster,
) -> Result<Sources, ReadError> {
    let mut found = Sources::new();
    for source in referenced_sources(cluster) {
        let data = match &source {
            Source::Secret(name) => Api::<Secret>::namespaced(client.clone(), namespace)
                .get_opt(name)
                .await
                .map_err(ReadError::of("Secrets"))?
                .map(|secret| keep(secret).data),
            Source::ConfigMap(name) => Api::<ConfigMap>::namespaced(client.clone(), namespace)
                .get_opt(name)
                .await
                .map_err(ReadError::of("ConfigMaps"))?
                .map(|map| {
                    let text = map
                        .data
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(key, value)| (key, value.into_bytes()));
                    let binary = map
                        .binary_data
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(key, value)| (key, value.0));
                    text.chain(binary).collect()
                }),
        };
        if let Some(data) = data {
            found.insert(source, data);
        }
    }
    Ok(found)
}

/// The Secrets and `ConfigMaps` on which pgBackRest's configuration depends.
pub fn referenced_sources(cluster: &PerconaPGCluster) -> Vec<Source> {
    match &cluster.spec.backups.pgbackrest {
        Some(pgbackrest) if cluster.spec.backups.is_enabled() => {
            user_files::sources(&pgbackrest.configuration, &pgbackrest.env, &pgbackrest.env_from)
        }
        _ => Vec::new(),
    }
}

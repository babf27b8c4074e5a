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
use super::volumes;
use crate::api::names::LABEL_PGBACKREST_VOLUME;
use crate::api::{PerconaPGBackup, PerconaPGCluster};
use crate::controllers::reading::{PATIENCE, ReadError};

/// Everything a reconcile looks at.
#[derive(Clone)]
pub struct Observed {
    pub cluster: Arc<PerconaPGCluster>,
    pub stateful_sets: Vec<StatefulSet>,
    /// Pods of instances.
    pub pods: Vec<Pod>,
    /// Claims of instances.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Claims of repositories, also of those that the specification does not have any more.
    pub volume_claims: Vec<PersistentVolumeClaim>,
    /// The pod that mounts them.
    pub repo_host: Option<Pod>,
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
    let repo_host_pod = Names::pod(&names.repo_host());

    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let backups: Api<PerconaPGBackup> = Api::namespaced(client.clone(), namespace);

    let (
        stateful_sets,
        instances,
        claims,
        volume_claims,
        repo_host,
        pooler,
        leader,
        service,
        secrets_of_ours,
        backups,
    ) = futures::try_join!(
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
        async { volume_claims(client, &names, &cluster).await },
        async { pods.get_opt(&repo_host_pod).await.map_err(ReadError::of("Pods")) },
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
    Ok(Observed {
        sources: read_sources(client, namespace, &cluster).await?,
        stateful_sets: stateful_sets.items,
        pods: instances.items,
        claims: claims.items,
        volume_claims,
        repo_host,
        pooler,
        leader: leader.as_ref().and_then(leader_of),
        held: Held {
            secrets: held,
            leader_address: service.as_ref().and_then(address_of),
        },
        backups: backups
            .items
            .into_iter()
            .filter(|backup| backup.spec.pg_cluster == names.cluster)
            .collect(),
        cluster,
    })
}

fn leader_of(endpoints: &Endpoints) -> Option<String> {
    let leader = endpoints.metadata.annotations.as_ref()?.get("leader")?;
    (!leader.is_empty()).then(|| leader.clone())
}

fn address_of(service: &Service) -> Option<String> {
    let address = service.spec.as_ref()?.cluster_ip.as_ref()?;
    (!address.is_empty() && address != "None").then(|| address.clone())
}

/// Claims with the labels of a repository's, and those that only have the name of one.
async fn volume_claims(
    client: &Client,
    names: &Names,
    cluster: &PerconaPGCluster,
) -> Result<Vec<PersistentVolumeClaim>, ReadError> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &names.namespace);
    let labelled = format!("{LABEL_CLUSTER}={},{LABEL_PGBACKREST_VOLUME}", names.cluster);
    let of = ReadError::of("PersistentVolumeClaims");
    let mut claims = api
        .list(&ListParams::default().labels(&labelled))
        .await
        .map_err(&of)?
        .items;
    for repository in cluster.spec.backups.repositories() {
        let name = names.repository_claim(&repository.name);
        if volumes::volume_of(repository).is_some() && !claims.iter().any(|claim| claim.name_any() == name) {
            let only = ListParams::default().fields(&format!("metadata.name={name}"));
            claims.extend(api.list(&only).await.map_err(&of)?);
        }
    }
    Ok(claims)
}

/// What reading a repository on a volume needs.
#[derive(Debug, Clone, Default)]
pub struct VolumeReads {
    /// Claims of repositories.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Data of the Secret with pgBackRest's certificates, if it is there.
    pub certificates: Option<BTreeMap<String, Vec<u8>>>,
}

/// Reads it; nothing where the cluster has no repository on a volume.
pub async fn volume_reads(client: &Client, cluster: &PerconaPGCluster) -> Result<VolumeReads, ReadError> {
    let repositories = cluster.spec.backups.repositories();
    if repositories
        .iter()
        .all(|repository| volumes::volume_of(repository).is_none())
    {
        return Ok(VolumeReads::default());
    }
    let names = Names::of(cluster);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    let secret = secrets
        .get_opt(&names.pgbackrest())
        .await
        .map_err(ReadError::of("Secrets"))?;
    Ok(VolumeReads {
        claims: volume_claims(client, &names, cluster).await?,
        certificates: secret.map(|secret| keep(secret).data),
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

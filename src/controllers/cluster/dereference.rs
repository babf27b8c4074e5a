//! All reads of a reconcile, none of them written back: from what the watches show, and where that is not enough from the API
//! server. Bounded: one that does not answer ends the reconcile.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

use super::build::{Held, HeldSecret};
use super::names::{LABEL_CLUSTER, LABEL_DATA, LABEL_INSTANCE, Names};
use super::user_files::{self, Source, Sources};
use super::validated::ValidatedCluster;
use super::volumes;
use crate::api::names::LABEL_PGBACKREST_VOLUME;
use crate::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore};
use crate::controllers::fleet::{Fleet, Key};
use crate::controllers::reading::{ReadError, in_time};

/// Everything a reconcile looks at.
#[derive(Clone)]
pub struct Observed {
    pub cluster: Arc<PerconaPGCluster>,
    pub stateful_sets: Vec<StatefulSet>,
    /// Pods of instances.
    pub pods: Vec<Pod>,
    /// Claims of instances.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Claims that the specification wants taken over, and that are no instance's yet.
    pub offered: Vec<PersistentVolumeClaim>,
    /// Claims of repositories, also of those that the specification does not have any more.
    pub volume_claims: Vec<PersistentVolumeClaim>,
    /// The pod that mounts them.
    pub repo_host: Option<Pod>,
    pub pooler: Option<Deployment>,
    /// Name of the Pod that leads, as Patroni's Endpoints say; the role label can lie for half a minute.
    pub leader: Option<String>,
    /// Address of the Service in front of the leader, once Kubernetes has given it one.
    pub leader_address: Option<String>,
    /// The certificates with which the repository host is asked, where there is one.
    pub certificates: Option<BTreeMap<String, Vec<u8>>>,
    /// Data of what `configuration[]`, `env` and `envFrom` name.
    pub sources: Sources,
    /// Backups of this cluster.
    pub backups: Vec<PerconaPGBackup>,
    /// Restores that are to bring it its first data, where it is to have them from somewhere.
    pub bootstraps: Vec<PerconaPGRestore>,
}

#[cfg(test)]
impl Observed {
    /// Nothing but the cluster is there.
    pub fn nothing_but(cluster: PerconaPGCluster) -> Self {
        Self {
            cluster: Arc::new(cluster),
            stateful_sets: Vec::new(),
            pods: Vec::new(),
            claims: Vec::new(),
            offered: Vec::new(),
            volume_claims: Vec::new(),
            repo_host: None,
            pooler: None,
            leader: None,
            leader_address: None,
            certificates: None,
            sources: Sources::new(),
            backups: Vec::new(),
            bootstraps: Vec::new(),
        }
    }
}

/// Reads everything: what the watches show, and from the API server what they do not.
pub async fn dereference(
    client: &Client,
    fleet: &Fleet,
    cluster: Arc<PerconaPGCluster>,
) -> Result<Observed, ReadError> {
    in_time(Box::pin(read(client, fleet, cluster))).await
}

async fn read(client: &Client, fleet: &Fleet, cluster: Arc<PerconaPGCluster>) -> Result<Observed, ReadError> {
    let key = Key::new(cluster.namespace().unwrap_or_default(), cluster.name_any());
    let names = Names::named(&key);
    let repo_host_pod = Names::pod(&names.repo_host());
    let (hosts, pods): (Vec<Pod>, Vec<Pod>) = fleet
        .pods(&key)
        .into_iter()
        .filter(|pod| is_of_instance(pod) || pod.name_any() == repo_host_pod)
        .partition(|pod| pod.name_any() == repo_host_pod);
    let claims: Vec<PersistentVolumeClaim> = fleet.claims(&key).into_iter().filter(is_of_instance).collect();
    let (leader, offered, volumes, sources) = futures::try_join!(
        leader(client, &names, &pods),
        offered(client, &key.namespace, &cluster, &claims),
        volume_reads(client, fleet, &cluster),
        read_sources(client, fleet, &key.namespace, &cluster),
    )?;
    Ok(Observed {
        sources,
        stateful_sets: fleet
            .stateful_sets(&key)
            .into_iter()
            .filter(is_of_instance)
            .collect(),
        pods,
        claims,
        offered,
        volume_claims: volumes.claims,
        certificates: volumes.certificates,
        repo_host: hosts.into_iter().next(),
        pooler: fleet.deployment(&key, &names.pgbouncer()),
        leader,
        leader_address: fleet.address(&key, &names.ha()),
        backups: fleet.backups_of(&key),
        bootstraps: match cluster.spec.data_source {
            Some(_) => bootstraps(fleet, &key),
            None => Vec::new(),
        },
        cluster,
    })
}

/// Not watched: nothing of ours is on them.
async fn offered(
    client: &Client,
    namespace: &str,
    cluster: &PerconaPGCluster,
    known: &[PersistentVolumeClaim],
) -> Result<Vec<PersistentVolumeClaim>, ReadError> {
    let source = cluster
        .spec
        .data_source
        .as_ref()
        .and_then(|source| source.volumes.as_ref());
    let named = source
        .into_iter()
        .flat_map(|source| [&source.pg_data_volume, &source.pg_wal_volume]);
    let unknown = named
        .flatten()
        .filter(|volume| known.iter().all(|claim| claim.name_any() != volume.pvc_name));
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    // Of claims the operator may only make lists.
    let named = unknown.map(|volume| {
        let by_name = ListParams::default().fields(&format!("metadata.name={}", volume.pvc_name));
        let api = &api;
        async move { api.list(&by_name).await }
    });
    let found = try_join_all(named)
        .await
        .map_err(ReadError::of("PersistentVolumeClaims"))?;
    Ok(found.into_iter().flatten().collect())
}

fn bootstraps(fleet: &Fleet, cluster: &Key) -> Vec<PerconaPGRestore> {
    let all = fleet.restores().state();
    let readable = all.iter().filter_map(|restore| restore.0.as_ref().ok());
    let of_it = readable.filter(|restore| {
        restore.is_bootstrap()
            && restore.namespace().as_ref() == Some(&cluster.namespace)
            && restore.spec.pg_cluster == cluster.name
    });
    of_it.cloned().collect()
}

fn is_of_instance(object: &impl kube::ResourceExt) -> bool {
    let labels = object.labels();
    labels.contains_key(LABEL_INSTANCE) && labels.get(LABEL_DATA).map(String::as_str) == Some("postgres")
}

/// Who leads. Not watched: Patroni writes it anew every few seconds. Nobody leads before a Pod has an address.
async fn leader(client: &Client, names: &Names, pods: &[Pod]) -> Result<Option<String>, ReadError> {
    let started = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some());
    if !pods.iter().any(started) {
        return Ok(None);
    }
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &names.namespace);
    let read = endpoints
        .get_opt(&names.ha())
        .await
        .map_err(ReadError::of("Endpoints"))?;
    Ok(read.as_ref().and_then(leader_of))
}

/// The instances as they are at this moment, read from the API server: for whoever is about to stop one.
pub async fn instances_now(client: &Client, observed: &Observed) -> Result<Observed, ReadError> {
    let names = Names::of(&observed.cluster);
    let data = ListParams::default().labels(&format!(
        "{LABEL_CLUSTER}={},{LABEL_DATA}=postgres,{LABEL_INSTANCE}",
        names.cluster
    ));
    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), &names.namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &names.namespace);
    let read = async {
        let (stateful_sets, pods) = futures::try_join!(
            async {
                stateful_sets
                    .list(&data)
                    .await
                    .map_err(ReadError::of("StatefulSets"))
            },
            async { pods.list(&data).await.map_err(ReadError::of("Pods")) },
        )?;
        Ok(Observed {
            leader: leader(client, &names, &pods.items).await?,
            stateful_sets: stateful_sets.items,
            pods: pods.items,
            ..observed.clone()
        })
    };
    in_time(read).await
}

/// The Secrets whose content is kept or pointed at: those of a cluster with these instances. Read from the API server, since what
/// is not there is made anew, and a password must not be.
pub async fn held(
    client: &Client,
    cluster: &ValidatedCluster,
    observed: &Observed,
) -> Result<Held, ReadError> {
    let names = &cluster.names;
    let api: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    let mut expected = expected_secrets(names, &observed.cluster);
    expected.extend(
        cluster
            .instances
            .iter()
            .map(|instance| Names::instance_certs(&instance.name)),
    );
    let reads = expected.iter().map(|name| async {
        let secret = api.get_opt(name).await.map_err(ReadError::of("Secrets"))?;
        Ok(secret.map(|secret| (name.clone(), keep(secret))))
    });
    let read = in_time(try_join_all(reads)).await?;
    Ok(Held {
        secrets: read.into_iter().flatten().collect(),
        leader_address: observed.leader_address.clone(),
    })
}

fn leader_of(endpoints: &Endpoints) -> Option<String> {
    let leader = endpoints.metadata.annotations.as_ref()?.get("leader")?;
    (!leader.is_empty()).then(|| leader.clone())
}

/// Claims with the labels of a repository's, and those that only have the name of one.
async fn volume_claims(
    client: &Client,
    fleet: &Fleet,
    names: &Names,
    cluster: &PerconaPGCluster,
) -> Result<Vec<PersistentVolumeClaim>, ReadError> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &names.namespace);
    let of = ReadError::of("PersistentVolumeClaims");
    let mut claims = fleet.claims(&Key::new(names.namespace.clone(), names.cluster.clone()));
    claims.retain(|claim| claim.labels().contains_key(LABEL_PGBACKREST_VOLUME));
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

/// Reads it; no certificates where the cluster has no repository on a volume.
pub async fn volume_reads(
    client: &Client,
    fleet: &Fleet,
    cluster: &PerconaPGCluster,
) -> Result<VolumeReads, ReadError> {
    let names = Names::of(cluster);
    let claims = volume_claims(client, fleet, &names, cluster).await?;
    let repositories = cluster.spec.backups.repositories();
    if repositories
        .iter()
        .all(|repository| volumes::volume_of(repository).is_none())
    {
        return Ok(VolumeReads {
            claims,
            certificates: None,
        });
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &names.namespace);
    let secret = secrets
        .get_opt(&names.pgbackrest())
        .await
        .map_err(ReadError::of("Secrets"))?;
    Ok(VolumeReads {
        claims,
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
    fleet: &Fleet,
    namespace: &str,
    cluster: &PerconaPGCluster,
) -> Result<Sources, ReadError> {
    let mut found = Sources::new();
    for source in referenced_sources(cluster) {
        let read = read_source(client, namespace, &source);
        if let Some(data) = fleet.contents().get(namespace, &source, read).await? {
            found.insert(source, data);
        }
    }
    Ok(found)
}

/// Data of a Secret or `ConfigMap`, with its version.
async fn read_source(
    client: &Client,
    namespace: &str,
    source: &Source,
) -> Result<Option<(Option<String>, BTreeMap<String, Vec<u8>>)>, ReadError> {
    Ok(match source {
        Source::Secret(name) => Api::<Secret>::namespaced(client.clone(), namespace)
            .get_opt(name)
            .await
            .map_err(ReadError::of("Secrets"))?
            .map(keep)
            .map(|secret| (secret.version, secret.data)),
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
                (map.metadata.resource_version, text.chain(binary).collect())
            }),
    })
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

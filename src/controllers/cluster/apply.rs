//! The only part that writes. Server-side apply of everything that was built and is not there as it was built, then clean-up of
//! what no longer is, then at most one Pod replaced.
//!
//! What the API server refuses (a quota, a policy, a claim that cannot shrink) is told and does not stop the rest; what
//! it does not answer does.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::build::{Built, primary_slice};
use super::dereference::{Observed, instances_now};
use super::names::{FIELD_MANAGER, RECORD_MANAGER, holder};
use super::reconcile::Failure;
use super::record::{Memory, Record, Sent};
use super::rolling::{self, Candidate};
use super::status::{is_outdated, is_ready, pod_of};
use super::validated::ValidatedCluster;
use crate::controllers::fleet::{Fingerprint, Fleet, Key};
use crate::controllers::writer::{WriteError, Writer};

/// How the writing went.
#[derive(Debug, Default)]
pub struct Applied {
    /// What the API server refused, in its words.
    pub problems: Vec<String>,
    /// Something that is no longer built has to stay for now.
    pub held_back: bool,
}

impl Applied {
    /// What the server refuses is told; what it did not answer ends the round.
    fn refused<K: kube::Resource<DynamicType = ()>>(
        &mut self,
        object: &K,
        error: WriteError,
    ) -> Result<(), WriteError> {
        if !error.is_refusal() {
            return Err(error);
        }
        let (kind, name) = (K::kind(&()), object.name_any());
        self.problems.push(format!("{kind} {name}: {error}"));
        Ok(())
    }
}

/// Writes one cluster.
pub struct Apply<'a> {
    pub client: &'a kube::Client,
    pub writer: &'a Writer,
    pub fleet: &'a Fleet,
    pub memory: &'a Memory,
    pub cluster: &'a ValidatedCluster,
    pub observed: &'a Observed,
}

impl Apply<'_> {
    /// Applies everything and removes what is left over.
    pub async fn everything(&self, built: Built) -> Result<Applied, Failure> {
        let mut applied = Applied::default();
        // Taken apart without `..`: what is built must be applied.
        let Built {
            service_accounts,
            roles,
            role_bindings,
            lasting_secrets,
            agent_secret,
            revision: _,
            config_maps,
            services,
            mut endpoint_slices,
            claims,
            stateful_sets,
            deployments,
            budgets,
        } = built;
        self.each(&service_accounts, &mut applied).await?;
        self.each(&roles, &mut applied).await?;
        self.each(&role_bindings, &mut applied).await?;
        self.each(&lasting_secrets, &mut applied).await?;
        self.each(std::slice::from_ref(&agent_secret), &mut applied)
            .await?;
        self.each(&config_maps, &mut applied).await?;
        self.services(&services, &mut applied).await?;
        if endpoint_slices.is_empty() {
            // The address may have been given just now.
            endpoint_slices.extend(primary_slice(self.cluster, self.leader_address()));
        }
        self.each(&endpoint_slices, &mut applied).await?;
        self.each(&claims, &mut applied).await?;
        self.each(&stateful_sets, &mut applied).await?;
        self.each(&deployments, &mut applied).await?;
        self.each(&budgets, &mut applied).await?;

        self.sweep::<Deployment>(&names(&deployments)).await?;
        applied.held_back = !self.sweep_instances(&names(&stateful_sets)).await?;
        self.sweep::<PodDisruptionBudget>(&names(&budgets)).await?;
        self.sweep::<Service>(&names(&services)).await?;
        if !endpoint_slices.is_empty() {
            self.sweep::<EndpointSlice>(&names(&endpoint_slices)).await?;
        }
        self.sweep::<ConfigMap>(&names(&config_maps)).await?;
        let mut secrets = names(&lasting_secrets);
        secrets.insert(agent_secret.name_any());
        self.sweep::<Secret>(&secrets).await?;
        self.sweep::<RoleBinding>(&names(&role_bindings)).await?;
        self.sweep::<Role>(&names(&roles)).await?;
        self.sweep::<ServiceAccount>(&names(&service_accounts)).await?;
        Ok(applied)
    }

    /// Writes down that everything is applied.
    pub async fn write_down(&self, record: &Record) -> Result<(), WriteError> {
        let names = &self.cluster.names;
        let account: ServiceAccount = self
            .writer
            .annotate(
                &names.namespace,
                &holder(&names.cluster),
                super::names::ANNOTATION_APPLIED,
                &record.to_string(),
                RECORD_MANAGER,
            )
            .await?;
        self.fleet.see::<ServiceAccount>(&account.metadata);
        Ok(())
    }

    fn key(&self) -> Key {
        let names = &self.cluster.names;
        Key::new(names.namespace.clone(), names.cluster.clone())
    }

    fn leader_address(&self) -> Option<String> {
        self.fleet.address(&self.key(), &self.cluster.names.ha())
    }

    async fn each<K>(&self, objects: &[K], applied: &mut Applied) -> Result<(), WriteError>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Serialize
            + DeserializeOwned
            + Clone
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let namespace = &self.cluster.names.namespace;
        for object in objects.iter().filter(|object| !self.stands(*object)) {
            match self.writer.apply(namespace, object, FIELD_MANAGER).await {
                Ok(there) => {
                    self.fleet.see::<K>(&there.metadata);
                    self.remember(object);
                }
                Err(error) => applied.refused(object, error)?,
            }
        }
        Ok(())
    }

    /// Kubernetes gives them addresses, which are wanted further on.
    async fn services(&self, services: &[Service], applied: &mut Applied) -> Result<(), WriteError> {
        let namespace = &self.cluster.names.namespace;
        for service in services.iter().filter(|service| !self.stands(*service)) {
            match self.writer.apply_whole(namespace, service, FIELD_MANAGER).await {
                Ok(there) => {
                    self.fleet.see_service(&there);
                    self.remember(service);
                }
                Err(error) => applied.refused(service, error)?,
            }
        }
        Ok(())
    }

    /// This process has applied it just so, and it is as it was then.
    fn stands<K: kube::Resource<DynamicType = ()> + Serialize + Clone>(&self, object: &K) -> bool {
        let sent = self.sent(object);
        sent.is_some() && self.memory.get(&self.cluster.uid, identity(object)) == sent
    }

    fn remember<K: kube::Resource<DynamicType = ()> + Serialize + Clone>(&self, object: &K) {
        if let Some(sent) = self.sent(object) {
            self.memory.keep(&self.cluster.uid, identity(object), sent);
        }
    }

    /// What is sent, and the fields that are ours now; nothing while it is not there.
    fn sent<K: kube::Resource<DynamicType = ()> + Serialize + Clone>(&self, object: &K) -> Option<Sent> {
        let fields = self.fleet.traces().fields::<K>(&self.key(), &object.name_any())?;
        let content = content(object);
        Some(Sent { content, fields })
    }

    /// Deletes objects of a kind that belong to this cluster and are no longer built.
    async fn sweep<K>(&self, keep: &BTreeSet<String>) -> Result<(), WriteError>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + DeserializeOwned
            + Clone
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        if !self.fleet.traces().has_others::<K>(&self.key(), keep) {
            return Ok(());
        }
        let namespace = &self.cluster.names.namespace;
        let api: Api<PartialObjectMeta<K>> = Api::namespaced(self.client.clone(), namespace);
        let ours = ListParams::default().labels(&self.cluster.names.selector());
        for object in api.list_metadata(&ours).await.map_err(WriteError::from)? {
            // Labels may be copied by anyone; the owner says whose it is.
            let owned = object
                .owner_references()
                .iter()
                .any(|owner| owner.uid == self.cluster.uid);
            let name = object.name_any();
            if owned && !keep.contains(&name) && object.metadata.deletion_timestamp.is_none() {
                tracing::info!(kind = %K::kind(&()), name, "removing what is no longer part of the cluster");
                self.writer
                    .delete::<K>(namespace, &name, object.uid().as_deref())
                    .await?;
            }
        }
        Ok(())
    }

    /// An instance may be removed only while another one that stays is ready. False: some have to stay for now.
    async fn sweep_instances(&self, keep: &BTreeSet<String>) -> Result<bool, Failure> {
        if !self.fleet.traces().has_others::<StatefulSet>(&self.key(), keep) {
            return Ok(true);
        }
        let now = instances_now(self.client, self.observed).await?;
        let stays =
            |instance: &super::validated::Instance| pod_of(&now, &instance.name).is_some_and(is_ready);
        let may_go =
            self.cluster.paused && self.cluster.stopped.is_none() || self.cluster.instances.iter().any(stays);
        if may_go {
            self.sweep::<StatefulSet>(keep).await?;
        }
        Ok(may_go)
    }

    /// Replaces at most one Pod that is of an older template; its name.
    pub async fn replace_one(&self) -> Result<Option<String>, Failure> {
        if self.cluster.paused
            || self.cluster.stopped.is_some()
            || rolling::next(&self.candidates(self.observed)).is_none()
        {
            return Ok(None);
        }
        // What the watches show may be a moment old, and in that moment another Pod may have gone.
        let now = instances_now(self.client, self.observed).await?;
        let candidates = self.candidates(&now);
        let Some(pod) = rolling::next(&candidates) else {
            return Ok(None);
        };
        let uid = now
            .pods
            .iter()
            .find(|other| other.name_any() == pod)
            .and_then(kube::ResourceExt::uid);
        let namespace = &self.cluster.names.namespace;
        self.writer
            .delete::<k8s_openapi::api::core::v1::Pod>(namespace, pod, uid.as_deref())
            .await?;
        Ok(Some(pod.to_owned()))
    }

    fn candidates(&self, observed: &Observed) -> Vec<Candidate> {
        let instances = self.cluster.instances.iter();
        instances
            .map(|instance| {
                let pod = pod_of(observed, &instance.name);
                let name = super::names::Names::pod(&instance.name);
                Candidate {
                    present: pod.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none()),
                    ready: pod.is_some_and(is_ready),
                    outdated: is_outdated(observed, &instance.name),
                    leads: observed.leader.as_deref() == Some(name.as_str()),
                    pod: name,
                }
            })
            .collect()
    }
}

fn identity<K: kube::Resource<DynamicType = ()>>(object: &K) -> Fingerprint {
    Fingerprint::of(format!("{}/{}", K::kind(&()), object.name_any()).as_bytes())
}

/// What is sent of an object, but for the version that it was read at.
fn content<K: kube::Resource<DynamicType = ()> + Serialize + Clone>(object: &K) -> Fingerprint {
    let mut object = object.clone();
    object.meta_mut().resource_version = None;
    let mut hash = Sha256::new();
    // Writing into a hash does not fail.
    let _ = serde_json::to_writer(&mut hash, &object);
    Fingerprint::from_hash(hash)
}

fn names<K: kube::Resource>(objects: &[K]) -> BTreeSet<String> {
    objects
        .iter()
        .filter_map(|object| object.meta().name.clone())
        .collect()
}

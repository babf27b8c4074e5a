//! The only part that writes. Server-side apply of everything that was built, then clean-up of what no longer is, then
//! at most one Pod replaced.
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

use super::build::Built;
use super::dereference::Observed;
use super::names::FIELD_MANAGER;
use super::rolling::{self, Candidate};
use super::status::{is_outdated, is_ready, pod_of};
use super::validated::ValidatedCluster;
use crate::controllers::writer::{WriteError, Writer};

/// How the writing went.
#[derive(Debug, Default)]
pub struct Applied {
    /// What the API server refused, in its words.
    pub problems: Vec<String>,
    /// The Pod that was deleted so that it comes back from the new template.
    pub replaced: Option<String>,
}

/// Writes one cluster.
pub struct Apply<'a> {
    pub client: &'a kube::Client,
    pub writer: &'a Writer,
    pub cluster: &'a ValidatedCluster,
    pub observed: &'a Observed,
}

impl Apply<'_> {
    /// Applies everything, removes what is left over, replaces at most one Pod.
    pub async fn everything(&self, built: Built) -> Result<Applied, WriteError> {
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
            endpoint_slices,
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
        self.each(&services, &mut applied).await?;
        self.each(&endpoint_slices, &mut applied).await?;
        self.each(&claims, &mut applied).await?;
        self.each(&stateful_sets, &mut applied).await?;
        self.each(&deployments, &mut applied).await?;
        self.each(&budgets, &mut applied).await?;

        self.sweep::<Deployment>(&names(&deployments)).await?;
        if self.instances_may_go() {
            self.sweep::<StatefulSet>(&names(&stateful_sets)).await?;
        }
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

        if applied.problems.is_empty() && !self.cluster.paused {
            applied.replaced = self.replace_one().await?;
        }
        Ok(applied)
    }

    async fn each<K>(&self, objects: &[K], applied: &mut Applied) -> Result<(), WriteError>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Serialize
            + DeserializeOwned
            + Clone
            + std::fmt::Debug
            + Send
            + Sync,
    {
        for object in objects {
            match self
                .writer
                .apply(&self.cluster.names.namespace, object, FIELD_MANAGER)
                .await
            {
                Ok(_) => {}
                Err(error) if error.is_refusal() => {
                    applied
                        .problems
                        .push(format!("{} {}: {error}", K::kind(&()), object.name_any()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

    /// An instance may be removed only while another one that stays is ready.
    fn instances_may_go(&self) -> bool {
        self.cluster.paused
            || self
                .cluster
                .instances
                .iter()
                .any(|instance| pod_of(self.observed, &instance.name).is_some_and(is_ready))
    }

    async fn replace_one(&self) -> Result<Option<String>, WriteError> {
        let candidates: Vec<Candidate> = self
            .cluster
            .instances
            .iter()
            .map(|instance| {
                let pod = pod_of(self.observed, &instance.name);
                let name = super::names::Names::pod(&instance.name);
                Candidate {
                    present: pod.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none()),
                    ready: pod.is_some_and(is_ready),
                    outdated: is_outdated(self.observed, &instance.name),
                    leads: self.observed.leader.as_deref() == Some(name.as_str()),
                    pod: name,
                }
            })
            .collect();
        let Some(pod) = rolling::next(&candidates) else {
            return Ok(None);
        };
        let uid = self
            .observed
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
}

fn names<K: kube::Resource>(objects: &[K]) -> BTreeSet<String> {
    objects
        .iter()
        .filter_map(|object| object.meta().name.clone())
        .collect()
}

//! The only part of the controller that writes to the API server.
//!
//! Each write first checks that this replica still leads, is bounded in time, and is idempotent: server-side apply,
//! deletes by uid, merges with a `resourceVersion`. Nothing of a user's object is changed but its finalizers and its
//! status.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use kube::api::{
    Api, DeleteParams, PartialObjectMeta, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::leadership::Claim;

/// The API server must answer a write within this time; kube itself would wait for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Kinds that can be written.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// This replica does not lead any more.
    #[error("another replica leads")]
    NotLeading,
    /// No answer in time.
    #[error("the API server did not answer within {} s", PATIENCE.as_secs())]
    NoAnswer,
    /// An answer that is no success.
    #[error("{}", answer(.0))]
    Kube(Box<kube::Error>),
}

impl From<kube::Error> for WriteError {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl WriteError {
    /// Short stable name for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NotLeading => "not-leading",
            Self::NoAnswer => "api-timeout",
            Self::Kube(_) if self.is_refusal() => "api-refused",
            Self::Kube(_) if self.is_conflict() => "api-conflict",
            Self::Kube(_) => "api-write",
        }
    }

    /// The API server says no, and will say so again until something changes.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.code()
            .is_some_and(|code| (400..500).contains(&code) && code != 409 && code != 429)
    }

    /// Somebody else wrote in between.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Kube(error) => match &**error {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::NotLeading | Self::NoAnswer => None,
        }
    }
}

/// The API server's own sentence; kube's text repeats it with the whole answer around it.
fn answer(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// One write, for the log.
struct Step(String);

impl Step {
    fn of<K: Object>(verb: &str, name: &str) -> Self {
        Self(format!("{verb} {} {name}", K::kind(&())))
    }

    fn done(&self) {
        tracing::debug!(step = self.0, "written");
        #[cfg(debug_assertions)]
        super::death::after(&self.0);
    }
}

/// Writes, while this replica leads.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    claim: Claim,
}

/// What is sent is of the API's own types: to have the server look for fields that it does not know would be to have it read
/// everything twice.
fn applied_by(manager: &str) -> PatchParams {
    PatchParams::apply(manager).force().validation_ignore()
}

impl Writer {
    /// A writer that asks `claim` before each write.
    #[must_use]
    pub fn new(client: Client, claim: Claim) -> Self {
        Self { client, claim }
    }

    /// Server-side apply of a whole object; fields of `manager` that are no longer in it go away.
    pub async fn apply<K: Object + Serialize>(
        &self,
        namespace: &str,
        object: &K,
        manager: &str,
    ) -> Result<PartialObjectMeta<K>, WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let (name, params) = (object.name_any(), applied_by(manager));
        let patch = Patch::Apply(object);
        let applied = api.patch_metadata(&name, &params, &patch);
        self.guarded(Step::of::<K>("apply", &name), applied).await
    }

    /// The same where more than its metadata is wanted of what is there then.
    pub async fn apply_whole<K: Object + Serialize>(
        &self,
        namespace: &str,
        object: &K,
        manager: &str,
    ) -> Result<K, WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let (name, params) = (object.name_any(), applied_by(manager));
        let patch = Patch::Apply(object);
        let applied = api.patch(&name, &params, &patch);
        self.guarded(Step::of::<K>("apply", &name), applied).await
    }

    /// Writes one annotation of an object that is there, under a field manager for nothing else.
    pub async fn annotate<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        annotation: &str,
        value: &str,
        manager: &str,
    ) -> Result<K, WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let body = serde_json::json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name, "annotations": {annotation: value}},
        });
        let params = applied_by(manager);
        let patch = Patch::Apply(&body);
        let annotated = api.patch(name, &params, &patch);
        self.guarded(Step::of::<K>("annotate", name), annotated).await
    }

    /// Removes annotations of an object that is there, whoever has written them.
    pub async fn remove_annotations<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        annotations: &[&str],
    ) -> Result<(), WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        // Without anything to do, nothing is written: who dies behind each write has to get past this one.
        let there = api.get_metadata_opt(name).await?;
        let has = |annotation: &&str| {
            let there = there.as_ref().map(kube::ResourceExt::annotations);
            there.is_some_and(|there| there.contains_key(*annotation))
        };
        if !annotations.iter().any(has) {
            return Ok(());
        }
        let gone: serde_json::Map<String, serde_json::Value> = annotations
            .iter()
            .map(|annotation| ((*annotation).to_owned(), serde_json::Value::Null))
            .collect();
        let body = serde_json::json!({"metadata": {"annotations": gone}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        let removed = async {
            match api.patch(name, &params, &patch).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(|_| ()),
            }
        };
        self.guarded(Step::of::<K>("annotate", name), removed).await
    }

    /// Creates an object; one of that name that exists already is an error with [`WriteError::is_conflict`].
    pub async fn create<K: Object + Serialize>(
        &self,
        namespace: &str,
        object: &K,
        manager: &str,
    ) -> Result<K, WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        let step = Step::of::<K>("create", &object.name_any());
        self.guarded(step, api.create(&params, object)).await
    }

    /// Replaces an object that has not changed since it was read (its `resourceVersion` must be set).
    pub async fn replace<K: Object + Serialize>(
        &self,
        namespace: &str,
        object: &K,
        manager: &str,
    ) -> Result<K, WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        let step = Step::of::<K>("replace", &object.name_any());
        self.guarded(step, api.replace(&object.name_any(), &params, object))
            .await
    }

    /// Server-side apply of a status.
    pub async fn apply_status<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        status: &impl Serialize,
        manager: &str,
    ) -> Result<K, WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = applied_by(manager);
        let body = serde_json::json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name},
            "status": status,
        });
        let step = Step::of::<K>("status", name);
        self.guarded(step, api.patch_status(name, &params, &Patch::Apply(&body)))
            .await
    }

    /// Deletes an object, only the one with that uid where one is given. What is gone already is a success.
    pub async fn delete<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<(), WriteError> {
        self.delete_with::<K>(namespace, name, uid, PropagationPolicy::Background)
            .await
    }

    /// Like [`Writer::delete`], and the object stays until everything that it owns is gone.
    pub async fn delete_with_dependents<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<(), WriteError> {
        self.delete_with::<K>(namespace, name, uid, PropagationPolicy::Foreground)
            .await
    }

    async fn delete_with<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
        propagation: PropagationPolicy,
    ) -> Result<(), WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = async {
            match api.delete(name, &params).await {
                // A conflict: another object has that name now.
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Ok(()),
            }
        };
        self.guarded(Step::of::<K>("delete", name), deleted).await
    }

    /// Adds a finalizer, if it is not there.
    pub async fn add_finalizer<K: Object>(&self, object: &K, finalizer: &str) -> Result<(), WriteError> {
        let mut finalizers = object.finalizers().to_vec();
        if finalizers.iter().any(|there| there == finalizer) {
            return Ok(());
        }
        finalizers.push(finalizer.to_owned());
        self.set_finalizers(object, &finalizers).await
    }

    /// Removes finalizers. An object that is gone already is a success.
    pub async fn remove_finalizers<K: Object>(&self, object: &K, gone: &[&str]) -> Result<(), WriteError> {
        let there = object.finalizers();
        let left: Vec<String> = there
            .iter()
            .filter(|finalizer| !gone.contains(&finalizer.as_str()))
            .cloned()
            .collect();
        if left.len() == there.len() {
            return Ok(());
        }
        self.set_finalizers(object, &left).await
    }

    async fn set_finalizers<K: Object>(&self, object: &K, finalizers: &[String]) -> Result<(), WriteError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
        // With the resourceVersion: a finalizer that somebody else added meanwhile must not be lost.
        let body = serde_json::json!({
            "metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers}
        });
        let name = object.name_any();
        let patched = async {
            match api
                .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&body))
                .await
            {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Ok(()),
            }
        };
        self.guarded(Step::of::<K>("finalizers", &name), patched).await
    }

    async fn guarded<T>(
        &self,
        step: Step,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        if !self.claim.is_current() {
            return Err(WriteError::NotLeading);
        }
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => {
                let answer = answer?;
                step.done();
                Ok(answer)
            }
            Err(_) => Err(WriteError::NoAnswer),
        }
    }
}

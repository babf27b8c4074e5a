//! The API server of `KUBECONFIG`: definitions installed once, a namespace for each test.

use std::sync::OnceLock;

use holdfast::api::crds;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{GroupVersionKind, Status};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

static INSTALLED: OnceLock<()> = OnceLock::new();

/// A connection and a namespace of its own.
pub struct Server {
    pub client: Client,
    pub namespace: String,
}

impl Server {
    /// Connects, makes sure that the definitions are there, and creates the namespace.
    pub async fn for_test(name: &str) -> Self {
        assert!(
            std::env::var_os("KUBECONFIG").is_some(),
            "these tests need an API server: run `make test-api`, or set KUBECONFIG"
        );
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        INSTALLED.get_or_init(|| {
            std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(install()))
                .join()
                .unwrap();
        });
        let client = Client::try_default().await.unwrap();
        let namespace = format!("holdfast-api-{name}-{}", std::process::id());
        let object = serde_json::from_value(json!({ "metadata": { "name": namespace } })).unwrap();
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        Self { client, namespace }
    }

    /// Deletes the namespace and all in it.
    pub async fn done(self) {
        Api::<Namespace>::all(self.client)
            .delete(&self.namespace, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// The API of one kind, in one version.
    pub fn api(&self, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("pgv2.percona.com", version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Offers an object for creation, as a dry run with strict field checks.
    pub async fn offer(&self, object: &Value) -> Result<Value, Refusal> {
        self.write(object, true).await
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Result<Value, Refusal> {
        self.write(object, false).await
    }

    /// Offers a change (a JSON merge patch) of an object that exists, as a dry run.
    pub async fn offer_change(&self, object: &Value, change: &Value) -> Result<Value, Refusal> {
        let (api, name) = self.place(object);
        let parameters = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        api.patch(&name, &parameters, &Patch::Merge(change))
            .await
            .map(into_value)
            .map_err(Refusal::from)
    }

    async fn write(&self, object: &Value, dry_run: bool) -> Result<Value, Refusal> {
        let (api, _) = self.place(object);
        let parameters = PostParams {
            dry_run,
            field_manager: Some("test".to_owned()),
        };
        let object = serde_json::from_value(object.clone()).unwrap();
        api.create(&parameters, &object)
            .await
            .map(into_value)
            .map_err(Refusal::from)
    }

    fn place(&self, object: &Value) -> (Api<DynamicObject>, String) {
        let version = object["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap();
        let api = self.api(version, object["kind"].as_str().unwrap());
        (api, object["metadata"]["name"].as_str().unwrap().to_owned())
    }
}

fn into_value(object: DynamicObject) -> Value {
    serde_json::to_value(object).unwrap()
}

/// Why an object was not taken: the field and the message of each cause.
#[derive(Debug)]
pub struct Refusal {
    pub causes: Vec<(String, String)>,
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            panic!("not refused, but failed: {error}")
        };
        let Status { details, message, .. } = *status;
        let causes = details.map(|details| details.causes).unwrap_or_default();
        let causes: Vec<_> = causes
            .into_iter()
            .map(|cause| (cause.field, cause.message))
            .collect();
        Self {
            causes: if causes.is_empty() {
                vec![(String::new(), message)]
            } else {
                causes
            },
        }
    }
}

impl Refusal {
    /// Whether some cause is at that field and says that.
    pub fn says(&self, field: &str, message: &str) -> bool {
        self.causes
            .iter()
            .any(|(at, said)| at == field && said.contains(message))
    }
}

async fn install() {
    let client = Client::try_default().await.unwrap();
    let api = Api::<CustomResourceDefinition>::all(client);
    for (_, definition) in crds::all().unwrap() {
        let name = definition.name_any();
        // Applied by another test process at the same time it may conflict; applying again settles it.
        let parameters = PatchParams::apply("holdfast-test").force();
        api.patch(&name, &parameters, &Patch::Apply(&definition))
            .await
            .unwrap();
        await_condition(api.clone(), &name, conditions::is_crd_established())
            .await
            .unwrap();
    }
    for (_, definition) in crds::all().unwrap() {
        served(&api, &definition).await;
    }
}

/// Established is said a moment before the server answers for a version: ask until it does.
async fn served(api: &Api<CustomResourceDefinition>, definition: &CustomResourceDefinition) {
    let client = api.clone().into_client();
    for version in &definition.spec.versions {
        let kind = GroupVersionKind::gvk("pgv2.percona.com", &version.name, &definition.spec.names.kind);
        let objects = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&kind));
        for _ in 0..100 {
            if objects
                .list(&kube::api::ListParams::default().limit(1))
                .await
                .is_ok()
            {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

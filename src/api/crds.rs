//! The three `CustomResourceDefinition`s as they are installed: generated from the types, then brought to the
//! form that upstream's have.
//!
//! What is changed after generation, and why: explicit `null` is not accepted (the schema generator would allow
//! it for every optional field, and the API server then no longer fills in defaults); descriptions of embedded
//! Kubernetes types are dropped, which makes up most of the size; `v1` is served with the schema of `v2`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use super::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore};

/// The definitions, with the file name (without extension) that each has in `crds/`.
///
/// # Errors
/// When a generated definition cannot be turned into JSON and back; only a defect of the schema can cause it.
pub fn all() -> Result<Vec<(&'static str, CustomResourceDefinition)>, serde_json::Error> {
    Ok(vec![
        ("perconapgclusters", finished(PerconaPGCluster::crd())?),
        ("perconapgbackups", finished(PerconaPGBackup::crd())?),
        ("perconapgrestores", finished(PerconaPGRestore::crd())?),
    ])
}

fn finished(definition: CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut document = serde_json::to_value(definition)?;
    if let Some(versions) = document
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
    {
        for version in versions.iter_mut() {
            if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
                tidy(schema);
            }
        }
        if let Some(mut older) = versions.first().cloned() {
            if let Some(fields) = older.as_object_mut() {
                fields.insert("name".to_owned(), "v1".into());
                fields.insert("storage".to_owned(), false.into());
            }
            versions.push(older);
        }
    }
    serde_json::from_value(document)
}

/// Walks a schema and changes what the module's comment names.
fn tidy(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    fields.remove("nullable");
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(tidy);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            tidy(inner);
        }
    }
}

//! Facts on Kubernetes types inside our schemas that the generated types do not carry.
//!
//! The Rust types of Kubernetes hold fields and their types only. Upstream's schemas, made from the Go sources,
//! also hold defaults, what may be left out, which lists are keyed, which objects are replaced as a whole by
//! server-side apply, and the form of quantities. They are put back here, recognised by the shape of an object:
//! its set of properties. `tests/api/upstream.rs` compares the outcome with upstream's.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Quantities as the API server's own types accept them.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// Objects that server-side apply replaces as a whole, by their properties.
const ATOMIC: &[&[&str]] = &[
    &["name"],
    &["name", "optional"],
    &["key", "name", "optional"],
    &["items", "name", "optional"],
    &["key", "optional", "path", "volumeName"],
    &["apiVersion", "fieldPath"],
    &["containerName", "divisor", "resource"],
    &["matchExpressions", "matchLabels"],
    &["matchExpressions", "matchFields"],
    &["nodeSelectorTerms"],
    &["apiGroup", "kind", "name"],
    &["defaultMode", "items", "name", "optional"],
];

/// Of those, references whose `name` may be left out.
const NAMELESS: &[&[&str]] = &[
    &["name"],
    &["name", "optional"],
    &["key", "name", "optional"],
    &["items", "name", "optional"],
    &["defaultMode", "items", "name", "optional"],
];

/// Lists whose items have keys: a property of the object that holds the list, the list, its keys.
const KEYED: &[(&str, &str, &[&str])] = &[
    ("limits", "claims", &["name"]),
    ("workingDir", "env", &["name"]),
    ("workingDir", "ports", &["containerPort", "protocol"]),
    ("workingDir", "volumeDevices", &["devicePath"]),
    ("workingDir", "volumeMounts", &["mountPath"]),
];

/// Defaults: a property of the object, the property that has the default, the default.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("containerPort", "protocol", r#""TCP""#),
    ("diskURI", "fsType", r#""ext4""#),
    ("diskURI", "readOnly", "false"),
    ("protectionDomain", "fsType", r#""xfs""#),
    ("protectionDomain", "storageMode", r#""ThinProvisioned""#),
    ("iqn", "iscsiInterface", r#""default""#),
    ("keyring", "keyring", r#""/etc/ceph/keyring""#),
    ("keyring", "pool", r#""rbd""#),
    ("keyring", "user", r#""admin""#),
];

/// Puts the facts into one object of a schema; its inner objects are the caller's business.
pub(super) fn complete(fields: &mut Map<String, Value>) {
    let names: BTreeSet<String> = properties(fields)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    let has_shape = |shapes: &[&[&str]]| {
        shapes
            .iter()
            .any(|shape| shape.len() == names.len() && shape.iter().all(|name| names.contains(*name)))
    };
    if has_shape(ATOMIC) {
        fields.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
    }
    if has_shape(NAMELESS) {
        set_default(fields, "name", "".into());
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            required.retain(|name| name != "name");
        }
        if fields
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            fields.remove("required");
        }
    }
    if has_shape(&[&["key", "optional", "path", "volumeName"]]) {
        set_default(fields, "optional", false.into());
    }
    if has_shape(&[&["port", "service"]]) {
        set_default(fields, "service", "".into());
    }
    for (mark, name, default) in DEFAULTS {
        if names.contains(*mark)
            && let Ok(default) = serde_json::from_str(default)
        {
            set_default(fields, name, default);
        }
    }
    for (mark, name, keys) in KEYED {
        if names.contains(*mark)
            && let Some(list) = property(fields, name)
        {
            list.insert("x-kubernetes-list-type".to_owned(), "map".into());
            list.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
        }
    }
    quantities(fields, &names);
    conditions(fields, &names);
    if names.contains("managedFields")
        && let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut)
    {
        // Metadata of a claim template: nothing but these two has a meaning there.
        properties.retain(|name, _| name == "labels" || name == "annotations");
    }
    if names.contains("exitCodes")
        && let Some(list) = property(fields, "exitCodes").and_then(|codes| property(codes, "values"))
    {
        list.insert("x-kubernetes-list-type".to_owned(), "set".into());
    }
}

fn quantities(fields: &mut Map<String, Value>, names: &BTreeSet<String>) {
    for name in ["divisor", "sizeLimit", "maxAcceptableLag"] {
        if let Some(quantity) = property(fields, name) {
            quantity.insert("pattern".to_owned(), QUANTITY.into());
        }
    }
    if names.contains("limits") && names.contains("requests") {
        for name in ["limits", "requests"] {
            let values = property(fields, name).and_then(|map| map.get_mut("additionalProperties"));
            if let Some(quantity) = values.and_then(Value::as_object_mut) {
                quantity.insert("pattern".to_owned(), QUANTITY.into());
            }
        }
    }
}

fn conditions(fields: &mut Map<String, Value>, names: &BTreeSet<String>) {
    if !(names.contains("lastTransitionTime") && names.contains("observedGeneration")) {
        return;
    }
    for (name, facts) in [
        ("message", json!({ "maxLength": 32768 })),
        ("observedGeneration", json!({ "minimum": 0 })),
        (
            "reason",
            json!({ "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" }),
        ),
        ("status", json!({ "enum": ["True", "False", "Unknown"] })),
        (
            "type",
            json!({ "maxLength": 316, "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$" }),
        ),
    ] {
        if let (Some(place), Value::Object(facts)) = (property(fields, name), facts) {
            place.extend(facts);
        }
    }
}

fn properties(fields: &Map<String, Value>) -> Option<&Map<String, Value>> {
    fields.get("properties").and_then(Value::as_object)
}

fn property<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    fields.get_mut("properties")?.get_mut(name)?.as_object_mut()
}

fn set_default(fields: &mut Map<String, Value>, name: &str, default: Value) {
    if let Some(place) = property(fields, name) {
        place.insert("default".to_owned(), default);
    }
}

/// Every description inside the Kubernetes types that our types embed.
///
/// Kubernetes' own documentation has them; here they would make up nine tenths of the definitions' size.
pub(super) fn descriptions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for schema in [
        schema_of::<core::Affinity>(),
        schema_of::<core::Container>(),
        schema_of::<core::EnvFromSource>(),
        schema_of::<core::EnvVar>(),
        schema_of::<core::LocalObjectReference>(),
        schema_of::<core::PersistentVolumeClaimSpec>(),
        schema_of::<core::PodSecurityContext>(),
        schema_of::<core::Probe>(),
        schema_of::<core::ResourceRequirements>(),
        schema_of::<core::SecretProjection>(),
        schema_of::<core::ConfigMapProjection>(),
        schema_of::<core::SecurityContext>(),
        schema_of::<core::Toleration>(),
        schema_of::<core::TopologySpreadConstraint>(),
        schema_of::<core::Volume>(),
        schema_of::<core::VolumeMount>(),
        schema_of::<core::VolumeProjection>(),
        schema_of::<Condition>(),
    ] {
        collect(&schema, &mut found);
    }
    found
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::openapi3()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get("description") {
                found.insert(text.clone());
            }
            fields.values().for_each(|inner| collect(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, found)),
        _ => {}
    }
}

//! Small valid objects, and ways to change them.

use serde_json::{Value, json};

/// A cluster with one S3 repository.
pub fn cluster() -> Value {
    json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": { "name": "c" },
        "spec": {
            "postgresVersion": 18,
            "instances": [instance("one")],
            "backups": { "pgbackrest": { "repos": [s3("repo1")] } },
        }
    })
}

/// An instance set.
pub fn instance(name: &str) -> Value {
    json!({ "name": name, "dataVolumeClaimSpec": claim() })
}

/// What to claim.
pub fn claim() -> Value {
    json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } })
}

/// An S3 repository.
pub fn s3(name: &str) -> Value {
    json!({ "name": name, "s3": { "bucket": "b", "endpoint": "s3.example", "region": "eu" } })
}

/// A backup.
pub fn backup() -> Value {
    json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup", "metadata": { "name": "b" },
        "spec": { "pgCluster": "c", "repoName": "repo1" }
    })
}

/// A restore.
pub fn restore() -> Value {
    json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGRestore", "metadata": { "name": "r" },
        "spec": { "pgCluster": "c", "repoName": "repo1" }
    })
}

/// The object with a JSON merge patch applied: `null` removes.
pub fn with(mut object: Value, patch: &Value) -> Value {
    merge(&mut object, patch);
    object
}

fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    let fields = object.as_object_mut().unwrap();
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use super::{DEFAULTS, SUPPORTED, is_above, unsupported};
use crate::api::{PerconaPGCluster, crds};

fn cluster(spec: &Value) -> PerconaPGCluster {
    let mut base = json!({
        "postgresVersion": 18,
        "instances": [{ "name": "one", "dataVolumeClaimSpec": {} }],
        "backups": { "pgbackrest": { "repos": [{ "name": "repo1", "s3": { "bucket": "b", "endpoint": "e", "region": "r" } }] } },
    });
    for (key, value) in spec.as_object().unwrap() {
        base[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": { "name": "c" }, "spec": base
    }))
    .unwrap()
}

#[rstest]
#[case::nothing(json!({}), &[])]
#[case::all_of_what_is_supported(json!({ "port": 6000, "users": [{ "name": "u" }], "expose": { "type": "NodePort" } }), &[])]
#[case::disabled_blocks(json!({
    "pmm": { "enabled": false, "image": "i", "secret": "s", "serverHost": "h" },
    "logcollector": { "image": "i" }, "standby": { "enabled": false, "repoName": "repo1" },
    "extensions": { "pg_tde": { "enabled": false, "vault": { "host": "h", "tokenSecret": { "name": "n", "key": "k" } } } },
    "patroni": { "switchover": { "enabled": false } } }), &[])]
#[case::defaults(json!({ "patroni": {}, "tls": {}, "proxy": { "pgBouncer": {} } }), &[])]
#[case::empty_values(json!({ "dataSource": {}, "config": { "files": [] }, "logicalReplicas": [], "openshift": false }), &[])]
#[case::whole_blocks(json!({ "dataSource": { "volumes": { "pgDataVolume": { "pvcName": "p" }, "pgBackRestVolume": { "pvcName": "r" } } },
    "databaseInitSQL": { "name": "n", "key": "k" } }),
    &["spec.dataSource.volumes.pgBackRestVolume", "spec.databaseInitSQL"])]
#[case::monitoring_that_is_on(json!({ "pmm": { "enabled": true, "image": "i", "secret": "s", "serverHost": "h" }, "logcollector": { "enabled": true, "image": "i" } }),
    &["spec.logcollector", "spec.pmm"])]
#[case::one_field_of_two_sets(json!({ "instances": [
    { "name": "a", "dataVolumeClaimSpec": {}, "sidecarPVCs": [{ "name": "t", "spec": {} }] },
    { "name": "b", "dataVolumeClaimSpec": {}, "sidecarPVCs": [{ "name": "t", "spec": {} }] }] }),
    &["spec.instances[].sidecarPVCs"])]
#[case::stores_and_schedules(json!({ "backups": { "pgbackrest": { "repoHost": { "priorityClassName": "p", "sidecarPVCs": [{ "name": "s", "spec": {} }] }, "manual": { "repoName": "repo1" },
    "repos": [{ "name": "repo1", "gcs": { "bucket": "b" }, "schedules": { "full": "@daily" } }, { "name": "repo2", "azure": { "container": "c" } },
        { "name": "repo3", "volume": { "volumeClaimSpec": { "accessModes": ["ReadWriteOnce"] } } }] } } }),
    &["spec.backups.pgbackrest.manual", "spec.backups.pgbackrest.repoHost.sidecarPVCs"])]
#[case::a_request_in_the_specification(json!({ "backups": { "pgbackrest": { "manual": { "repoName": "repo1", "initialDelaySeconds": 5 },
    "repos": [{ "name": "repo1", "gcs": { "bucket": "b" } }] } } }), &["spec.backups.pgbackrest.manual"])]
#[case::all_of_jobs_acts(json!({ "backups": { "pgbackrest": { "env": [{ "name": "A", "value": "b" }], "envFrom": [{ "secretRef": { "name": "s" } }],
    "metadata": { "labels": { "a": "b" } }, "jobs": { "backoffLimit": 1, "restartPolicy": "Never", "securityContext": { "runAsUser": 5 } },
    "repos": [{ "name": "repo1", "gcs": { "bucket": "b" } }] } } }), &[])]
#[case::backups_that_are_off_are_supported(json!({ "backups": { "enabled": false } }), &[])]
#[case::a_policy_other_than_the_default(json!({ "tls": { "certManagementPolicy": "userProvidedOnly" } }), &["spec.tls"])]
fn what_is_set_and_not_acted_on_is_named(#[case] spec: Value, #[case] expected: &[&str]) {
    assert_eq!(unsupported(&cluster(&spec)), expected);
}

#[test]
fn every_supported_path_exists_in_the_schema() {
    let paths = paths();
    for path in SUPPORTED {
        assert!(paths.contains_key(*path), "{path}");
    }
}

#[test]
fn every_default_in_an_unsupported_block_is_known() {
    for (path, default) in paths() {
        let Some(default) = default else { continue };
        let is_supported = SUPPORTED
            .iter()
            .any(|supported| *supported == path || is_above(supported, &path));
        // `false` and the empty string never count as set; items of lists count by being there.
        let counts_anyway = default == false
            || default == ""
            || path.contains("[]")
            || is_inside_an_enabled_only_block(&path);
        let is_known = DEFAULTS
            .iter()
            .any(|(known, value)| *known == path && serde_json::from_str::<Value>(value).unwrap() == default);
        assert!(is_supported || counts_anyway || is_known, "{path}: {default}");
    }
}

/// Blocks with a required field beside the default: where the default is, something else is set too.
fn is_inside_an_enabled_only_block(path: &str) -> bool {
    [
        "backups.volumeSnapshots.",
        "extensions.pg_tde.vault.",
        "logicalReplicas",
        "backups.pgbackrest.repoHost.",
    ]
    .iter()
    .any(|block| path.starts_with(block))
}

/// Every path of the specification with its default.
fn paths() -> std::collections::BTreeMap<String, Option<Value>> {
    let (_, definition) = crds::all()
        .unwrap()
        .into_iter()
        .find(|(name, _)| *name == "perconapgclusters")
        .unwrap();
    let document = serde_json::to_value(&definition.spec.versions[0]).unwrap();
    let mut found = std::collections::BTreeMap::new();
    collect(
        document
            .pointer("/schema/openAPIV3Schema/properties/spec")
            .unwrap(),
        "",
        &mut found,
    );
    found
}

fn collect(schema: &Value, path: &str, found: &mut std::collections::BTreeMap<String, Option<Value>>) {
    if !path.is_empty() {
        found.insert(path.to_owned(), schema.get("default").cloned());
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        collect(
            inner,
            &if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            },
            found,
        );
    }
    if schema["items"].is_object() {
        collect(&schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn paths_are_named_once_and_in_order() {
    let names: Vec<_> = SUPPORTED.iter().collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
}

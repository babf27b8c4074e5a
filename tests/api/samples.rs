//! Manifests that users have: the samples, and upstream's own, under both versions.

use std::path::Path;

use holdfast::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestore};
use serde_json::Value;

use crate::server::Server;
use crate::upstream::shared;

#[tokio::test]
async fn our_samples_apply_as_they_are_under_both_versions() {
    apply(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples/upstream-shape"),
        "samples-own",
    )
    .await;
}

#[tokio::test]
async fn the_percona_operators_samples_apply_as_they_are_under_both_versions() {
    let directory = shared().join("compat");
    if !directory.join("cr.yaml").exists() {
        eprintln!(
            "SKIPPED: {} is not there; deploy/samples/upstream-shape has the same shape",
            directory.display()
        );
        return;
    }
    apply(&directory, "samples-upstream").await;
}

async fn apply(directory: &Path, test: &str) {
    let server = Server::for_test(test).await;
    for file in ["cr.yaml", "backup.yaml", "restore.yaml"] {
        let path = directory.join(file);
        let whole =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Upstream's sample is mostly comments, more in a row than the parser wants to look ahead.
        let bare: String = whole
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let manifest: Value = serde_saphyr::from_str(&bare).unwrap();
        for version in ["v2", "v1"] {
            let mut manifest = manifest.clone();
            manifest["apiVersion"] = format!("pgv2.percona.com/{version}").into();
            let stored = server
                .offer(&manifest)
                .await
                .unwrap_or_else(|refusal| panic!("{file} as {version}: {refusal:?}"));
            assert_contains(&stored["spec"], &manifest["spec"], file);
            read(stored);
        }
    }
    server.done().await;
}

/// What was written is all there: nothing was pruned as unknown.
fn assert_contains(stored: &Value, written: &Value, path: &str) {
    match written {
        Value::Object(fields) => {
            for (key, value) in fields {
                assert_contains(&stored[key.as_str()], value, &format!("{path}.{key}"));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                assert_contains(&stored[index], item, &format!("{path}[{index}]"));
            }
        }
        other => assert_eq!(stored, other, "{path}"),
    }
}

/// Every kind that was stored can be read by the controller, whichever version it was written in.
fn read(stored: Value) {
    match stored["kind"].as_str().unwrap() {
        "PerconaPGCluster" => drop(serde_json::from_value::<PerconaPGCluster>(stored).unwrap()),
        "PerconaPGBackup" => drop(serde_json::from_value::<PerconaPGBackup>(stored).unwrap()),
        "PerconaPGRestore" => drop(serde_json::from_value::<PerconaPGRestore>(stored).unwrap()),
        other => panic!("{other}"),
    }
}

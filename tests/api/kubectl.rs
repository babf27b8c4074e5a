//! What a user sees with kubectl.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::process::Command;

use crate::objects::backup;
use crate::server::Server;

async fn kubectl(server: &Server, arguments: &[&str]) -> String {
    let output = Command::new("kubectl")
        .args(["-n", &server.namespace])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .await
        .expect("kubectl is on the PATH");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn words(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

#[tokio::test]
async fn a_running_backup_shows_its_progress_between_status_and_type() {
    let server = Server::for_test("kubectl-columns").await;
    server.create(&backup()).await.unwrap();
    let status = json!({ "status": {
        "state": "Running", "destination": "s3://b/p", "backupType": "full",
        "progress": { "percent": 43, "summary": "43% 1.2GiB/2.8GiB 85MiB/s ETA 20s" },
    } });
    let api = server.api("v2", "PerconaPGBackup");
    api.patch_status("b", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    let table = kubectl(&server, &["get", "pg-backup"]).await;
    let mut lines = table.lines();
    let header = [
        "NAME",
        "CLUSTER",
        "REPO",
        "DESTINATION",
        "STATUS",
        "PROGRESS",
        "TYPE",
        "ORIGIN",
        "COMPLETED",
        "AGE",
    ];
    assert_eq!(words(lines.next().unwrap()), header);
    let row = words(lines.next().unwrap());
    assert_eq!(
        row[..7],
        [
            "b",
            "c",
            "repo1",
            "s3://b/p",
            "Running",
            "43% 1.2GiB/2.8GiB 85MiB/s ETA 20s",
            "full"
        ]
    );
    server.done().await;
}

#[tokio::test]
async fn a_manifest_of_the_percona_operator_runs_here_after_one_kustomize_patch() {
    let server = Server::for_test("kubectl-kustomize").await;
    let applied = kubectl(
        &server,
        &[
            "apply",
            "-o",
            "json",
            "--dry-run=server",
            "-k",
            "deploy/samples/from-upstream",
        ],
    )
    .await;
    let cluster: holdfast::api::PerconaPGCluster = serde_json::from_str(&applied).unwrap();
    let unsupported = holdfast::api::unsupported::unsupported(&cluster);
    let expected = ["spec.backups.pgbackrest.manual", "spec.logcollector"];
    assert_eq!(unsupported, expected);
    assert_eq!(
        cluster.spec.backups.repositories()[0]
            .store()
            .unwrap()
            .storage_type(),
        "s3"
    );
    server.done().await;
}

#[tokio::test]
async fn explain_tells_what_a_field_is_for() {
    let server = Server::for_test("kubectl-explain").await;
    for (field, text) in [
        (
            "pg.spec.backups.pgbackrest.repos.s3",
            "The repository is a bucket of S3",
        ),
        (
            "pg-backup.spec.startingDeadlineSeconds",
            "after which a backup that has not begun fails",
        ),
        ("pg-restore.spec.options", "written as for a shell"),
    ] {
        let explained = kubectl(&server, &["explain", field])
            .await
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(explained.contains(text), "{field}: {explained}");
    }
    server.done().await;
}

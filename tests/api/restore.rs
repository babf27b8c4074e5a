//! `PerconaPGRestore`: what is refused, and with which words.

use holdfast::api::PerconaPGRestore;
use serde_json::{Value, json};

use crate::objects::{restore, with};
use crate::server::Server;

const OPTIONS: &str = "--repo, --stanza, --pg…, --target-action and --link-map are set by the operator";
const TARGET: &str = "--target and --type=time, lsn, xid or name come together";

#[tokio::test]
async fn what_cannot_be_a_restore_is_refused_with_the_reason() {
    let server = Server::for_test("restore-rules").await;
    let options = |options: &[&str]| json!({ "spec": { "options": options } });
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        (
            "two targets",
            json!({ "spec": { "target": { "time": "2026-11-22 15:12:11+01", "lsn": "0/5000028" } } }),
            "spec.target",
            "a target is one of time, lsn, xid, name, immediate and previous",
        ),
        (
            "the timeline before a restore, and another",
            json!({ "spec": { "target": { "previous": true, "timeline": "2" } } }),
            "spec.target",
            "previous names a timeline already",
        ),
        (
            "exclusive end of a backup",
            json!({ "spec": { "target": { "immediate": true, "exclusive": true } } }),
            "spec.target",
            "exclusive has a meaning with time, lsn or xid only",
        ),
        (
            "a target in two places",
            json!({ "spec": { "target": { "immediate": true }, "options": ["--type=immediate"] } }),
            "spec",
            "not by both",
        ),
        (
            "a position that is none",
            json!({ "spec": { "target": { "lsn": "5000028" } } }),
            "spec.target.lsn",
            "should match",
        ),
        (
            "repository name",
            json!({ "spec": { "repoName": "repo0" } }),
            "spec.repoName",
            "should match '^repo[1-4]$'",
        ),
        ("--repo", options(&["--repo=1"]), "spec.options", OPTIONS),
        ("--stanza", options(&["--stanza=db"]), "spec.options", OPTIONS),
        (
            "--pg1-path",
            options(&["--pg1-path=/pgdata/pg18"]),
            "spec.options",
            OPTIONS,
        ),
        (
            "--target-action",
            options(&["--type=immediate", "--target-action=promote"]),
            "spec.options",
            OPTIONS,
        ),
        (
            "--link-map",
            options(&["--link-map=pg_wal=/x"]),
            "spec.options",
            OPTIONS,
        ),
        (
            "unknown type",
            options(&["--type=yesterday"]),
            "spec.options",
            "--type is one of default, immediate, lsn, name",
        ),
        (
            "target without type",
            options(&["--target=\"2022-11-30 15:12:11+03\""]),
            "spec.options",
            TARGET,
        ),
        (
            "type without target",
            options(&["--type=time"]),
            "spec.options",
            TARGET,
        ),
        (
            "target of immediate",
            options(&["--type=immediate", "--target=x"]),
            "spec.options",
            TARGET,
        ),
        (
            "exclusive by name",
            options(&["--type=name", "--target=x", "--target-exclusive"]),
            "spec.options",
            "--target-exclusive has a meaning with",
        ),
    ];
    for (what, patch, field, message) in cases {
        let refusal = server.offer(&with(restore(), &patch)).await.expect_err(what);
        assert!(refusal.says(field, message), "{what}: {refusal:?}");
    }
    server.done().await;
}

#[tokio::test]
async fn what_can_be_a_restore_is_accepted_and_read() {
    let server = Server::for_test("restore-accepted").await;
    let options = |options: &[&str]| json!({ "spec": { "options": options } });
    for patch in [
        json!({}),
        json!({ "spec": { "repoName": null } }),
        json!({ "spec": { "repoName": null, "volumeSnapshotBackupName": "b" } }),
        json!({ "spec": { "volumeSnapshotBackupName": "b" } }),
        json!({ "spec": { "dryRun": true, "target": { "time": "2026-11-22 15:12:11 Europe/Berlin", "exclusive": true } } }),
        json!({ "spec": { "target": { "immediate": true }, "options": ["--set=20260101-000000F"] } }),
        json!({ "spec": { "target": { "timeline": "2" } } }),
        options(&["--type=time", "--target=\"2022-11-30 15:12:11+03\""]),
        options(&["--type=time --target='2022-11-30 15:12:11+03'"]),
        options(&["--type", "time", "--target", "2022-11-30 15:12:11+03"]),
        options(&[
            "--type=\"lsn\"",
            "--target=0/5000028",
            "--target-exclusive",
            "--target-timeline=2",
        ]),
        options(&["--type=immediate", "--set=20260101-000000F", "--delta"]),
        options(&["--db-include=app", "--process-max=4"]),
    ] {
        let stored = server
            .offer(&with(restore(), &patch))
            .await
            .unwrap_or_else(|refusal| panic!("{patch}: {refusal:?}"));
        serde_json::from_value::<PerconaPGRestore>(stored).unwrap();
    }
    server.done().await;
}

#[tokio::test]
async fn a_restore_is_fixed_from_its_creation() {
    let server = Server::for_test("restore-fixed").await;
    server.create(&restore()).await.unwrap();
    for (change, field, message) in [
        (
            json!({ "spec": { "pgCluster": "d" } }),
            "spec.pgCluster",
            "pgCluster is an immutable field",
        ),
        (
            json!({ "spec": { "repoName": "repo2" } }),
            "spec.repoName",
            "repoName is an immutable field",
        ),
        (
            json!({ "spec": { "options": ["--delta"] } }),
            "spec",
            "cannot be changed: create another PerconaPGRestore",
        ),
        (
            json!({ "spec": { "volumeSnapshotBackupName": "b" } }),
            "spec",
            "cannot be changed: create another PerconaPGRestore",
        ),
        (
            json!({ "spec": { "previousData": "Discard" } }),
            "spec",
            "cannot be changed: create another PerconaPGRestore",
        ),
        (
            json!({ "spec": { "dryRun": true } }),
            "spec",
            "cannot be changed: create another PerconaPGRestore",
        ),
        (
            json!({ "spec": { "repoName": null, "volumeSnapshotBackupName": "b" } }),
            "spec",
            "create another PerconaPGRestore",
        ),
    ] {
        let refusal = server
            .offer_change(&restore(), &change)
            .await
            .expect_err(&change.to_string());
        assert!(refusal.says(field, message), "{change}: {refusal:?}");
    }

    let other = with(
        restore(),
        &json!({ "metadata": { "name": "s" }, "spec": { "repoName": null, "volumeSnapshotBackupName": "b" } }),
    );
    server.create(&other).await.unwrap();
    let refusal = server
        .offer_change(&other, &json!({ "spec": { "volumeSnapshotBackupName": "c" } }))
        .await
        .unwrap_err();
    assert!(
        refusal.says(
            "spec.volumeSnapshotBackupName",
            "volumeSnapshotBackupName is an immutable field"
        ),
        "{refusal:?}"
    );
    server.done().await;
}

//! `PerconaPGBackup`: what is refused, and with which words.

use holdfast::api::PerconaPGBackup;
use serde_json::{Value, json};

use crate::objects::{backup, with};
use crate::server::Server;

const OPTIONS: &str = "--repo, --stanza, --pg… and annotations under percona.com/ are set by the operator";

#[tokio::test]
async fn what_cannot_be_a_backup_is_refused_with_the_reason() {
    let server = Server::for_test("backup-rules").await;
    let options = |options: &[&str]| json!({ "spec": { "options": options } });
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        (
            "no repository",
            json!({ "spec": { "repoName": null } }),
            "spec",
            "repoName is required when method is 'pgbackrest'",
        ),
        (
            "repository name",
            json!({ "spec": { "repoName": "repo5" } }),
            "spec.repoName",
            "should match '^repo[1-4]$'",
        ),
        (
            "method",
            json!({ "spec": { "method": "rsync" } }),
            "spec.method",
            "supported values: \"pgbackrest\", \"volumeSnapshot\"",
        ),
        (
            "no cluster",
            json!({ "spec": { "pgCluster": null } }),
            "spec.pgCluster",
            "Required value",
        ),
        (
            "deadline",
            json!({ "spec": { "startingDeadlineSeconds": 0 } }),
            "spec.startingDeadlineSeconds",
            "greater than or equal to 1",
        ),
        (
            "--repo=",
            options(&["--type=full", "--repo=2"]),
            "spec.options",
            OPTIONS,
        ),
        (
            "--repo and its value apart",
            options(&["--repo", "2"]),
            "spec.options",
            OPTIONS,
        ),
        (
            "two options in one line",
            options(&["--type=full --stanza=x"]),
            "spec.options",
            OPTIONS,
        ),
        ("quoted", options(&["\"--repo\"=2"]), "spec.options", OPTIONS),
        ("--pg1-path", options(&["--pg1-path=/x"]), "spec.options", OPTIONS),
        ("--pg", options(&["--pg=2"]), "spec.options", OPTIONS),
        (
            "our annotation",
            options(&["--annotation=\"percona.com/backup-name\"=\"x\""]),
            "spec.options",
            OPTIONS,
        ),
        (
            "our annotation apart",
            options(&["--annotation", "percona.com/backup-name=x"]),
            "spec.options",
            OPTIONS,
        ),
    ];
    for (what, patch, field, message) in cases {
        let refusal = server.offer(&with(backup(), &patch)).await.expect_err(what);
        assert!(refusal.says(field, message), "{what}: {refusal:?}");
    }
    server.done().await;
}

#[tokio::test]
async fn what_can_be_a_backup_is_accepted_and_read() {
    let server = Server::for_test("backup-accepted").await;
    for patch in [
        json!({}),
        json!({ "spec": { "method": "volumeSnapshot", "repoName": null } }),
        json!({ "spec": { "options": ["--type=full", "--annotation=\"a\"=\"b\"", "--process-max=4", "--repo1-retention-full=2"] } }),
        json!({ "spec": { "containerOptions": { "env": [{ "name": "A", "value": "1" }], "envFrom": [{ "secretRef": {} }] } } }),
    ] {
        let stored = server
            .offer(&with(backup(), &patch))
            .await
            .unwrap_or_else(|refusal| panic!("{patch}: {refusal:?}"));
        assert!(["pgbackrest", "volumeSnapshot"].contains(&stored["spec"]["method"].as_str().unwrap()));
        assert!(stored["spec"].get("startingDeadlineSeconds").is_none());
        serde_json::from_value::<PerconaPGBackup>(stored).unwrap();
    }
    server.done().await;
}

#[tokio::test]
async fn a_backup_is_fixed_from_its_creation_but_for_its_deadline() {
    let server = Server::for_test("backup-fixed").await;
    let made = with(backup(), &json!({ "spec": { "options": ["--type=full"] } }));
    server.create(&made).await.unwrap();
    for change in [
        json!({ "spec": { "pgCluster": "d" } }),
        json!({ "spec": { "repoName": "repo2" } }),
        json!({ "spec": { "method": "volumeSnapshot" } }),
        json!({ "spec": { "options": ["--type=incr"] } }),
        json!({ "spec": { "options": null } }),
        json!({ "spec": { "containerOptions": { "env": [{ "name": "A", "value": "1" }] } } }),
    ] {
        let refusal = server
            .offer_change(&made, &change)
            .await
            .expect_err(&change.to_string());
        let message = "cannot be changed, except startingDeadlineSeconds, deletionPolicy and pinned: create another PerconaPGBackup";
        assert!(refusal.says("spec", message), "{change}: {refusal:?}");
    }
    server
        .offer_change(&made, &json!({ "spec": { "startingDeadlineSeconds": 60 } }))
        .await
        .unwrap();
    server
        .offer_change(&made, &json!({ "metadata": { "labels": { "a": "b" } } }))
        .await
        .unwrap();
    server.done().await;
}

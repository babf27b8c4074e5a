//! A store that keeps versions: what was deleted or overwritten in the repository is there again for a restore of an earlier time.

use holdfast::api::PerconaPGCluster;
use holdfast::api::backup::JobState;
use serde_json::json;

use crate::harness::{Cluster, Scenario, Stores, condition, minutes, run};

#[tokio::test]
async fn what_was_deleted_and_overwritten_in_the_repository_is_restored_from_as_it_stood_before() {
    Scenario::alone_within(minutes(20), "versions", async |scenario| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/versioned");
        let said = run(script, &[], "").await.unwrap();
        let told = |key: &str| -> String {
            let value = said.lines().find_map(|line| line.strip_prefix(key));
            value.unwrap().trim_start_matches('=').to_owned()
        };
        let mut app = Cluster::plain("app", scenario);
        app.bucket = told("VERSIONED_BUCKET");
        app.endpoint = format!("{}:{}", scenario.stores.of("S3_HOST"), told("VERSIONED_PORT"));
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(5)).await;
        let table = "create table t as select 1 i";
        app.archived_with(scenario, table).await;
        let reached = scenario.sql(&app, "select clock_timestamp()").await;
        app.archived_with(scenario, "insert into t values (2)").await;
        let before = scenario
            .sql(
                &app,
                "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
            )
            .await;

        // Somebody wants that nothing can be restored: the backups go, and what is left of the list of them is none.
        scenario
            .pgbackrest(&app, &["--repo=1", "--recurse", "repo-rm", "backup/db"])
            .await;
        for name in ["backup.info", "backup.info.copy"] {
            overwrite(&app, name).await;
        }
        let lost = |cluster: &PerconaPGCluster| {
            let conditions = cluster.status.clone().unwrap_or_default().conditions;
            condition(&conditions, "WALContinuous").is_some_and(|said| said.1 == "RepositoryDamaged")
        };
        scenario
            .until("app", "known to be damaged", minutes(3), lost)
            .await;

        let target = json!({ "time": reached });
        scenario
            .restore("as-it-is", json!({ "dryRun": true, "target": target }))
            .await;
        let refused = scenario.restore_ended("as-it-is", minutes(4)).await;
        assert_eq!(refused.state, Some(JobState::Failed), "{refused:?}");
        scenario.tell(&refused.error.unwrap());

        let as_it_was = json!({ "repoName": "repo1", "repositoryTime": before, "target": target });
        scenario.restore("as-it-was", as_it_was).await;
        let restored = scenario.restore_ended("as-it-was", minutes(6)).await;
        assert_eq!(restored.state, Some(JobState::Succeeded), "{:?}", restored.error);
        scenario.tell(&format!("{:?}", restored.restored));
        assert_eq!(
            scenario.sql(&app, "select string_agg(i::text, ',') from t").await,
            "1"
        );
    })
    .await;
}

/// Puts something else in the place of a file of the stanza's backups.
async fn overwrite(app: &Cluster, name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("note");
    std::fs::write(&file, "pay first").unwrap();
    let url = format!(
        "https://{}/{}{}/backup/db/{name}",
        app.endpoint, app.bucket, app.path
    );
    let authority = Stores::get().of("CA_FILE");
    let file = file.to_str().unwrap();
    let sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--config", "-"];
    let arguments: Vec<&str> = ["-sSf", "--cacert", authority, "--upload-file", file, &url]
        .into_iter()
        .chain(sign)
        .collect();
    let user = format!("user = \"{}:{}\"", app.key, app.key_secret);
    run("curl", &arguments, &user).await.unwrap();
}

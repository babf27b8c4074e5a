//! Rehearsals: what can be restored passes, what was damaged in the repository is found, and nothing stays behind.

use holdfast::api::backup::JobState;
use holdfast::api::cluster::drills::DrillStatus;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore, PerconaPGRestoreStatus};
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{Cluster, Scenario, condition, minutes, restore_status};

#[tokio::test]
async fn a_rehearsal_passes_until_something_is_damaged_and_leaves_nothing_behind() {
    Scenario::alone_within(minutes(20), "drills", async |scenario| {
        let app = Cluster::plain("app", scenario);
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(5)).await;
        scenario.sql(&app, "create table t as select generate_series(1, 1000) i").await;
        let first = app.segment_with(scenario, "insert into t values (0)").await;
        app.archived_with(scenario, "insert into t values (-1)").await;
        let claims = scenario.claims().await;
        app.change(
            scenario,
            &json!({ "spec": { "backups": { "drills": [
                { "name": "full", "checks": { "sql": [
                    { "name": "rows", "statement": "select count(*) > 1000 from t", "expect": "t" } ] } },
                { "name": "wrong", "checks": { "amcheck": false, "checksums": false, "sql": [
                    { "name": "rows", "statement": "select count(*) from t", "expect": "7" } ] } },
                { "name": "quick", "target": "Random", "checks": { "amcheck": false, "checksums": false } },
                { "name": "small", "resources": { "limits": { "memory": "20Mi" } } },
            ] } } }),
        )
        .await;

        let proven = drilled(scenario, "good", "full", JobState::Succeeded).await;
        let names: Vec<&str> = proven.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["checksums", "amcheck", "rows"], "{:?}", proven.checks);
        assert!(proven.checks.iter().all(|check| check.passed), "{:?}", proven.checks);
        assert!(proven.restored.unwrap().total_seconds.is_some());
        let told = told(scenario, "good").await;
        assert_eq!(told.last_result.as_deref(), Some("Proven"));
        assert!(told.last_proven.is_some() && told.reached.is_some() && told.total_seconds.is_some(), "{told:?}");
        drilled(scenario, "some-time", "quick", JobState::Succeeded).await;
        scenario.no_drill_stays(&claims).await;

        let expected = drilled(scenario, "expected", "wrong", JobState::Failed).await;
        let said = condition(&expected.conditions, "Complete").unwrap();
        assert_eq!(said.1, "ChecksFailed");
        assert!(said.2.contains("expected is '7'"), "{}", said.2);

        let small = drilled(scenario, "small", "small", JobState::Failed).await;
        let error = small.error.unwrap();
        assert!(error.contains("its memory limit is 20Mi"), "{error}");

        // A segment that is gone, with a target behind it: known before anything is restored.
        let now = scenario.sql(&app, "select clock_timestamp()").await;
        app.archived_with(scenario, "insert into t values (-2)").await;
        let directory = format!("archive/db/18-1/{}", &first[..16]);
        let taken = app.take_away(scenario, &directory, &first);
        let missing = json!({ "drill": "full", "target": { "time": now } });
        scenario.restore("segment", missing.clone()).await;
        let failed = scenario.restore_ended("segment", minutes(6)).await;
        assert_eq!(failed.state, Some(JobState::Failed));
        scenario.tell(&failed.error.unwrap());
        taken.put_back();

        // A flipped bit, and a file that is gone: found when they are read.
        let backup = restore_status(&scenario.api().get("good").await.unwrap()).preflight.unwrap().backup.unwrap();
        let flipped = app.flip_a_bit(scenario, &format!("backup/db/{backup}/bundle"));
        let found = drilled(scenario, "flipped", "full", JobState::Failed).await;
        scenario.tell(&found.error.unwrap());
        flipped.put_back();
        let taken = app.take_away(scenario, &format!("backup/db/{backup}/bundle"), "");
        let found = drilled(scenario, "file", "full", JobState::Failed).await;
        scenario.tell(&found.error.unwrap());
        taken.put_back();
        drilled(scenario, "again", "full", JobState::Succeeded).await;

        // One that is deleted half way.
        scenario.restore("deleted", json!({ "drill": "full" })).await;
        let runs = |restore: &PerconaPGRestore| restore_status(restore).job_name.is_some();
        scenario.until("deleted", "running", minutes(2), runs).await;
        scenario.api::<PerconaPGRestore>().delete("deleted", &DeleteParams::default()).await.unwrap();
        scenario.gone::<PerconaPGRestore>("deleted", minutes(1)).await;
        scenario.no_drill_stays(&claims).await;

        // And one by its schedule.
        app.change(
            scenario,
            &json!({ "spec": { "backups": { "drills": [
                { "name": "often", "schedule": "* * * * *", "checks": { "amcheck": false, "checksums": false } } ] } } }),
        )
        .await;
        let proven = |cluster: &PerconaPGCluster| {
            let drills = cluster.status.clone().unwrap_or_default().recovery.unwrap_or_default().drills;
            matches!(drills.as_slice(), [only] if only.name == "often" && only.last_proven.is_some())
        };
        scenario.until("app", "proven by its schedule", minutes(4), proven).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_cluster_that_is_gone_has_left_is_rehearsed_too() {
    Scenario::alone_within(minutes(15), "left", async |scenario| {
        let app = Cluster::encrypted("app", scenario);
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(5)).await;
        app.archived_with(scenario, "create table t as select 7 n").await;
        scenario
            .api::<PerconaPGCluster>()
            .delete("app", &DeleteParams::default())
            .await
            .unwrap();
        scenario.gone::<PerconaPGCluster>("app", minutes(3)).await;
        let before = scenario.claims().await;

        // A cluster that never starts stands for it: it only says where the repository is.
        let mut left = app.clone();
        left.name = "left".to_owned();
        left.paused = true;
        left.create(scenario).await;
        left.change(
            scenario,
            &json!({ "spec": { "backups": { "drills": [{ "name": "proof", "checks": { "sql": [
                { "name": "rows", "statement": "select n from t", "expect": "7" } ] } }] } } }),
        )
        .await;
        scenario
            .restore("proven", json!({ "pgCluster": "left", "drill": "proof" }))
            .await;
        let status = scenario.restore_ended("proven", minutes(6)).await;
        assert_eq!(status.state, Some(JobState::Succeeded), "{:?}", status.error);
        assert_eq!(status.checks.len(), 3, "{:?}", status.checks);
        let mut claims = scenario.claims().await;
        claims.retain(|claim| !claim.starts_with("left-a-"));
        assert_eq!(claims, before, "it leaves no claim");
    })
    .await;
}

async fn drilled(scenario: &Scenario, name: &str, drill: &str, state: JobState) -> PerconaPGRestoreStatus {
    scenario.restore(name, json!({ "drill": drill })).await;
    let status = scenario.restore_ended(name, minutes(6)).await;
    assert_eq!(
        status.state,
        Some(state),
        "{name}: {:?} {:?}",
        status.error,
        status.checks
    );
    scenario.tell(&format!("{name}: {:?}", status.restored));
    status
}

/// What the cluster says of the rehearsal that a run was of.
async fn told(scenario: &Scenario, run: &str) -> DrillStatus {
    let find = |cluster: &PerconaPGCluster| {
        let drills = cluster
            .status
            .clone()
            .unwrap_or_default()
            .recovery
            .unwrap_or_default()
            .drills;
        drills
            .into_iter()
            .find(|drill| drill.last_run.as_deref() == Some(run))
    };
    let cluster = scenario
        .until("app", "told", minutes(1), |cluster| find(cluster).is_some())
        .await;
    find(&cluster).unwrap()
}

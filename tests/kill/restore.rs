//! Restores under a controller that is killed after each of its writes, and restores that are deleted after each of them: the
//! cluster runs again in the end, on the restored data or on those that it had.

use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{Cluster, Scenario, asked_until, minutes, restore_status};
use crate::mortal::{Mortal, died_after_all};

/// The writes by which a restore goes on.
const STEPS: [&str; 6] = [
    "finalizers PerconaPGRestore NAME",
    "status PerconaPGRestore NAME",
    // The mark that stops the instances, and, the second time, the one that lets them go.
    "status PerconaPGCluster app",
    "apply StatefulSet app-",
    "create Job app-restore-",
    "annotate Endpoints app-ha",
];

const ROWS: &str = "select n from written order by n";

pub async fn restores(scenario: &Scenario, cluster: &Cluster, mortal: &Mortal<'_>) {
    let alive = mortal.live();
    cluster.ready(scenario, minutes(3)).await;
    let insert = |row: i32| format!("insert into written values ({row})");
    scenario.sql(cluster, "create table written (n int)").await;
    cluster.segment_with(scenario, &insert(1)).await;
    let between = scenario.sql(cluster, "select clock_timestamp()").await;
    cluster.archived_with(scenario, &insert(2)).await;
    alive.end().await;

    scenario
        .restore("killed", json!({ "target": { "time": between } }))
        .await;
    let died = mortal
        .dies_after_each_write(async || is_restored(scenario, "killed").await)
        .await;
    assert_eq!(rows(scenario, cluster).await, "1");
    let (applied, written): (Vec<&str>, Vec<&str>) =
        STEPS.iter().partition(|step| step.starts_with("apply "));
    died_after_all(&died, written, "killed");
    for (number, step) in applied.into_iter().enumerate() {
        let name = format!("killed-once-{number}");
        scenario.restore(&name, json!({})).await;
        let step = step.replace("NAME", &name);
        mortal
            .dies_after(&step, async || is_restored(scenario, &name).await)
            .await;
        assert_eq!(rows(scenario, cluster).await, "1", "killed after {step}");
    }
    for (number, step) in STEPS.into_iter().enumerate() {
        let name = format!("deleted-{number}");
        scenario.restore(&name, json!({})).await;
        mortal.dies_once(&step.replace("NAME", &name)).await;
        let api = scenario.api::<PerconaPGRestore>();
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        let alive = mortal.live();
        scenario.gone::<PerconaPGRestore>(&name, minutes(4)).await;
        assert_eq!(
            rows_in_the_end(scenario, cluster).await,
            "1",
            "deleted after {step}"
        );
        alive.end().await;
    }
}

async fn is_restored(scenario: &Scenario, name: &str) -> bool {
    let restore: PerconaPGRestore = scenario.api().get(name).await.unwrap();
    let cluster: PerconaPGCluster = scenario.api().get("app").await.unwrap();
    let marked = cluster.status.is_some_and(|status| status.restore.is_some());
    restore_status(&restore).state == Some(JobState::Succeeded) && restore.finalizers().is_empty() && !marked
}

async fn rows(scenario: &Scenario, cluster: &Cluster) -> String {
    scenario.sql(cluster, ROWS).await
}

/// Where the mark was there for a moment, an instance may be on its way down and up again, and the status does not say so yet: it is
/// asked until it answers.
async fn rows_in_the_end(scenario: &Scenario, cluster: &Cluster) -> String {
    let rows = async || {
        cluster.ready(scenario, minutes(3)).await;
        let rows = scenario.answer(cluster, ROWS).await;
        rows.inspect_err(|error| scenario.tell(error)).ok()
    };
    asked_until(rows, minutes(4), "the database did not answer").await
}

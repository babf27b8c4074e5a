//! Rehearsals under a controller that is killed after each of its writes, and rehearsals that are deleted after each of them: each has
//! one end, the cluster says so, and nothing of them stays.

use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore};
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{Cluster, Scenario, minutes, restore_status};
use crate::mortal::{Mortal, died_after_all};

/// The writes by which a rehearsal goes on. The last, the cluster's account, is written once it is over.
const STEPS: [&str; 4] = [
    "status PerconaPGRestore NAME",
    "create Job app-drill-",
    "delete Job app-drill-",
    "status PerconaPGCluster app",
];

pub async fn drills(scenario: &Scenario, cluster: &Cluster, mortal: &Mortal<'_>) {
    let alive = mortal.live();
    scenario.sql(cluster, "create table written (n int)").await;
    let insert = "insert into written values (1)";
    cluster.archived_with(scenario, insert).await;
    let drills = json!([{ "name": "quick", "checks": { "amcheck": false, "checksums": false,
        "sql": [{ "name": "rows", "statement": "select count(*) from written", "expect": "1" }] } }]);
    let change = json!({ "spec": { "backups": { "drills": drills } } });
    cluster.change(scenario, &change).await;
    let claims = scenario.claims().await;
    alive.end().await;

    scenario
        .restore("killed-drill", json!({ "drill": "quick" }))
        .await;
    let died = mortal
        .dies_after_each_write(async || is_told(scenario, "killed-drill").await)
        .await;
    let status = restore_status(&scenario.api().get("killed-drill").await.unwrap());
    assert_eq!(status.state, Some(JobState::Succeeded), "{status:?}");
    scenario.no_drill_stays(&claims).await;
    died_after_all(&died, STEPS, "killed-drill");
    for (number, step) in STEPS.into_iter().enumerate() {
        let name = format!("deleted-drill-{number}");
        scenario.restore(&name, json!({ "drill": "quick" })).await;
        mortal.dies_once(&step.replace("NAME", &name)).await;
        let api = scenario.api::<PerconaPGRestore>();
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        let alive = mortal.live();
        scenario.gone::<PerconaPGRestore>(&name, minutes(1)).await;
        scenario.no_drill_stays(&claims).await;
        cluster.ready(scenario, minutes(1)).await;
        alive.end().await;
    }
}

/// It is over, and the cluster has heard of it.
async fn is_told(scenario: &Scenario, name: &str) -> bool {
    let restore: PerconaPGRestore = scenario.api().get(name).await.unwrap();
    let cluster: PerconaPGCluster = scenario.api().get("app").await.unwrap();
    let drills = cluster
        .status
        .unwrap_or_default()
        .recovery
        .unwrap_or_default()
        .drills;
    let told = drills.iter().any(|drill| drill.last_run.as_deref() == Some(name));
    told && restore_status(&restore)
        .state
        .is_some_and(|state| state.is_terminal())
}

//! New clusters under a controller that is killed after each of its writes, and with the restore deleted that brings them their data:
//! they run in the end, on those data.

use holdfast::api::backup::JobState;
use holdfast::api::cluster::status::ClusterState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::harness::{Cluster, Scenario, minutes, restore_status};
use crate::mortal::{Mortal, died_after_all};

/// The writes by which a new cluster comes to its data. There is nothing to annotate at its handing over: no Patroni has run yet.
const STEPS: [&str; 6] = [
    "apply PersistentVolumeClaim NAME-a-",
    "apply PerconaPGRestore NAME-bootstrap-",
    "finalizers PerconaPGRestore NAME-bootstrap-",
    "status PerconaPGCluster NAME",
    "apply Secret NAME-restore-",
    "create Job NAME-restore-",
];

pub async fn bootstraps(scenario: &Scenario, source: &Cluster, mortal: &Mortal<'_>) {
    let alive = mortal.live();
    scenario.sql(source, "create table written (n int)").await;
    source
        .archived_with(scenario, "insert into written values (1)")
        .await;
    alive.end().await;

    let killed = begun(scenario, "killed").await;
    let died = mortal
        .dies_after_each_write(async || has_begun(scenario, "killed").await)
        .await;
    let (applied, written): (Vec<&str>, Vec<&str>) =
        STEPS.iter().partition(|step| step.starts_with("apply "));
    died_after_all(&died, written, "killed");
    runs_on_its_data(scenario, killed, mortal).await;
    for (number, step) in applied.into_iter().enumerate() {
        let name = format!("killed-once-{number}");
        let cluster = begun(scenario, &name).await;
        mortal
            .dies_after(&step.replace("NAME", &name), async || {
                has_begun(scenario, &name).await
            })
            .await;
        runs_on_its_data(scenario, cluster, mortal).await;
    }
    for (number, step) in STEPS.into_iter().enumerate() {
        let name = format!("deleted-{number}");
        let cluster = begun(scenario, &name).await;
        mortal.dies_once(&step.replace("NAME", &name)).await;
        let restores = scenario.api::<PerconaPGRestore>();
        for made in restores.list(&ListParams::default()).await.unwrap() {
            if made.spec.pg_cluster == name {
                restores
                    .delete(&made.name_any(), &DeleteParams::default())
                    .await
                    .unwrap();
            }
        }
        scenario.tell(&format!("its restore is deleted after '{step}'"));
        runs_on_its_data(scenario, cluster, mortal).await;
    }
}

async fn begun(scenario: &Scenario, name: &str) -> Cluster {
    let mut cluster = Cluster::plain(name, scenario);
    cluster.data_source = json!({ "postgresCluster": { "clusterName": "app", "repoName": "repo1" } });
    cluster.create(scenario).await;
    cluster
}

async fn has_begun(scenario: &Scenario, name: &str) -> bool {
    let restores = scenario
        .api::<PerconaPGRestore>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let cluster: PerconaPGCluster = scenario.api().get(name).await.unwrap();
    let settled = |restore: &PerconaPGRestore| {
        restore.spec.pg_cluster == name
            && restore_status(restore).state == Some(JobState::Succeeded)
            && restore.finalizers().is_empty()
    };
    let ready = cluster
        .status
        .is_some_and(|status| status.state == Some(ClusterState::Ready));
    ready && restores.items.iter().any(settled)
}

/// It is left alone until it is ready, and goes again.
async fn runs_on_its_data(scenario: &Scenario, cluster: Cluster, mortal: &Mortal<'_>) {
    let alive = mortal.live();
    cluster.ready(scenario, minutes(4)).await;
    assert_eq!(
        scenario.sql(&cluster, "select n from written order by n").await,
        "1"
    );
    let clusters = scenario.api::<PerconaPGCluster>();
    clusters
        .delete(&cluster.name, &DeleteParams::default())
        .await
        .unwrap();
    scenario.gone::<PerconaPGCluster>(&cluster.name, minutes(3)).await;
    alive.end().await;
}

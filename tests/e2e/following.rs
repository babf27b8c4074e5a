//! Clusters that follow another one: from its repository, from its primary, or both; their promotion, and what would give a
//! database two histories.

use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

use crate::harness::{Cluster, Request, Scenario, asked_until, minutes};

#[tokio::test]
async fn a_standby_reads_the_repository_and_is_promoted_once_the_other_has_stopped() {
    Scenario::alone_within(minutes(20), "follows", async |scenario| {
        let app = Cluster::encrypted("app", scenario);
        app.create(scenario).await;
        let mut heir = app.clone();
        heir.name = "heir".to_owned();
        heir.instances = 2;
        heir.standby = json!({ "enabled": true, "repoName": "repo1", "maxAcceptableLag": "64Mi" });
        // It is asked for before there is anything to begin with.
        heir.create(scenario).await;
        let refused = ("False", "StandbySourceMissing");
        heir.says(scenario, "Valid", refused, minutes(1)).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        app.archived_with(scenario, "create table written as select 1 n")
            .await;
        heir.follows(scenario, "FollowsRepository", minutes(5)).await;
        applies(scenario, &heir, "1").await;

        // What it reads goes on.
        app.archived_with(scenario, "insert into written values (2)")
            .await;
        applies(scenario, &heir, "2").await;
        heir.says(
            scenario,
            "StandbyLagging",
            ("False", "LagNotDetected"),
            minutes(2),
        )
        .await;
        let follows = |cluster: &PerconaPGCluster| {
            let told = cluster.status.as_ref().and_then(|status| status.standby.as_ref());
            told.is_some_and(|told| told.lag_bytes.is_some() && told.replayed_lsn.is_some())
        };
        scenario
            .until("heir", "known to be so far behind", minutes(2), follows)
            .await;
        let identity = "select system_identifier from pg_control_system()";
        let (of_app, of_heir) = (
            scenario.sql(&app, identity).await,
            scenario.sql(&heir, identity).await,
        );
        assert_eq!(of_app, of_heir, "one database");

        // What is there is the other's: no backup is taken or made known, none is removed, and none restored over it.
        Request::new(&heir, "of-heir", &["--type=full"])
            .create(scenario)
            .await;
        scenario.failed("of-heir", "ClusterIsStandby", minutes(1)).await;
        let all = scenario
            .api::<PerconaPGBackup>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let of_heir = all.iter().filter(|backup| backup.spec.pg_cluster == "heir");
        assert_eq!(
            of_heir.map(ResourceExt::name_any).collect::<Vec<_>>(),
            ["of-heir"]
        );

        // Two would take writes.
        let promote = json!({ "spec": { "standby": { "enabled": false } } });
        heir.change(scenario, &promote).await;
        let why = heir
            .says(scenario, "Valid", ("False", "PromotionRefused"), minutes(1))
            .await;
        assert!(why.contains("/app"), "{why}");
        app.archived_with(scenario, "insert into written values (3)")
            .await;
        applies(scenario, &heir, "3").await;

        app.pause(scenario, true).await;
        heir.ready(scenario, minutes(5)).await;
        heir.archived_with(scenario, "insert into written values (4)")
            .await;
        let rows = "select string_agg(n::text, ' ' order by n) from written";
        assert_eq!(scenario.sql(&heir, rows).await, "1 2 3 4");
        Request::new(&heir, "promoted", &["--type=incr"])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("promoted", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(&heir, &backup).await;

        // The other one comes back, and would go on where it was.
        app.pause(scenario, false).await;
        app.says(scenario, "Valid", ("False", "AnotherTakesWrites"), minutes(1))
            .await;
        heir.archived_with(scenario, "insert into written values (5)")
            .await;
        let status = scenario
            .api::<PerconaPGCluster>()
            .get("app")
            .await
            .unwrap()
            .status;
        assert_eq!(status.unwrap().postgres.unwrap().ready, Some(0));
    })
    .await;
}

#[tokio::test]
async fn a_standby_streams_from_a_primary_and_goes_on_from_the_repository_without_it() {
    Scenario::alone_within(minutes(20), "streams", async |scenario| {
        let app = Cluster::plain("app", scenario);
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.sql(&app, "create table written as select 1 n").await;
        // Both trust one root.
        for name in ["near", "both"] {
            shares_the_root(scenario, name).await;
        }
        let mut near = Cluster::plain("near", scenario);
        near.standby = json!({ "enabled": true, "host": "app-ha" });
        near.create(scenario).await;
        let mut both = app.clone();
        both.name = "both".to_owned();
        both.standby = json!({ "enabled": true, "host": "app-ha", "port": 5432, "repoName": "repo1" });
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        both.create(scenario).await;
        for cluster in [&near, &both] {
            cluster.follows(scenario, "FollowsHost", minutes(5)).await;
        }
        scenario.sql(&app, "insert into written values (2)").await;
        for cluster in [&near, &both] {
            applies(scenario, cluster, "2").await;
        }

        let promote = json!({ "spec": { "standby": null } });
        near.change(scenario, &promote).await;
        near.says(scenario, "Valid", ("False", "PromotionRefused"), minutes(1))
            .await;

        // Without the primary one of them has nothing to follow, and may go on by itself, with a repository of its own.
        app.pause(scenario, true).await;
        both.follows(scenario, "FollowsRepository", minutes(3)).await;
        near.ready(scenario, minutes(5)).await;
        scenario.sql(&near, "insert into written values (3)").await;
        scenario.succeeded("near-repo1-initial", minutes(4)).await;
        assert_eq!(scenario.sql(&both, "select max(n) from written").await, "2");
        app.pause(scenario, false).await;
        both.follows(scenario, "FollowsHost", minutes(5)).await;
        let api = scenario.api::<PerconaPGBackup>();
        for backup in api.list(&ListParams::default()).await.unwrap() {
            let state = backup.status.as_ref().and_then(|status| status.state.clone());
            assert_ne!(state, Some(JobState::Failed), "{}", backup.name_any());
        }
    })
    .await;
}

/// Waits until a row is there.
async fn applies(scenario: &Scenario, cluster: &Cluster, row: &str) {
    let sql = "select coalesce(max(n), 0) from written";
    let came = async || (scenario.sql(cluster, sql).await == row).then_some(());
    let otherwise = format!("row {row} does not come to {}", cluster.name);
    asked_until(came, minutes(3), &otherwise).await;
    let recovers = scenario.sql(cluster, "select pg_is_in_recovery()").await;
    assert_eq!(recovers, "t", "{} takes writes", cluster.name);
}

/// Gives a cluster that is still to be made the root certificate of `app`.
async fn shares_the_root(scenario: &Scenario, name: &str) {
    let api = scenario.api::<Secret>();
    let root = api.get("app-cluster-ca-cert").await.unwrap();
    let secret: Secret = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": format!("{name}-cluster-ca-cert") }, "data": root.data,
    }))
    .unwrap();
    scenario.apply(&secret).await;
}

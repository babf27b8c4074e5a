//! New clusters from backups: of a cluster beside it, of one in another namespace, of one that is gone, from each kind of repository,
//! and to a time. What they begin from is read and never written.

use std::collections::BTreeMap;

use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGCluster, PerconaPGRestore};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::harness::{Cluster, Four, REPOSITORIES, Request, Scenario, asked_until, minutes, restore_status};

#[tokio::test]
async fn a_new_cluster_begins_from_each_kind_of_repository() {
    Scenario::alone_within(minutes(20), "begins", async |scenario| {
        let four = Four::new(scenario);
        four.apply(&REPOSITORIES).await;
        four.cluster.ready(scenario, minutes(5)).await;
        for repository in REPOSITORIES {
            scenario
                .succeeded(&format!("app-{repository}-initial"), minutes(6))
                .await;
        }
        let segment = four
            .cluster
            .segment_with(scenario, "create table t as select generate_series(1, 1000) i")
            .await;
        scenario.tell(&format!("1000 rows are in {segment}"));
        let clusters =
            REPOSITORIES.map(|repository| begun(scenario, &format!("from-{repository}"), repository));
        for cluster in &clusters {
            cluster.create(scenario).await;
        }
        for cluster in &clusters {
            brought(scenario, cluster).await;
            cluster.ready(scenario, minutes(5)).await;
            assert_eq!(scenario.sql(cluster, "select count(*) from t").await, "1000");
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_cluster_takes_over_the_volume_of_one_that_is_gone() {
    Scenario::alone("volumes", async |scenario| {
        let app = Cluster::plain("app", scenario);
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario
            .sql(&app, "create table t as select 7 n; checkpoint")
            .await;
        let claims = scenario.claims().await;
        let [claim] = claims.as_slice() else {
            panic!("one instance has one claim: {claims:?}");
        };
        let mut next = Cluster::plain("next", scenario);
        next.instances = 2;
        next.data_source = json!({ "volumes": { "pgDataVolume": { "pvcName": claim } } });
        next.create(scenario).await;
        let refused = ("False", "ClaimInUse");
        let why = next.says(scenario, "Valid", refused, minutes(1)).await;
        assert!(why.contains("PerconaPGCluster app"), "{why}");
        let clusters = scenario.api::<PerconaPGCluster>();
        clusters.delete("app", &DeleteParams::default()).await.unwrap();
        scenario.gone::<PerconaPGCluster>("app", minutes(3)).await;
        next.ready(scenario, minutes(5)).await;
        assert_eq!(scenario.sql(&next, "select n from t").await, "7");
        scenario.succeeded("next-repo1-initial", minutes(4)).await;
        let primary = next.primary(scenario).await;
        let volumes = primary.spec.unwrap().volumes.unwrap();
        let mounted = volumes
            .iter()
            .filter_map(|volume| volume.persistent_volume_claim.as_ref());
        assert_eq!(
            mounted.map(|own| own.claim_name.as_str()).collect::<Vec<_>>(),
            [claim.as_str()]
        );
    })
    .await;
}

/// What somebody who ran PostgreSQL elsewhere has.
const FOREIGN: &str = include_str!("bootstraps/foreign.sh");

#[tokio::test]
async fn a_new_cluster_begins_from_a_stanza_of_another_name() {
    Scenario::alone("foreign", async |scenario| {
        let foreign = Cluster::encrypted("foreign", scenario);
        let (well, said) = scenario.recovery_by_hand(&foreign, FOREIGN, &[]).await;
        assert!(well, "{said}");
        let mut shop = Cluster::plain("shop", scenario);
        shop.data_source = foreign.as_source();
        shop.data_source["pgbackrest"]["stanza"] = json!("shop-main");
        scenario.apply(&foreign.secret()).await;
        shop.create(scenario).await;
        brought(scenario, &shop).await;
        shop.ready(scenario, minutes(5)).await;
        assert_eq!(scenario.sql(&shop, "select n from t").await, "7");
        scenario.succeeded("shop-repo1-initial", minutes(4)).await;
    })
    .await;
}

#[tokio::test]
async fn a_new_cluster_begins_where_it_is_told_and_never_writes_to_what_it_begins_from() {
    Scenario::alone_within(minutes(20), "heirs", async |scenario| {
        let mut app = Cluster::encrypted("app", scenario);
        app.more_volumes = true;
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(5)).await;
        scenario.sql(&app, app.tablespace()).await;
        let table = "create table t tablespace fast as select 1 i";
        scenario.sql(&app, table).await;
        Request::new(&app, "with-tablespace", &["--type=incr"])
            .create(scenario)
            .await;
        scenario.succeeded("with-tablespace", minutes(5)).await;
        let first = scenario.sql(&app, "select clock_timestamp()").await;
        app.segment_with(scenario, "insert into t values (2)").await;

        // To a time, with a replica.
        let mut twin = begun(scenario, "twin", "repo1");
        twin.instances = 2;
        twin.data_source["postgresCluster"]["options"] =
            json!(["--type=time", format!("--target=\"{first}\"")]);
        twin.create(scenario).await;
        brought(scenario, &twin).await;
        twin.ready(scenario, minutes(5)).await;
        assert_eq!(rows(scenario, &twin).await, "1");
        let replicas = "select count(*) from pg_stat_replication where state = 'streaming'";
        assert_eq!(scenario.sql(&twin, replicas).await, "1");

        into_the_same_place(scenario, &app).await;

        // From another namespace: only with its owner's word.
        let other = Scenario::open(&format!("{}-other", scenario.namespace)).await;
        let mut far = begun(&other, "far", "repo1");
        far.data_source["postgresCluster"]["clusterNamespace"] = json!(scenario.namespace);
        far.create(&other).await;
        let refused = ended(&other, &far, JobState::Failed).await;
        let error = restore_status(&refused).error.unwrap();
        assert!(
            error.contains("does not share its backups with") && error.contains("sharedWith"),
            "{error}"
        );
        app.change(
            scenario,
            &json!({ "spec": { "backups": { "sharedWith": [other.namespace] } } }),
        )
        .await;
        other
            .api::<PerconaPGRestore>()
            .delete(&refused.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        brought(&other, &far).await;
        far.ready(&other, minutes(5)).await;
        assert_eq!(rows(&other, &far).await, "1,2");
        other.close().await;

        // From the repository of a cluster that is gone.
        let primary = app.primary(scenario).await.name_any();
        scenario
            .api::<PerconaPGCluster>()
            .delete("app", &DeleteParams::default())
            .await
            .unwrap();
        scenario.gone::<PerconaPGCluster>("app", minutes(3)).await;
        scenario.gone::<Pod>(&primary, minutes(3)).await;
        let before = content(scenario, &app);
        let mut heir = Cluster::plain("heir", scenario);
        heir.more_volumes = true;
        heir.data_source = app.as_source();
        heir.create(scenario).await;
        brought(scenario, &heir).await;
        heir.ready(scenario, minutes(5)).await;
        assert_eq!(rows(scenario, &heir).await, "1,2");
        scenario.succeeded("heir-repo1-initial", minutes(5)).await;
        scenario.sql(&heir, "insert into t values (3)").await;

        // What stays in the specification does nothing more.
        let restores = scenario.api::<PerconaPGRestore>();
        restores
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .unwrap();
        let primary = heir.primary(scenario).await;
        scenario
            .api::<Pod>()
            .delete(&primary.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        let another = |pod: &Pod| pod.uid() != primary.uid();
        scenario
            .until(&primary.name_any(), "another Pod", minutes(3), another)
            .await;
        heir.ready(scenario, minutes(5)).await;
        assert_eq!(rows(scenario, &heir).await, "1,2,3");
        let made = restores.list(&ListParams::default()).await.unwrap();
        assert!(made.items.iter().all(|restore| restore.spec.pg_cluster != "heir"));
        assert_eq!(content(scenario, &app), before, "the source was written to");
    })
    .await;
}

/// Refused, and nothing is started.
async fn into_the_same_place(scenario: &Scenario, app: &Cluster) {
    let mut same = begun(scenario, "same", "repo1");
    same.path.clone_from(&app.path);
    same.cipher.clone_from(&app.cipher);
    same.create(scenario).await;
    let refused = ended(scenario, &same, JobState::Failed).await;
    let error = restore_status(&refused).error.unwrap();
    let why = "which is a repository of what it is to begin from";
    assert!(error.contains(why), "{error}");
    let clusters = scenario.api::<PerconaPGCluster>();
    clusters.delete("same", &DeleteParams::default()).await.unwrap();
}

/// A cluster that begins from a repository of `app`.
fn begun(scenario: &Scenario, name: &str, repository: &str) -> Cluster {
    let mut cluster = Cluster::plain(name, scenario);
    cluster.more_volumes = true;
    cluster.data_source = json!({ "postgresCluster": { "clusterName": "app", "repoName": repository } });
    cluster
}

async fn rows(scenario: &Scenario, cluster: &Cluster) -> String {
    scenario
        .sql(cluster, "select string_agg(i::text, ',' order by i) from t")
        .await
}

/// Waits until its data are there.
async fn brought(scenario: &Scenario, cluster: &Cluster) {
    let restore = ended(scenario, cluster, JobState::Succeeded).await;
    scenario.tell(&format!(
        "{}: {:?}",
        restore.name_any(),
        restore_status(&restore).restored
    ));
}

async fn ended(scenario: &Scenario, cluster: &Cluster, state: JobState) -> PerconaPGRestore {
    let name = made(scenario, cluster).await;
    let status = scenario.restore_ended(&name, minutes(6)).await;
    assert_eq!(status.state, Some(state), "{name}: {:?}", status.error);
    scenario.api().get(&name).await.unwrap()
}

/// The restore that the operator makes by itself.
async fn made(scenario: &Scenario, cluster: &Cluster) -> String {
    let api = scenario.api::<PerconaPGRestore>();
    let found = async || {
        let all = api.list(&ListParams::default()).await.unwrap();
        let own = all.items.into_iter().find(|restore| {
            restore.spec.pg_cluster == cluster.name && restore.metadata.deletion_timestamp.is_none()
        });
        own.map(|own| own.name_any())
    };
    let otherwise = format!("no restore brings {} its data", cluster.name);
    asked_until(found, minutes(3), &otherwise).await
}

/// Every object of a repository, and what is in it.
fn content(scenario: &Scenario, cluster: &Cluster) -> BTreeMap<String, String> {
    let objects = scenario.stores.objects("S3", &cluster.path);
    assert!(!objects.is_empty());
    let hash = |path: &String| hex::encode(Sha256::digest(std::fs::read(path).unwrap()));
    objects.iter().map(|path| (path.clone(), hash(path))).collect()
}

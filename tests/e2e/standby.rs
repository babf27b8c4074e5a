//! Backups are copied from a standby where there is one, say which instance that was, and are not held up by one that lags or
//! by a primary that goes.

use holdfast::api::PerconaPGBackup;
use holdfast::api::backup::CopiedFrom;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;
use tokio::task::JoinHandle;

use crate::harness::{Cluster, Request, Scenario, kubectl_exec, minutes, status};

const INSTANCE: &str = "postgres-operator.crunchydata.com/instance";

#[tokio::test]
async fn a_backup_is_copied_from_the_standby_and_names_it_and_does_without_where_it_must() {
    Scenario::alone("standby", async |scenario| {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.instances = 2;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(6)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        let (primary, standby) = instances(scenario, &cluster).await;

        Request::new(&cluster, "preferred", &["--type=full"])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("preferred", minutes(4)).await;
        is_from(&backup, "standby", &standby);
        let seen = scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;
        assert_eq!(seen["type"], "full");

        Request::new(&cluster, "chosen", &["--type=incr", "--no-backup-standby"])
            .create(scenario)
            .await;
        is_from(
            &scenario.succeeded("chosen", minutes(4)).await,
            "primary",
            &primary,
        );

        // A standby that does not replay fails pgBackRest, and no backup.
        let held = hold_replay(scenario, &cluster, &standby).await;
        Request::new(&cluster, "lagging", &["--type=incr", "--archive-timeout=10s"])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("lagging", minutes(4)).await;
        is_from(&backup, "primary", &primary);
        let told = scenario.event("lagging", "StandbyNotUsed", minutes(1)).await;
        assert!(told.contains(&primary), "{told}");
        held.abort();

        // The primary goes while files are copied, slowly: before, and once the backup has been stopped, nothing is lost by that.
        scenario.fill(&cluster).await;
        let slowly = ["--type=full", "--compress-type=bz2", "--compress-level=9"];
        Request::new(&cluster, "overtaken", &slowly)
            .create(scenario)
            .await;
        scenario.half_way("overtaken", minutes(2)).await;
        let heir = cluster.fail_over(scenario).await;
        let told = scenario.event("overtaken", "PrimaryChanged", minutes(2)).await;
        assert!(told.contains(&heir.name_any()), "{told}");
        let backup = scenario.succeeded("overtaken", minutes(6)).await;
        scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;
    })
    .await;
}

fn is_from(backup: &PerconaPGBackup, role: &str, instance: &str) {
    let CopiedFrom {
        role: found,
        instance: name,
    } = status(backup).copied_from.expect("where it was copied from");
    assert_eq!((found.as_str(), name.as_deref()), (role, Some(instance)));
}

/// Names of the primary and of the other instance.
async fn instances(scenario: &Scenario, cluster: &Cluster) -> (String, String) {
    let name = |pod: &Pod| pod.labels()[INSTANCE].clone();
    let primary = name(&cluster.primary(scenario).await);
    let all = ListParams::default().labels(&cluster.instance_selector());
    let pods = scenario.api::<Pod>().list(&all).await.unwrap();
    let other = pods.iter().map(name).find(|other| *other != primary);
    (primary, other.expect("two instances"))
}

/// A reader on the standby keeps a table that is changed on the primary: replay waits for it, for half a minute. (Patroni resumes
/// a replay that is paused.)
async fn hold_replay(scenario: &Scenario, cluster: &Cluster, standby: &str) -> JoinHandle<()> {
    scenario
        .sql(cluster, "create table held as select 1 one; checkpoint")
        .await;
    let (namespace, pod) = (scenario.namespace.clone(), format!("{standby}-0"));
    let reading = tokio::spawn(async move {
        let sql = "begin; select * from held; select pg_sleep(60)";
        let command = ["psql", "-X", "-d", "postgres", "-c", sql];
        let _ = kubectl_exec(&namespace, &pod, "database", &command, "").await;
    });
    let reads = "select count(*) from pg_locks where relation = 'held'::regclass";
    let command = ["psql", "-X", "-A", "-t", "-d", "postgres", "-c", reads];
    let pod = format!("{standby}-0");
    let mut tries = 0;
    while kubectl_exec(&scenario.namespace, &pod, "database", &command, "")
        .await
        .map_or(true, |count| count.trim() == "0")
    {
        tries += 1;
        assert!(tries < 100, "nobody reads on the standby");
    }
    scenario.sql(cluster, "alter table held add column two int").await;
    scenario.tell(&format!("replay waits on {standby}"));
    reading
}

//! Backups are copied from a standby where there is one, say which instance that was, and are not held up by one that lags or
//! by a primary that goes.

use holdfast::api::PerconaPGBackup;
use holdfast::api::backup::CopiedFrom;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;

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
        replay(scenario, &standby, "pause").await;
        Request::new(&cluster, "lagging", &["--type=incr", "--archive-timeout=15s"])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("lagging", minutes(4)).await;
        is_from(&backup, "primary", &primary);
        let told = scenario.event("lagging", "StandbyNotUsed", minutes(1)).await;
        assert!(told.contains(&primary), "{told}");
        replay(scenario, &standby, "resume").await;

        scenario.slow_down(&cluster).await;
        Request::new(&cluster, "overtaken", &["--type=full"])
            .create(scenario)
            .await;
        let running = scenario.running("overtaken", minutes(1)).await;
        scenario.job_pod(&running, None).await;
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

/// Stops or resumes the replay of WAL on an instance that follows.
async fn replay(scenario: &Scenario, instance: &str, how: &str) {
    let sql = format!("select pg_wal_replay_{how}()");
    let command = [
        "psql",
        "-X",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        "postgres",
        "-c",
        &sql,
    ];
    kubectl_exec(
        &scenario.namespace,
        &format!("{instance}-0"),
        "database",
        &command,
        "",
    )
    .await
    .unwrap();
    scenario.tell(&format!("{how} replay on {instance}"));
}

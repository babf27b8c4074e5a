//! Whatever is killed or cut off in the middle of a backup, the backup ends well, once.

use holdfast::api::PerconaPGBackup;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;

use crate::harness::{Cluster, Operator, Request, Scenario, kubectl_exec, minutes, seconds, status};

#[tokio::test]
async fn a_backup_ends_well_when_the_operator_is_killed_before_it_begins() {
    Scenario::shared(async |scenario, cluster| {
        let operator = Operator::seize().await;
        let dead = operator.kill().await;
        Request::new(cluster, "orphan", &["--type=incr"])
            .create(scenario)
            .await;
        operator.succession(&dead).await;
        let backup = scenario.succeeded("orphan", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_ends_well_when_the_operator_is_killed_as_soon_as_it_was_asked_for() {
    Scenario::shared(async |scenario, cluster| {
        let operator = Operator::seize().await;
        Request::new(cluster, "raced", &["--type=incr"])
            .create(scenario)
            .await;
        let dead = operator.kill().await;
        operator.succession(&dead).await;
        let backup = scenario.succeeded("raced", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_ends_well_when_the_operator_is_killed_while_it_runs() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        let operator = Operator::seize().await;
        Request::new(cluster, "survivor", &["--type=full"])
            .create(scenario)
            .await;
        scenario.running("survivor", minutes(1)).await;
        let dead = operator.kill().await;
        operator.succession(&dead).await;
        let backup = scenario.succeeded("survivor", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_ends_well_when_its_job_ends_while_there_is_no_operator() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        let operator = Operator::seize().await;
        Request::new(cluster, "unseen", &["--type=full"])
            .create(scenario)
            .await;
        let running = scenario.running("unseen", minutes(1)).await;
        operator.scale(0).await;
        let job = status(&running).job_name.unwrap();
        scenario
            .until(&job, "complete", minutes(4), |job: &Job| {
                job.status
                    .as_ref()
                    .is_some_and(|status| status.succeeded == Some(1))
            })
            .await;
        operator.restore().await;
        let backup = scenario.succeeded("unseen", minutes(2)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_whose_pod_is_deleted_is_tried_again_and_succeeds() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        Request::new(cluster, "evicted", &["--type=full"])
            .create(scenario)
            .await;
        let running = scenario.running("evicted", minutes(1)).await;
        let pod = scenario.job_pod(&running, None).await;
        scenario
            .api::<Pod>()
            .delete(&pod.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        scenario.tell("deleted the pod of the backup");
        scenario.lock_is_free(cluster, seconds(60)).await;
        let again = scenario.job_pod(&running, pod.metadata.uid.as_deref()).await;
        scenario.tell(&format!("{} tries again", again.name_any()));
        let backup = scenario.succeeded("evicted", minutes(5)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_whose_network_is_cut_frees_the_lock_is_tried_again_and_succeeds() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        Request::new(cluster, "cut", &["--type=full"])
            .create(scenario)
            .await;
        let running = scenario.running("cut", minutes(1)).await;
        let pod = scenario.job_pod(&running, None).await;
        scenario.cut(&pod.name_any()).await;
        scenario.lock_is_free(cluster, seconds(60)).await;
        scenario.tell("the lock is free");
        let backup = scenario.succeeded("cut", minutes(5)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_whose_network_is_cut_while_an_answer_is_on_its_way_frees_the_lock_too() {
    Scenario::shared(async |scenario, cluster| {
        // A backup begins with a checkpoint.
        checkpointer(scenario, cluster, "STOP").await;
        let pod = starting(scenario, cluster, "unanswered").await;
        scenario.cut(&pod).await;
        checkpointer(scenario, cluster, "CONT").await;
        scenario.sql(cluster, &until(&format!("not {STARTING}"))).await;
        scenario.tell("the database has answered");
        scenario.lock_is_free(cluster, seconds(60)).await;
        scenario.tell("the lock is free");
        let backup = scenario.succeeded("unanswered", minutes(5)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_whose_network_is_cut_while_it_asks_is_tried_again_and_succeeds() {
    Scenario::shared(async |scenario, cluster| {
        checkpointer(scenario, cluster, "STOP").await;
        let pod = starting(scenario, cluster, "unheard").await;
        pgbackrest(scenario, &pod, "STOP").await;
        checkpointer(scenario, cluster, "CONT").await;
        scenario.sql(cluster, &until(&format!("not {STARTING}"))).await;
        scenario.cut(&pod).await;
        // It reads the answer that it has and sends what it asks next, which nobody hears.
        pgbackrest(scenario, &pod, "CONT").await;
        let backup = scenario.succeeded("unheard", minutes(5)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
    })
    .await;
}

const STARTING: &str = "exists (select from pg_stat_activity
    where state = 'active' and query like '%pg_backup_start(%' and pid <> pg_backend_pid())";

fn until(condition: &str) -> String {
    format!(
        "do $$ begin while not ({condition}) loop
            perform pg_sleep(0.1); perform pg_stat_clear_snapshot(); end loop; end $$;"
    )
}

/// The Pod of a new backup that waits for the checkpoint it begins with.
async fn starting(scenario: &Scenario, cluster: &Cluster, name: &str) -> String {
    Request::new(cluster, name, &["--type=full"])
        .create(scenario)
        .await;
    let running = scenario.running(name, minutes(1)).await;
    let pod = scenario.job_pod(&running, None).await;
    scenario.sql(cluster, &until(STARTING)).await;
    pod.name_any()
}

/// Signals every pgBackRest of a backup's Pod.
async fn pgbackrest(scenario: &Scenario, pod: &str, signal: &str) {
    let each = "for it in /proc/[0-9]*; do read -r name <$it/comm && \
        case $name in pgbackrest) kill -$0 ${it#/proc/} && told=yes;; esac; done; [ $told ]";
    let command = ["bash", "-c", each, signal];
    kubectl_exec(&scenario.namespace, pod, "pgbackrest", &command, "")
        .await
        .unwrap();
}

/// Signals the process of PostgreSQL that makes checkpoints.
async fn checkpointer(scenario: &Scenario, cluster: &Cluster, signal: &str) {
    let which = "select pid from pg_stat_activity where backend_type = 'checkpointer'";
    let pid = scenario.sql(cluster, which).await;
    let pod = cluster.primary(scenario).await.name_any();
    let command = ["bash", "-c", &format!("kill -{signal} {pid}")];
    kubectl_exec(&scenario.namespace, &pod, "database", &command, "")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_backup_that_is_deleted_while_it_runs_leaves_nothing_behind_and_the_next_one_works() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        Request::new(cluster, "regretted", &["--type=full"])
            .create(scenario)
            .await;
        let running = scenario.running("regretted", minutes(1)).await;
        let (job, pod) = (
            status(&running).job_name.unwrap(),
            scenario.job_pod(&running, None).await,
        );
        scenario
            .api::<PerconaPGBackup>()
            .delete("regretted", &DeleteParams::default())
            .await
            .unwrap();
        scenario.gone::<PerconaPGBackup>("regretted", minutes(1)).await;
        scenario.gone::<Job>(&job, seconds(10)).await;
        scenario.gone::<Pod>(&pod.name_any(), seconds(10)).await;
        scenario.lock_is_free(cluster, seconds(1)).await;
        let uid = running.metadata.uid.unwrap();
        let lease = scenario
            .api::<Lease>()
            .get_opt("shop-repo1-pgbackrest")
            .await
            .unwrap();
        let holder = lease
            .and_then(|lease| lease.spec)
            .and_then(|spec| spec.holder_identity);
        assert!(!holder.clone().unwrap_or_default().contains(&uid), "{holder:?}");
        let names = scenario.info(cluster).await;
        assert!(
            names
                .iter()
                .all(|seen| seen["annotation"]["percona.com/backup-name"] != "regretted")
        );

        Request::new(cluster, "after-regret", &["--type=incr"])
            .create(scenario)
            .await;
        let next = scenario.succeeded("after-regret", minutes(3)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &next).await;
    })
    .await;
}

//! What a user says of backup Jobs acts, what cannot be allowed is refused with the reason, and what takes a Job's Pod away is
//! told by its name.

use holdfast::api::PerconaPGBackup;
use holdfast::api::backup::JobState;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, EvictParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Cluster, Request, Scenario, condition, minutes, seconds, state, status};

#[tokio::test]
async fn a_backup_that_needs_more_memory_than_its_job_may_have_is_told_with_the_limit_and_the_peak() {
    Scenario::alone("memory", async |scenario| {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;

        // Large files fill the buffers of whoever copies them.
        let large =
            "create table large as select i, repeat(md5(i::text), 8) t from generate_series(1, 1000000) i";
        scenario.sql(&cluster, large).await;
        cluster.jobs = json!({ "resources": { "limits": { "memory": "64Mi" } }, "backoffLimit": 1 });
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(2)).await;
        let hungry = ["--type=full", "--buffer-size=16MiB", "--process-max=4"];
        Request::new(&cluster, "hungry", &hungry).create(scenario).await;
        let told = scenario.event("hungry", "OutOfMemory", minutes(3)).await;
        assert!(told.contains("limit is 64Mi"), "{told}");
        let (failed, error) = scenario.failed("hungry", "OutOfMemory", minutes(4)).await;
        assert!(
            error.contains("limit is 64Mi") && error.contains("MiB"),
            "{error}"
        );
        let job = job(scenario, &failed).await;
        assert_eq!(job["status"]["failed"], 2, "it is tried once more: {job}");

        // The next one is not kept from the repository, and has what it needs.
        cluster.jobs = json!({ "resources": { "limits": { "memory": "512Mi" } } });
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(2)).await;
        Request::new(&cluster, "modest", &["--type=full"])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("modest", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_whose_pod_is_evicted_says_so_is_tried_again_and_succeeds() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        Request::new(cluster, "drained", &["--type=full"])
            .create(scenario)
            .await;
        let running = scenario.running("drained", minutes(1)).await;
        let pod = scenario.job_pod(&running, None).await;
        scenario
            .api::<Pod>()
            .evict(&pod.name_any(), &EvictParams::default())
            .await
            .unwrap();
        scenario.tell("evicted the pod of the backup");
        let told = scenario.event("drained", "Evicted", seconds(60)).await;
        assert!(told.contains(&pod.name_any()), "{told}");
        scenario.lock_is_free(cluster, seconds(60)).await;
        let backup = scenario.succeeded("drained", minutes(5)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
        // A drained node costs no try.
        let job = job(scenario, &backup).await;
        assert_eq!(job["status"]["failed"].as_i64().unwrap_or(0), 0, "{job}");
    })
    .await;
}

#[tokio::test]
async fn every_setting_of_jobs_and_of_the_container_acts_on_the_job() {
    Scenario::alone("settings", async |scenario| {
        let class = priority_class(scenario).await;
        let mut cluster = Cluster::plain("app", scenario);
        cluster.jobs = json!({
            "resources": { "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "cpu": "2", "memory": "512Mi" } },
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                { "matchExpressions": [{ "key": "kubernetes.io/os", "operator": "In", "values": ["linux"] }] },
            ] } } },
            "tolerations": [{ "key": "backups", "operator": "Exists", "effect": "NoSchedule" }],
            "priorityClassName": class,
            "securityContext": { "runAsUser": 1000, "fsGroup": 2000, "seccompProfile": { "type": "RuntimeDefault" } },
            "ttlSecondsAfterFinished": 60, "backoffLimit": 3, "restartPolicy": "OnFailure",
            "activeDeadlineSeconds": 900, "stallTimeoutSeconds": 300,
        });
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        let config = scenario.api::<ConfigMap>().get("app-pgbackrest-config").await.unwrap();
        let file = &config.data.unwrap()["pgbackrest_repo.conf"];
        assert!(file.contains("process-max=2\n"), "{file}");

        Request::new(&cluster, "set", &["--type=full", "--no-resume"])
            .with("HOLDFAST_NAMESPACE", "x")
            .deadline(30)
            .create(scenario)
            .await;
        let (_, error) = scenario.failed("set", "InvalidOptions", seconds(20)).await;
        assert!(error.contains("HOLDFAST_NAMESPACE"), "{error}");
        Request::new(&cluster, "all", &["--type=full", "--no-resume"])
            .with("TZ", "Europe/Berlin")
            .create(scenario)
            .await;
        let backup = scenario.succeeded("all", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;
        let job = job(scenario, &backup).await;
        let pod = &job["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        for (found, expected) in [
            (&job["spec"]["ttlSecondsAfterFinished"], json!(60)),
            (&job["spec"]["backoffLimit"], json!(3)),
            (&job["spec"]["activeDeadlineSeconds"], json!(900)),
            (&pod["restartPolicy"], json!("OnFailure")),
            (&pod["priorityClassName"], json!(class)),
            (&pod["tolerations"], cluster.jobs["tolerations"].clone()),
            (&pod["affinity"], cluster.jobs["affinity"].clone()),
            (&pod["securityContext"]["runAsUser"], json!(1000)),
            (&pod["securityContext"]["fsGroup"], json!(2000)),
            (&container["resources"], cluster.jobs["resources"].clone()),
        ] {
            assert_eq!(*found, expected, "{job}");
        }
        let variables = container["env"].as_array().unwrap();
        assert!(variables.contains(&json!({ "name": "TZ", "value": "Europe/Berlin" })), "{container}");
        let words = container["command"].as_array().unwrap();
        assert!(words.contains(&json!("--no-resume")) && words.contains(&json!("300")), "{container}");
        let name = status(&backup).job_name.unwrap();
        scenario.gone::<Job>(&name, minutes(2)).await;
        let after = scenario.api::<PerconaPGBackup>().get("all").await.unwrap();
        assert_eq!(state(&after), JobState::Succeeded, "{:?}", status(&after));

        nothing_runs_as_root(scenario, &mut cluster).await;
        let classes: Api<PriorityClass> = Api::all(scenario.client.clone());
        let _ = classes.delete(&class, &DeleteParams::default()).await;
    })
    .await;
}

/// A security context that asks for root is refused on the cluster and on the backup, and put right by itself afterwards.
async fn nothing_runs_as_root(scenario: &Scenario, cluster: &mut Cluster) {
    cluster.jobs = json!({ "securityContext": { "runAsUser": 0 } });
    cluster.create(scenario).await;
    let said = cluster
        .says(
            scenario,
            "ReadyForBackup",
            ("False", "InvalidSpecification"),
            minutes(1),
        )
        .await;
    assert!(said.contains("runAsUser is 0"), "{said}");
    Request::new(cluster, "rooted", &["--type=incr"])
        .create(scenario)
        .await;
    scenario
        .until("rooted", "waiting", minutes(1), |backup: &PerconaPGBackup| {
            condition(&status(backup).conditions, "Accepted")
                .is_some_and(|found| (found.0, found.1) == ("False", "InvalidSpecification"))
        })
        .await;
    cluster.jobs = json!({});
    cluster.create(scenario).await;
    scenario.succeeded("rooted", minutes(4)).await;
}

#[tokio::test]
async fn options_that_are_not_the_users_to_give_fail_at_once_with_the_reason_and_make_no_job() {
    Scenario::shared(async |scenario, cluster| {
        for (name, option, told) in [
            (
                "opt-expire",
                "--no-expire-auto",
                "the retention of its repository",
            ),
            ("opt-lock", "--lock-path=/tmp/x", "watched for progress"),
            ("opt-log", "--log-level-file=debug", "read by the operator"),
            ("opt-unknown", "--quickly", "not among the options"),
            ("opt-value", "--process-max=all", "from 1 to 999"),
            ("opt-exclude", "--exclude=base/", "cannot be restored without"),
        ] {
            let options = ["--type=incr", option];
            Request::new(cluster, name, &options).create(scenario).await;
            let (backup, error) = scenario.failed(name, "InvalidOptions", seconds(20)).await;
            assert!(error.contains(told), "{error}");
            assert_eq!(status(&backup).job_name, None);
            scenario.event(name, "InvalidOptions", seconds(10)).await;
        }
        Request::new(cluster, "opt-variable", &["--type=incr"])
            .with("PGBACKREST_PG1_HOST", "elsewhere")
            .create(scenario)
            .await;
        let (_, error) = scenario
            .failed("opt-variable", "InvalidOptions", seconds(20))
            .await;
        assert!(error.contains("PGBACKREST_PG1_HOST"), "{error}");
    })
    .await;
}

async fn job(scenario: &Scenario, backup: &PerconaPGBackup) -> Value {
    let name = status(backup)
        .job_name
        .expect("a backup that was begun names its Job");
    let job = scenario.api::<Job>().get(&name).await.unwrap();
    serde_json::to_value(job).unwrap()
}

/// One of the scenario's own: the name is that of its namespace.
async fn priority_class(scenario: &Scenario) -> String {
    let name = scenario.namespace.clone();
    let class: PriorityClass = serde_json::from_value(json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": name }, "value": 7,
    }))
    .unwrap();
    Api::<PriorityClass>::all(scenario.client.clone())
        .patch(&name, &PatchParams::apply("e2e"), &Patch::Apply(&class))
        .await
        .unwrap();
    name
}

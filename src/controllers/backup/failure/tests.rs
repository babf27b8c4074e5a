use chrono::DateTime;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// A Pod whose container has ended, as the API server shows it.
fn pod(state: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "pgbackrest", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"phase": "Failed", "containerStatuses": [{
            "name": "pgbackrest", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": state}
        }]}
    }))
    .unwrap()
}

fn job_says(job: &str) -> Evidence<'_> {
    Evidence {
        job,
        ..Evidence::default()
    }
}

#[test]
fn our_own_look_names_the_cause_behind_a_coarse_code() {
    let message = r#"{"exit":55,"errorTypes":["FileMissingError"],"message":"[055]: raised"}"#;
    let pods = [pod(&json!({"exitCode": 10, "message": message}))];
    let looked = Evidence {
        repository: Some((FailureKind::BucketMissing, "Bucket b is not there")),
        ..Evidence::default()
    };
    let told = of_job(&pods, looked);
    assert_eq!(told.reason, Reason::BucketMissing);
    assert!(told.message.contains("Bucket b is not there"), "{}", told.message);
    assert_eq!(of_job(&pods, job_says("")).reason, Reason::StanzaMissing);
}

#[test]
fn one_that_stood_still_or_ran_too_long_is_told_as_that() {
    let message = r#"{"exit":63,"stalled":true,"message":"nothing moved for 60 s"}"#;
    let pods = [pod(&json!({"exitCode": 11, "message": message}))];
    let told = of_job(&pods, job_says("Job has reached the specified backoff limit"));
    assert_eq!(told.reason, Reason::Stalled);
    assert!(
        told.message.contains("nothing moved for 60 s"),
        "{}",
        told.message
    );
    // Its Pods are gone by then.
    let told = of_job(
        &[],
        job_says("DeadlineExceeded: Job was active longer than specified deadline"),
    );
    assert_eq!(told.reason, Reason::Stalled);
    assert!(told.message.contains("activeDeadlineSeconds"), "{}", told.message);
}

#[test]
fn a_variable_that_the_agent_refused_is_a_mistake_of_the_user() {
    let message = r#"{"refused":true,"message":"variable PGBACKREST_PG1_HOST of the Job's environment may not be set"}"#;
    let told = of_job(&[pod(&json!({"exitCode": 10, "message": message}))], job_says(""));
    assert_eq!(told.reason, Reason::InvalidOptions);
    assert!(told.message.contains("PGBACKREST_PG1_HOST"), "{}", told.message);
}

#[test]
fn a_job_without_pods_was_interrupted() {
    assert_eq!(of_job(&[], job_says("x")).reason, Reason::Interrupted);
}

#[rstest]
// pgBackRest lost its connection, and another instance began to lead: while it ran, or just after.
#[case::while_it_ran(39, "00:05:10", Reason::PrimaryChanged)]
#[case::as_it_ended(56, "00:06:05", Reason::PrimaryChanged)]
#[case::long_before(39, "00:04:59", Reason::Interrupted)]
#[case::long_after(39, "00:08:00", Reason::Interrupted)]
#[case::with_a_cause_of_its_own(29, "00:05:10", Reason::WrongCipherPassphrase)]
fn a_failover_is_named_when_the_leader_is_as_new_as_the_failure(
    #[case] exit: i32,
    #[case] since: &str,
    #[case] expected: Reason,
) {
    let message = format!(r#"{{"exit":{exit},"message":"client state is 'response' but expected 'idle'"}}"#);
    let pods = [pod(&json!({
        "exitCode": 11, "message": message,
        "startedAt": "2026-11-21T00:05:00Z", "finishedAt": "2026-11-21T00:05:30Z",
    }))];
    let leader = Leader {
        pod: "app-a-cccc-0".to_owned(),
        since: DateTime::parse_from_rfc3339(&format!("2026-11-21T{since}.5+00:00"))
            .unwrap()
            .to_utc(),
    };
    let evidence = Evidence {
        leader: Some(&leader),
        ..Evidence::default()
    };
    let told = of_job(&pods, evidence);
    assert_eq!(told.reason, expected);
    assert_eq!(
        told.message.contains("app-a-cccc-0"),
        expected == Reason::PrimaryChanged
    );
}

#[test]
fn what_was_done_to_the_last_pod_goes_before_what_pgbackrest_says_of_its_end() {
    let ended = pod(&json!({"exitCode": 11, "message": r#"{"exit":49}"#}));
    let mut evicted = ended.clone();
    let status = evicted.status.as_mut().unwrap();
    status.reason = Some("Evicted".to_owned());
    status.message = Some("The node was low on resource: memory.".to_owned());
    assert_eq!(
        of_job(&[ended.clone(), evicted.clone()], job_says("")).reason,
        Reason::Evicted
    );
    assert_eq!(
        of_job(&[evicted, ended], job_says("")).reason,
        Reason::EndpointUnreachable
    );
}

#[test]
fn a_pod_that_runs_or_starts_has_no_failure() {
    let mut running = pod(&json!({"exitCode": 0}));
    let status = running.status.as_mut().unwrap();
    status.phase = Some("Running".to_owned());
    status.container_statuses = None;
    assert_eq!(of_pod(&running, Evidence::default()), None);
}

#[test]
fn behind_missing_wal_stands_what_archiving_says() {
    let cluster = |status: &str| -> PerconaPGCluster {
        serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": "c"},
            "spec": {"postgresVersion": 18, "instances": [{"name": "a", "dataVolumeClaimSpec": {}}],
                     "backups": {"pgbackrest": {"repos": []}}},
            "status": {"pgbackrest": {"repos": [{"name": "repo1", "refusesWal": true}, {"name": "repo2"}]}, "conditions": [{
                "type": "ArchivingHealthy", "status": status, "reason": "StoreFull", "message": "repo1 refuses",
                "lastTransitionTime": "2026-11-21T00:00:00Z"
            }]}
        }))
        .unwrap()
    };
    let missing = || Trouble::new(Reason::WalMissing, "82");
    let told = behind_missing_wal(missing(), Some(&cluster("False")));
    assert!(told.reason == Reason::StoreFull && told.message.contains("repo1 refuses"));
    assert_eq!(behind_missing_wal(missing(), Some(&cluster("True"))), missing());
    assert_eq!(
        refused_wal(Some(&cluster("False")), "repo1").unwrap().reason,
        Reason::StoreFull
    );
    assert_eq!(refused_wal(Some(&cluster("True")), "repo1"), None);
    assert_eq!(
        refused_wal(Some(&cluster("False")), "repo2"),
        None,
        "the other one does"
    );
    let other = Trouble::new(Reason::Interrupted, "x");
    assert_eq!(behind_missing_wal(other.clone(), Some(&cluster("False"))), other);
}

use serde_json::json;

use super::*;
use crate::controllers::backup::build::CONTAINER;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn observed(pods: Vec<Pod>) -> Observed {
    let backup = json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": {"name": "one", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"pgCluster": "c", "repoName": "repo1"},
    });
    let nothing_else = Observed::nothing_but(serde_json::from_value(backup).unwrap(), None);
    Observed { pods, ..nothing_else }
}

fn accepted() -> Accepted {
    Accepted {
        repository: serde_json::from_value(
            json!({"name": "repo1", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}}),
        )
        .unwrap(),
        key: 1,
        options: crate::domain::options::BackupOptions::parse::<&str>(&[]).unwrap(),
    }
}

fn pod(progress: &str, state: &serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "annotations": {PROGRESS_ANNOTATION: progress}},
        "status": {"containerStatuses": [{"name": CONTAINER, "image": "", "imageID": "", "ready": true,
            "restartCount": 0, "state": state}]},
    }))
    .unwrap()
}

#[test]
fn one_that_waits_for_its_turn_is_accepted_and_says_for_whom() {
    let trouble = Trouble::new(Reason::RepositoryBusy, "PerconaPGBackup a is at work");
    let status = status(&observed(vec![]), &Happened::Waits(&trouble, true), at(0));
    assert_eq!(status.state, Some(JobState::New));
    assert!(conditions::is_true(&status.conditions, "Accepted"));
    let turn = conditions::find(&status.conditions, "BackupLeaseAcquired").unwrap();
    assert_eq!(
        (turn.status.as_str(), turn.reason.as_str()),
        ("False", "RepositoryBusy")
    );
}

#[test]
fn progress_of_the_running_pod_is_shown() {
    let text = json!({"bytesDone": 50, "bytesTotal": 200, "at": at(5)}).to_string();
    let seen = observed(vec![pod(
        &text,
        &json!({"running": {"startedAt": "2027-01-15T08:00:00Z"}}),
    )]);
    let progress = track(&seen, &mut Tracker::default());
    let accepted = accepted();
    let status = status(&seen, &Happened::Runs(&accepted, "image", progress), at(6));
    assert_eq!(status.state, Some(JobState::Running));
    assert_eq!(status.storage_type.as_deref(), Some("s3"));
    let progress = status.progress.unwrap();
    assert_eq!((progress.percent, progress.bytes_total), (Some(25), Some(200)));
    assert!(progress.summary.unwrap().starts_with("25% "));
}

#[test]
fn a_failure_keeps_its_text_and_frees_the_progress_column() {
    let mut seen = observed(vec![]);
    seen.backup.status = Some(PerconaPGBackupStatus {
        progress: Some(BackupProgress {
            percent: Some(3),
            summary: Some("3%".to_owned()),
            ..BackupProgress::default()
        }),
        ..PerconaPGBackupStatus::default()
    });
    let trouble = Trouble::new(Reason::BucketMissing, "repo1: no bucket b");
    let status = status(&seen, &Happened::Failed(&trouble), at(9));
    assert_eq!(status.state, Some(JobState::Failed));
    assert!(status.error.unwrap().contains("no bucket b"));
    assert_eq!(status.progress.unwrap().summary, None);
    assert_eq!(
        conditions::find(&status.conditions, "Complete").unwrap().reason,
        "BucketMissing"
    );
}

#[test]
fn a_pod_without_an_image_is_told_in_the_words_of_kubernetes() {
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
    let seen = observed(vec![pod("", &waiting)]);
    let accepted = accepted();
    let status = status(&seen, &Happened::Begins(&accepted, "image"), at(0));
    let running = conditions::find(&status.conditions, "Running").unwrap();
    assert_eq!(running.reason, "PodNotStarting");
    assert!(running.message.contains("no such image"), "{}", running.message);
}

fn running_condition(seen: &Observed, now: i64) -> (String, String) {
    let accepted = accepted();
    let happened = if running(seen).is_some() {
        Happened::Runs(&accepted, "image", None)
    } else {
        Happened::Begins(&accepted, "image")
    };
    let status = status(seen, &happened, at(now));
    let condition = conditions::find(&status.conditions, "Running").unwrap();
    (condition.reason.clone(), condition.message.clone())
}

#[test]
fn a_try_that_is_lost_is_named_while_the_next_one_is_waited_for() {
    let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let (reason, message) = running_condition(&observed(vec![pod("", &killed)]), 0);
    assert_eq!(reason, "OutOfMemory");
    assert!(message.ends_with("Another try follows."), "{message}");
    // And when that runs.
    let works = json!({"running": {"startedAt": "2027-01-15T08:00:00Z"}});
    let (reason, message) = running_condition(&observed(vec![pod("", &killed), pod("", &works)]), 0);
    assert_eq!(reason, "InProgress");
    assert_eq!(
        message,
        "pgBackRest is at work; try 2, the one before: OutOfMemory"
    );
}

#[test]
fn a_container_that_is_started_again_in_its_pod_tells_how_it_ended_before() {
    let mut again = pod(
        "",
        &json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}}),
    );
    let own = &mut again
        .status
        .as_mut()
        .unwrap()
        .container_statuses
        .as_mut()
        .unwrap()[0];
    own.restart_count = 1;
    own.last_state =
        serde_json::from_value(json!({"terminated": {"exitCode": 11, "message": r#"{"exit":49}"#}})).unwrap();
    assert_eq!(
        running_condition(&observed(vec![again.clone()]), 0).0,
        "EndpointUnreachable"
    );
    let own = &mut again
        .status
        .as_mut()
        .unwrap()
        .container_statuses
        .as_mut()
        .unwrap()[0];
    own.state = serde_json::from_value(json!({"running": {"startedAt": "2027-01-15T08:00:00Z"}})).unwrap();
    let (_, message) = running_condition(&observed(vec![again]), 0);
    assert_eq!(
        message,
        "pgBackRest is at work; try 2, the one before: EndpointUnreachable"
    );
}

#[test]
fn a_job_for_which_kubernetes_makes_no_pod_says_so_after_a_while() {
    let mut seen = observed(vec![]);
    let job = json!({"metadata": {"name": "j", "creationTimestamp": at(0).to_rfc3339()}});
    seen.job = Some(serde_json::from_value(job).unwrap());
    assert_eq!(running_condition(&seen, 5).0, "InProgress");
    let (reason, message) = running_condition(&seen, 21);
    assert_eq!(reason, "PodNotStarting");
    assert!(message.contains("kubectl describe job c-backup-"), "{message}");
}

#[test]
fn a_pod_on_a_node_that_does_not_answer_does_not_count_as_running() {
    let mut silent = pod("", &json!({"running": {"startedAt": "2027-01-15T08:00:00Z"}}));
    let ready = json!([{"type": "Ready", "status": "False"}]);
    silent.status.as_mut().unwrap().conditions = serde_json::from_value(ready).unwrap();
    assert_eq!(running_condition(&observed(vec![silent]), 0).0, "NodeLost");
}

#[test]
fn a_pod_that_ended_well_is_no_failure_though_the_job_has_not_noticed() {
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    assert_eq!(
        running_condition(&observed(vec![pod("", &ended)]), 0).0,
        "InProgress"
    );
}

use serde_json::json;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn observed(pods: Vec<Pod>) -> Observed {
    Observed {
        backup: serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
            "metadata": {"name": "one", "namespace": "n", "uid": "u", "generation": 1},
            "spec": {"pgCluster": "c", "repoName": "repo1"},
        }))
        .unwrap(),
        cluster: None,
        user: crate::controllers::cluster::user_files::UserFiles::default(),
        volumes: crate::controllers::cluster::dereference::VolumeReads::default(),
        job: None,
        pods,
        lease: None,
        lease_job: None,
        others: vec![],
    }
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

use rstest::rstest;
use serde_json::json;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn backup(name: &str, created: i64, state: &str) -> PerconaPGBackup {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": {"name": name, "namespace": "n", "uid": name,
            "creationTimestamp": at(created).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)},
        "spec": {"pgCluster": "c", "repoName": "repo1", "startingDeadlineSeconds": 60},
        "status": {"state": state},
    }))
    .unwrap()
}

fn cluster() -> PerconaPGCluster {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
        "metadata": {"name": "c", "namespace": "n", "uid": "u"},
        "spec": {
            "postgresVersion": 18,
            "instances": [{"name": "a", "dataVolumeClaimSpec": {}}],
            "backups": {"pgbackrest": {"repos": [
                {"name": "repo1", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}},
                {"name": "repo2", "volume": {"volumeClaimSpec": {}}},
            ]}},
        },
        "status": {"postgres": {"size": 1, "ready": 1}},
    }))
    .unwrap()
}

fn observed(backup: PerconaPGBackup) -> Observed {
    Observed::nothing_but(backup, Some(cluster()))
}

fn reason(step: &Step) -> (&'static str, Option<Reason>) {
    match step {
        Step::Settled => ("settled", None),
        Step::Fail(trouble) => ("fail", Some(trouble.reason)),
        Step::Wait { trouble, .. } => ("wait", Some(trouble.reason)),
        Step::Start(_) => ("start", None),
        Step::GiveUp(trouble) => ("give up", Some(trouble.reason)),
        Step::Attend(_) => ("attend", None),
        Step::Conclude(_, true) => ("succeeded", None),
        Step::Conclude(_, false) => ("failed", None),
    }
}

#[test]
fn a_backup_of_a_ready_cluster_starts() {
    assert_eq!(reason(&decide(&observed(backup("one", 0, "")), at(1))).0, "start");
}

#[rstest]
fn every_kind_of_repository_takes_backups(#[values("repo1", "repo2")] repository: &str) {
    let mut seen = observed(backup("one", 0, ""));
    seen.backup.spec.repo_name = Some(repository.to_owned());
    assert_eq!(reason(&decide(&seen, at(1))).0, "start");
}

#[rstest]
#[case("repo1", ("start", None))]
#[case("repo2", ("wait", Some(Reason::RepoHostNotReady)))]
fn only_a_volume_waits_for_its_host(
    #[case] repository: &str,
    #[case] expected: (&'static str, Option<Reason>),
) {
    let mut seen = observed(backup("one", 0, ""));
    seen.backup.spec.repo_name = Some(repository.to_owned());
    let status = seen.cluster.as_mut().unwrap().status.as_mut().unwrap();
    conditions::set(
        &mut status.conditions,
        "PGBackRestRepoHostReady",
        conditions::Status::False,
        "RepoHostNotReady",
        "no Pod",
        None,
        at(0),
    );
    assert_eq!(reason(&decide(&seen, at(1))), expected);
}

#[test]
fn one_for_a_cluster_that_is_not_there_waits_and_fails_at_its_deadline() {
    let mut seen = observed(backup("one", 0, ""));
    seen.cluster = None;
    assert_eq!(
        reason(&decide(&seen, at(59))),
        ("wait", Some(Reason::ClusterMissing))
    );
    assert_eq!(
        reason(&decide(&seen, at(60))),
        ("fail", Some(Reason::ClusterMissing))
    );
}

#[test]
fn where_no_deadline_is_set_a_turn_is_waited_for_without_one_and_what_is_wrong_for_ten_minutes() {
    let mut one = backup("one", 0, "");
    one.spec.starting_deadline_seconds = None;
    let mut seen = observed(one);
    seen.others = vec![backup("other", 0, "Running")];
    assert_eq!(
        reason(&decide(&seen, at(86_400))),
        ("wait", Some(Reason::RepositoryBusy))
    );
    // What is wrong after a long wait for the turn is not held against the backup.
    seen.cluster = None;
    assert_eq!(
        reason(&decide(&seen, at(86_400))),
        ("wait", Some(Reason::ClusterMissing))
    );
    let status = seen.backup.status.get_or_insert_default();
    conditions::set(
        &mut status.conditions,
        "Accepted",
        conditions::Status::False,
        "ClusterMissing",
        "",
        None,
        at(86_400),
    );
    assert_eq!(reason(&decide(&seen, at(86_999))).0, "wait");
    assert_eq!(reason(&decide(&seen, at(87_000))).0, "fail");
}

#[rstest]
#[case::unknown_repository(json!({"repoName": "repo9"}), Reason::RepositoryUnknown)]
#[case::snapshot(json!({"method": "volumeSnapshot"}), Reason::NotSupported)]
#[case::option_of_the_operator(json!({"options": ["--repo=2"]}), Reason::InvalidOptions)]
#[case::option_that_pgbackrest_does_not_know(json!({"options": ["--quickly"]}), Reason::InvalidOptions)]
#[case::value_that_pgbackrest_does_not_take(json!({"options": ["--process-max=all"]}), Reason::InvalidOptions)]
#[case::variable_that_leads_elsewhere(
    json!({"containerOptions": {"env": [{"name": "PGBACKREST_PG1_HOST", "value": "x"}]}}), Reason::InvalidOptions
)]
#[case::variable_of_the_operator(
    json!({"containerOptions": {"env": [{"name": "HOLDFAST_BACKUP_JOB", "value": "x"}]}}), Reason::InvalidOptions
)]
fn what_waiting_does_not_help_fails_at_once(#[case] spec: serde_json::Value, #[case] expected: Reason) {
    let mut whole = json!({"pgCluster": "c", "repoName": "repo1"});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let mut one = backup("one", 0, "");
    one.spec = serde_json::from_value(whole).unwrap();
    assert_eq!(reason(&decide(&observed(one), at(1))), ("fail", Some(expected)));
}

#[test]
fn a_paused_cluster_and_one_without_a_ready_instance_are_waited_for() {
    let mut seen = observed(backup("one", 0, ""));
    seen.cluster.as_mut().unwrap().spec.pause = Some(true);
    assert_eq!(
        reason(&decide(&seen, at(1))),
        ("wait", Some(Reason::ClusterPaused))
    );
    let mut seen = observed(backup("one", 0, ""));
    seen.cluster.as_mut().unwrap().status = None;
    assert_eq!(
        reason(&decide(&seen, at(1))),
        ("wait", Some(Reason::ClusterNotReady))
    );
}

#[test]
fn a_repository_that_gets_no_wal_is_waited_for() {
    let mut seen = observed(backup("one", 0, ""));
    let backups = &mut seen.cluster.as_mut().unwrap().spec.backups;
    for repository in &mut backups.pgbackrest.as_mut().unwrap().repos {
        repository.suspend_archiving = Some(true);
    }
    assert_eq!(
        reason(&decide(&seen, at(1))),
        ("wait", Some(Reason::ArchivingSuspended))
    );
}

#[test]
fn a_specification_that_is_not_carried_out_yet_is_waited_for() {
    let mut seen = observed(backup("one", 0, ""));
    let cluster = seen.cluster.as_mut().unwrap();
    cluster.metadata.generation = Some(2);
    cluster.status.as_mut().unwrap().observed_generation = Some(1);
    assert_eq!(
        reason(&decide(&seen, at(1))),
        ("wait", Some(Reason::ClusterNotReady))
    );
    let cluster = seen.cluster.as_mut().unwrap();
    cluster.status.as_mut().unwrap().observed_generation = Some(2);
    assert_eq!(reason(&decide(&seen, at(1))).0, "start");
}

#[test]
fn the_one_that_has_begun_goes_first_and_then_the_oldest() {
    let mut seen = observed(backup("b", 5, ""));
    seen.others = vec![backup("a", 9, "Running")];
    let step = decide(&seen, at(10));
    assert_eq!(reason(&step), ("wait", Some(Reason::RepositoryBusy)));
    let Step::Wait {
        trouble, for_turn, ..
    } = step
    else {
        unreachable!()
    };
    assert!(
        for_turn && trouble.message.contains("PerconaPGBackup a is at work"),
        "{}",
        trouble.message
    );

    seen.others = vec![backup("a", 4, ""), backup("z", 9, "")];
    assert_eq!(reason(&decide(&seen, at(10))).0, "wait");
    seen.others = vec![backup("z", 9, ""), backup("y", 1, "Failed")];
    assert_eq!(reason(&decide(&seen, at(10))).0, "start");
}

#[test]
fn of_two_created_in_the_same_second_exactly_one_starts() {
    let mut first = observed(backup("a", 5, ""));
    first.others = vec![backup("b", 5, "")];
    let mut second = observed(backup("b", 5, ""));
    second.others = vec![backup("a", 5, "")];
    assert_eq!(reason(&decide(&first, at(6))).0, "start");
    assert_eq!(reason(&decide(&second, at(6))).0, "wait");
}

#[test]
fn one_that_waits_for_something_else_holds_up_nobody() {
    let mut older = backup("a", 1, "");
    conditions::set(
        &mut older.status.as_mut().unwrap().conditions,
        "Accepted",
        conditions::Status::False,
        "ClusterMissing",
        "",
        None,
        at(1),
    );
    let mut seen = observed(backup("b", 5, ""));
    seen.others = vec![older];
    assert_eq!(reason(&decide(&seen, at(6))).0, "start");
}

#[test]
fn a_pod_that_does_not_start_gives_way_after_half_an_hour_and_one_that_has_started_does_not() {
    let mut seen = observed(backup("one", 0, "Starting"));
    let status = seen.backup.status.as_mut().unwrap();
    conditions::set(
        &mut status.conditions,
        "Running",
        conditions::Status::False,
        "PodNotStarting",
        "Pod one-x is not scheduled",
        None,
        at(0),
    );
    let pod = |status: serde_json::Value| {
        serde_json::from_value(json!({"metadata": {"name": "one-x"}, "status": status})).unwrap()
    };
    seen.job = Some(serde_json::from_value(json!({"metadata": {"name": "j"}})).unwrap());
    seen.pods = vec![pod(
        json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]}),
    )];
    assert_eq!(reason(&decide(&seen, at(1799))).0, "attend");
    let step = decide(&seen, at(1800));
    let Step::GiveUp(trouble) = &step else {
        panic!("{step:?}")
    };
    assert_eq!(trouble.reason, Reason::PodNotStarting);
    assert!(
        trouble.message.contains("30 minutes: Pod one-x is not scheduled"),
        "{}",
        trouble.message
    );
    // The Job is on its way out, or gone.
    let mut gone = seen.clone();
    gone.job = None;
    gone.pods.clear();
    assert!(matches!(decide(&gone, at(1810)), Step::GiveUp(_)));
    seen.pods = vec![pod(json!({"phase": "Running"}))];
    assert_eq!(reason(&decide(&seen, at(1800))).0, "attend");
}

#[test]
fn a_job_that_is_there_is_attended_past_the_deadline_and_concluded_when_it_ends() {
    let mut seen = observed(backup("one", 0, "Running"));
    seen.job = Some(Job::default());
    assert_eq!(reason(&decide(&seen, at(9999))).0, "attend");
    let done = |type_: &str| -> Job {
        serde_json::from_value(json!({"status": {"conditions": [{"type": type_, "status": "True"}]}}))
            .unwrap()
    };
    seen.job = Some(done("Complete"));
    assert_eq!(reason(&decide(&seen, at(9999))).0, "succeeded");
    seen.job = Some(done("Failed"));
    assert_eq!(reason(&decide(&seen, at(9999))).0, "failed");
}

#[test]
fn the_repository_is_asked_as_soon_as_the_agent_says_that_pgbackrest_ended_well() {
    let mut seen = observed(backup("one", 0, "Running"));
    seen.job = Some(Job::default());
    for (progress, step) in [
        (r#"{"bytesDone":1}"#, "attend"),
        (r#"{"exit":56}"#, "attend"),
        (r#"{"exit":0}"#, "succeeded"),
    ] {
        let pod = json!({"metadata": {"annotations": {"holdfast.dev/progress": progress}}});
        seen.pods = vec![serde_json::from_value(pod).unwrap()];
        assert_eq!(reason(&decide(&seen, at(1))).0, step, "{progress}");
    }
}

#[test]
fn backups_go_into_gcs_and_azure_too() {
    for store in [
        json!({"gcs": {"bucket": "b"}}),
        json!({"azure": {"container": "c"}}),
    ] {
        let mut repository = json!({"name": "repo1"});
        repository
            .as_object_mut()
            .unwrap()
            .extend(store.as_object().unwrap().clone());
        let mut seen = observed(backup("one", 0, ""));
        let spec = &mut seen.cluster.as_mut().unwrap().spec;
        spec.backups.pgbackrest.as_mut().unwrap().repos = vec![serde_json::from_value(repository).unwrap()];
        assert_eq!(reason(&decide(&seen, at(1))).0, "start");
    }
}

#[test]
fn what_has_ended_stays_ended() {
    for state in ["Succeeded", "Failed"] {
        let mut seen = observed(backup("one", 0, state));
        seen.cluster = None;
        assert_eq!(decide(&seen, at(9999)), Step::Settled);
    }
}

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;

fn at(minute: i64) -> DateTime<Utc> {
    // The beginning of an hour.
    DateTime::from_timestamp(1_795_219_200, 0).unwrap() + TimeDelta::minutes(minute)
}

fn drill() -> Drill {
    serde_json::from_value(json!({"name": "hourly", "schedule": "0 * * * *"})).unwrap()
}

fn cluster(drills: &Value) -> PerconaPGCluster {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
        "metadata": {"name": "shop", "namespace": "n", "uid": "u"},
        "spec": {"postgresVersion": 18, "instances": [], "backups": {}},
        "status": {"recovery": {"drills": drills}},
    }))
    .unwrap()
}

fn run(name: &str, ended: Option<(i64, &str)>) -> PerconaPGRestore {
    let conditions: Vec<Value> = ended
        .iter()
        .map(|(minute, reason)| {
            json!({"type": "Complete", "status": "True", "reason": reason, "message": "", "lastTransitionTime": at(*minute)})
        })
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGRestore", "metadata": {"name": name},
        "spec": {"pgCluster": "shop", "drill": "hourly"},
        "status": {"completed": ended.map(|(minute, _)| at(minute)), "conditions": conditions,
            "restored": {"position": "0/1", "timeline": 2, "totalSeconds": 40}},
    }))
    .unwrap()
}

#[test]
fn what_is_due_is_made_once_and_what_was_due_before_it_was_known_is_not() {
    let first = decide(&cluster(&json!([])), &drill(), &[], at(70));
    assert_eq!(first.make, None);
    assert_eq!(first.wake, Some(at(120)));
    let known = |status: &DrillStatus| cluster(&json!([status]));
    let due = decide(&known(&first.status), &drill(), &[], at(121));
    let made = due.make.unwrap();
    assert!(made.name_any().starts_with("shop-drill-hourly-") && made.is_drill());
    let after = decide(&known(&due.status), &drill(), &[made], at(121));
    assert_eq!(after.make, None);
    assert_eq!(after.wake, Some(at(180)));
}

#[test]
fn one_that_is_under_way_stands_for_the_next() {
    let known = json!([{"name": "hourly", "lastDue": at(60)}]);
    let running = [run("one", None)];
    let decision = decide(&cluster(&known), &drill(), &running, at(121));
    assert_eq!(decision.make, None);
    assert_eq!(decision.status.last_due, Some(time::to_kubernetes(at(120))));
}

#[test]
fn what_was_proven_last_stays_known_when_a_later_one_fails_and_when_the_objects_are_gone() {
    let runs = [
        run("good", Some((1, "Proven"))),
        run("bad", Some((2, "ChecksFailed"))),
    ];
    let status = decide(&cluster(&json!([])), &drill(), &runs, at(3)).status;
    assert_eq!(status.last_result.as_deref(), Some("ChecksFailed"));
    assert_eq!(status.last_run.as_deref(), Some("bad"));
    assert_eq!(status.last_proven, Some(time::to_kubernetes(at(1))));
    assert_eq!(status.total_seconds, Some(40));
    let later = decide(&cluster(&json!([status])), &drill(), &[], at(4)).status;
    assert_eq!(
        (later.last_proven, later.last_result),
        (status.last_proven, status.last_result)
    );
}

#[test]
fn the_newest_are_kept() {
    let runs: Vec<_> = (0..5)
        .map(|n| run(&format!("run-{n}"), Some((n, "Proven"))))
        .collect();
    let decision = decide(&cluster(&json!([])), &drill(), &runs, at(9));
    assert_eq!(decision.stale, ["run-1", "run-0"]);
}

#[test]
fn one_that_is_suspended_or_has_no_schedule_is_made_by_nobody_but_told() {
    let mut silent = drill();
    silent.suspend = Some(true);
    let known = json!([{"name": "hourly", "lastDue": at(0)}]);
    let decision = decide(
        &cluster(&known),
        &silent,
        &[run("asked", Some((1, "Proven")))],
        at(500),
    );
    assert_eq!((decision.make, decision.wake), (None, None));
    assert_eq!(decision.status.last_run.as_deref(), Some("asked"));
}

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::decide::{Decision, decide};
use super::{health, plan};
use crate::api::conditions::find;
use crate::api::schedules::RunResult;
use crate::api::{PerconaPGBackup, PerconaPGCluster, Reason};

fn utc(text: &str) -> DateTime<Utc> {
    format!("2026-11-21T{text}Z").parse().unwrap()
}

fn cluster(schedules: &Value, more: &Value) -> PerconaPGCluster {
    let mut backups = json!({ "pgbackrest": { "repos": [
        { "name": "repo1", "gcs": { "bucket": "b" }, "schedules": schedules },
    ] } });
    let fields = more.as_object().cloned().unwrap_or_default();
    backups.as_object_mut().unwrap().extend(fields);
    let mut cluster: PerconaPGCluster = serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
        "metadata": { "name": "shop", "namespace": "prod", "uid": "u", "generation": 3 },
        "spec": { "postgresVersion": 18, "instances": [], "backups": backups },
        "status": {},
    }))
    .unwrap();
    ready(&mut cluster, "True", "AsSpecified");
    cluster
}

fn hourly() -> PerconaPGCluster {
    cluster(&json!({ "incremental": "0 * * * *" }), &json!({}))
}

fn ready(cluster: &mut PerconaPGCluster, holds: &str, reason: &str) {
    let condition = json!([{
        "type": "ReadyForBackup", "status": holds, "reason": reason, "message": "",
        "lastTransitionTime": "2026-11-21T00:00:00Z",
    }]);
    cluster.status.as_mut().unwrap().conditions = serde_json::from_value(condition).unwrap();
}

fn backup(name: &str, state: &str, completed: &str) -> PerconaPGBackup {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": { "name": name, "namespace": "prod" },
        "spec": { "pgCluster": "shop", "repoName": "repo1" },
        "status": { "state": state, "completed": utc(completed).to_rfc3339() },
    }))
    .unwrap()
}

/// Looks, and writes down what comes of it as the controller does.
fn look(cluster: &mut PerconaPGCluster, runs: &[PerconaPGBackup], now: &str) -> Vec<Decision> {
    let plan = plan::of(&cluster.spec, utc(now));
    let decisions = decide(cluster, &plan, runs, utc(now));
    let status = cluster.status.as_mut().unwrap();
    status.schedules = decisions.iter().map(|decision| decision.status.clone()).collect();
    decisions
}

fn healthy(cluster: &PerconaPGCluster, now: &str) -> (String, String, String) {
    let plan = plan::of(&cluster.spec, utc(now));
    let decisions = decide(cluster, &plan, &[], utc(now));
    let conditions = health::conditions(cluster, &plan, &decisions, utc(now));
    let found = find(&conditions, "SchedulesHealthy").unwrap().clone();
    (found.status, found.reason, found.message)
}

fn is(found: &(String, String, String), status: &str, reason: Reason) {
    assert_eq!(
        (found.0.as_str(), found.1.as_str()),
        (status, reason.as_str()),
        "{}",
        found.2
    );
}

#[test]
fn a_time_that_comes_makes_one_backup_with_its_name() {
    let mut cluster = hourly();
    let first = look(&mut cluster, &[], "00:30:00");
    assert_eq!(
        (first[0].run.clone(), first[0].wake),
        (None, Some(utc("01:00:00")))
    );
    let due = look(&mut cluster, &[], "01:00:00");
    let (at, name) = due[0].run.clone().unwrap();
    assert_eq!(
        (at, name.as_str()),
        (utc("01:00:00"), "shop-repo1-incr-202611210100")
    );
    let status = &due[0].status;
    assert_eq!(
        (status.due, status.started, status.missed, status.skipped),
        (1, 1, 0, 0)
    );
    assert_eq!(status.last_run.as_ref().unwrap().result, RunResult::Unfinished);
    // Written or not: looked at again it is the same run, or none.
    let running = [backup(&name, "Running", "00:00:00")];
    assert_eq!(look(&mut cluster, &running, "01:00:01")[0].run, None);
    let ended = [backup(&name, "Succeeded", "01:02:00")];
    let done = look(&mut cluster, &ended, "01:02:01");
    assert_eq!(
        done[0].status.last_run.as_ref().unwrap().result,
        RunResult::Succeeded
    );
    assert_eq!(
        done[0]
            .status
            .last_success
            .as_ref()
            .map(crate::api::time::from_kubernetes),
        Some(utc("01:02:00"))
    );
    is(&healthy(&cluster, "01:02:02"), "True", Reason::AsSpecified);
}

#[test]
fn a_cluster_that_is_paused_skips_visibly_and_catches_up_once() {
    let mut cluster = hourly();
    look(&mut cluster, &[], "00:30:00");
    ready(&mut cluster, "False", "ClusterPaused");
    for due in ["01:00:00", "02:00:00"] {
        let found = look(&mut cluster, &[], due);
        assert_eq!(found[0].omitted, Some((1, Reason::ClusterPaused)));
        assert!(found[0].run.is_none() && found[0].status.owed.is_some());
    }
    is(&healthy(&cluster, "02:10:00"), "True", Reason::AsSpecified);
    ready(&mut cluster, "True", "AsSpecified");
    let found = look(&mut cluster, &[], "02:10:00");
    assert_eq!(found[0].run.as_ref().unwrap().0, utc("02:00:00"));
    let status = &found[0].status;
    assert_eq!(
        (status.due, status.started, status.missed, status.skipped),
        (2, 1, 0, 1)
    );
    assert_eq!(status.owed, None);
}

#[test]
fn an_operator_that_was_down_makes_one_backup_and_says_what_it_missed() {
    let mut cluster = hourly();
    look(&mut cluster, &[], "00:30:00");
    let found = look(&mut cluster, &[], "03:20:00");
    assert_eq!(found[0].run.as_ref().unwrap().0, utc("03:00:00"));
    assert_eq!(found[0].omitted, Some((2, Reason::Unattended)));
    let status = &found[0].status;
    assert_eq!(
        (status.due, status.started, status.missed, status.skipped),
        (3, 1, 2, 0)
    );
    let name = found[0].run.clone().unwrap().1;
    is(&healthy(&cluster, "03:20:01"), "False", Reason::BackupsMissed);
    look(
        &mut cluster,
        &[backup(&name, "Succeeded", "03:21:00")],
        "03:21:01",
    );
    is(&healthy(&cluster, "03:21:02"), "True", Reason::AsSpecified);
}

#[test]
fn one_that_failed_is_named_until_another_succeeds() {
    let mut cluster = hourly();
    look(&mut cluster, &[], "00:30:00");
    let name = look(&mut cluster, &[], "01:00:00")[0].run.clone().unwrap().1;
    look(&mut cluster, &[backup(&name, "Failed", "01:01:00")], "01:01:01");
    let found = healthy(&cluster, "01:01:02");
    is(&found, "False", Reason::ScheduledBackupFailed);
    assert!(found.2.contains(&name), "{}", found.2);
    // One that somebody deletes has not failed.
    let next = look(&mut cluster, &[], "02:00:00")[0].run.clone().unwrap().1;
    let gone = look(&mut cluster, &[], "02:01:00");
    assert_ne!(next, name);
    assert_eq!(
        gone[0].status.last_run.as_ref().unwrap().result,
        RunResult::Deleted
    );
}

#[test]
fn a_blackout_holds_runs_up_until_it_is_over() {
    let blackouts = json!({ "blackouts": [{ "schedule": "30 0 * * *", "duration": "2h" }] });
    let mut cluster = cluster(&json!({ "full": "@hourly" }), &blackouts);
    look(&mut cluster, &[], "00:40:00");
    let found = look(&mut cluster, &[], "01:00:00");
    assert_eq!(found[0].omitted, Some((1, Reason::BlackoutWindow)));
    look(&mut cluster, &[], "02:00:00");
    assert_eq!(look(&mut cluster, &[], "02:00:01")[0].wake, Some(utc("02:30:00")));
    let after = look(&mut cluster, &[], "02:30:00");
    assert_eq!(after[0].run.as_ref().unwrap().0, utc("02:00:00"));
}

#[test]
fn another_expression_is_another_account_and_another_zone_too() {
    let mut cluster = hourly();
    look(&mut cluster, &[], "00:30:00");
    look(&mut cluster, &[], "01:00:00");
    let change = |cluster: &mut PerconaPGCluster, zone: &str| {
        let pgbackrest = cluster.spec.backups.pgbackrest.as_mut().unwrap();
        let schedules = pgbackrest.repos[0].schedules.as_mut().unwrap();
        schedules.time_zone = Some(zone.to_owned());
    };
    change(&mut cluster, "Asia/Kolkata");
    let found = look(&mut cluster, &[], "01:10:00");
    let status = &found[0].status;
    assert_eq!(
        (status.schedule.as_str(), status.due),
        ("CRON_TZ=Asia/Kolkata 0 * * * *", 0)
    );
    assert_eq!(found[0].wake, Some(utc("01:30:00")));
}

#[test]
fn what_cannot_be_understood_is_named_and_holds_up_nothing_else() {
    let schedules = json!({ "full": "0 0 30 2 *", "incremental": "0 * * * *" });
    let mut cluster = cluster(&schedules, &json!({}));
    look(&mut cluster, &[], "00:30:00");
    assert!(look(&mut cluster, &[], "01:00:00")[0].run.is_some());
    let found = healthy(&cluster, "01:00:01");
    is(&found, "False", Reason::ScheduleInvalid);
    assert!(found.2.contains("repo1, schedules.full"), "{}", found.2);
}

#[test]
fn a_run_that_the_api_server_refuses_is_tried_again_and_not_counted() {
    let mut cluster = hourly();
    look(&mut cluster, &[], "00:30:00");
    let plan = plan::of(&cluster.spec, utc("01:00:00"));
    let decision = decide(&cluster, &plan, &[], utc("01:00:00")).remove(0);
    let refused = decision.refused(&cluster, "exceeded quota".to_owned(), utc("01:00:00"));
    assert_eq!((refused.status.due, refused.wake), (0, Some(utc("01:01:00"))));
    let conditions = health::conditions(&cluster, &plan, &[refused], utc("01:00:00"));
    let found = find(&conditions, "SchedulesHealthy").unwrap();
    assert_eq!(found.reason, Reason::ApiRefused.as_str());
    assert!(found.message.contains("exceeded quota"));
}

#[test]
fn suspended_schedules_skip_and_owe_nothing() {
    let mut cluster = cluster(&json!({ "full": "@hourly", "suspend": true }), &json!({}));
    look(&mut cluster, &[], "00:30:00");
    let found = look(&mut cluster, &[], "01:00:00");
    assert_eq!(found[0].omitted, Some((1, Reason::SchedulesSuspended)));
    assert_eq!((found[0].run.clone(), found[0].status.owed.clone()), (None, None));
    is(
        &healthy(&cluster, "01:00:01"),
        "False",
        Reason::SchedulesSuspended,
    );
}

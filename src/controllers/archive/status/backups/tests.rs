use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::windows::Recovery;
use crate::pgbackrest::repository::{BackupEntry, DatabaseIdentity, RepositorySizes};
use crate::survey::Requests;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn entry(label: &str, started: i64, stopped: i64) -> BackupEntry {
    let label: crate::domain::label::Label = label.parse().unwrap();
    BackupEntry {
        backup_type: label.backup_type(),
        label,
        prior: None,
        references: vec![],
        started: at(started),
        stopped: at(stopped),
        archive_start: None,
        archive_stop: None,
        lsn_start: None,
        lsn_stop: None,
        size: 1000,
        size_delta: 300,
        repository: RepositorySizes { size: 100, delta: 30 },
        page_errors: false,
        annotation: std::collections::BTreeMap::new(),
        database_id: 1,
        from_standby: false,
    }
}

fn picture(backups: Vec<BackupEntry>) -> Picture {
    Picture {
        looked_at: at(1000),
        database: DatabaseIdentity {
            id: 1,
            version: "18".to_owned(),
            system_id: 7,
        },
        backups,
        recovery: Recovery::default(),
        archives: vec![],
        branches: std::collections::BTreeMap::default(),
        protections: std::collections::BTreeMap::default(),
        oddities: vec![],
        requests: Requests::default(),
    }
}

fn object(kind: &str, status: &Value) -> PerconaPGBackup {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": { "name": "b", "namespace": "prod" },
        "spec": { "pgCluster": "shop", "repoName": "repo1", "options": [format!("--type={kind}")] },
        "status": status,
    }))
    .unwrap()
}

fn failed(kind: &str, second: i64) -> PerconaPGBackup {
    let completed = at(second).to_rfc3339();
    object(kind, &json!({ "state": "Failed", "completed": completed }))
}

const FULL: usize = 0;
const INCR: usize = 2;

#[test]
fn the_newest_backup_of_a_type_is_told_from_the_repository() {
    let picture = picture(vec![
        entry("20261121-134501F", 0, 60),
        entry("20261122-134501F", 100, 160),
        entry("20261122-134501F_20261122-144501I", 200, 210),
    ]);
    let found = backups("repo1", Some(&picture), &[], true);
    let full = found.kinds[FULL];
    let expected = Taken {
        ended: at(160),
        took: TimeDelta::seconds(60),
        database: 1000,
        copied: 300,
        stored: 30,
    };
    assert_eq!(
        (full.taken, full.succeeded, full.failures),
        (Some(expected), Some(true), 0)
    );
    assert_eq!(found.kinds[INCR].taken.unwrap().ended, at(210));
    assert_eq!(found.kinds[1], Kind::default());
    assert!(found.retention);
}

#[test]
fn backups_of_the_database_before_an_upgrade_are_none_of_this_one() {
    let before = picture(vec![BackupEntry {
        database_id: 2,
        ..entry("20261121-134501F", 0, 60)
    }]);
    assert_eq!(
        backups("repo1", Some(&before), &[], false).kinds[FULL],
        Kind::default()
    );
}

#[test]
fn failures_count_until_one_of_the_type_or_one_that_holds_more_has_succeeded() {
    let objects = [failed("incr", 10), failed("incr", 20), failed("full", 30)];
    let found = backups("repo1", None, &objects, false);
    let incr = found.kinds[INCR];
    assert_eq!(
        (incr.failures, incr.succeeded, incr.failed),
        (2, Some(false), Some(at(20)))
    );
    assert_eq!(found.kinds[FULL].failures, 1);

    let later = |label: &str| picture(vec![entry(label, 31, 40)]);
    let full = later("20261121-134501F");
    let found = backups("repo1", Some(&full), &objects, false);
    assert_eq!(
        (found.kinds[FULL].failures, found.kinds[FULL].succeeded),
        (0, Some(true))
    );
    // No incremental one has succeeded since, and none needs to have.
    assert_eq!(
        (found.kinds[INCR].failures, found.kinds[INCR].succeeded),
        (0, Some(false))
    );

    let incr = later("20261121-134501F_20261122-144501I");
    let found = backups("repo1", Some(&incr), &objects, false);
    assert_eq!((found.kinds[FULL].failures, found.kinds[INCR].failures), (1, 0));
}

#[test]
fn a_success_that_is_not_in_the_picture_yet_ends_failures_too() {
    let taken = object(
        "full",
        &json!({ "state": "Succeeded", "backupType": "full", "completed": at(50).to_rfc3339() }),
    );
    let found = backups("repo1", None, &[failed("full", 10), taken], false);
    let full = found.kinds[FULL];
    assert_eq!((full.failures, full.succeeded, full.taken), (0, Some(true), None));
}

#[test]
fn what_waits_starts_and_runs_is_counted_in_its_own_repository() {
    let running = object(
        "incr",
        &json!({ "state": "Running", "startedAt": at(5).to_rfc3339(), "progress": { "bytesDone": 3, "bytesTotal": 9 } }),
    );
    let mut imported = object("full", &json!({}));
    imported.metadata.labels = Some([(LABEL_IMPORTED.to_owned(), "l".to_owned())].into());
    let mut elsewhere = object("full", &json!({}));
    elsewhere.spec.repo_name = Some("repo2".to_owned());
    let objects = [
        object("full", &json!({})),
        object("full", &json!({ "state": "Starting" })),
        running,
        imported,
        elsewhere,
    ];
    let found = backups("repo1", None, &objects, false);
    assert_eq!((found.waiting, found.starting, found.running), (1, 1, 1));
    let running = Running {
        since: Some(at(5)),
        copied: Some(3),
        total: Some(9),
    };
    assert_eq!(found.kinds[INCR].running, Some(running));
    assert_eq!(backups("repo2", None, &objects, false).waiting, 1);
}

//! What goes, what stays, and what is said of it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;

use super::build::{asked, job};
use super::decide::{Decision, Wanted, decide, growth_of_a_week};
use super::status::{self, Done, Problem};
use crate::api::cluster::jobs::BackupJobs;
use crate::api::{PerconaPGBackup, Reason};
use crate::controllers::cluster::build::tests::{SMALL, cluster};
use crate::domain::label::{BackupType, Label};
use crate::domain::retention::{FullRetention, Policy};
use crate::pgbackrest::repository::{BackupEntry, RepositorySizes};

fn at(day: i64) -> DateTime<Utc> {
    "2026-11-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(day)
}

/// A backup of a day: full, or an incremental one of a full one of a day.
fn entry(day: i64, full: Option<i64>) -> BackupEntry {
    let stamp = |day| at(day).format("%Y%m%d-%H%M%S").to_string();
    let label = full.map_or_else(
        || format!("{}F", stamp(day)),
        |full| format!("{}F_{}I", stamp(full), stamp(day)),
    );
    let base = full.map(|full| format!("{}F", stamp(full)).parse().unwrap());
    BackupEntry {
        label: label.parse().unwrap(),
        backup_type: if full.is_some() {
            BackupType::Incremental
        } else {
            BackupType::Full
        },
        prior: base.clone(),
        references: base.into_iter().collect(),
        started: at(day),
        stopped: at(day),
        archive_start: None,
        archive_stop: None,
        lsn_start: None,
        lsn_stop: None,
        size: 100,
        size_delta: 10,
        repository: RepositorySizes { size: 50, delta: 5 },
        page_errors: false,
        annotation: BTreeMap::new(),
        database_id: 1,
        from_standby: false,
    }
}

fn repository() -> Vec<BackupEntry> {
    vec![
        entry(1, None),
        entry(2, Some(1)),
        entry(3, None),
        entry(4, Some(3)),
        entry(5, None),
    ]
}

/// The object of a backup; `spec` and `metadata` are added to what it needs.
fn object(name: &str, entry: &BackupEntry, spec: &serde_json::Value, going: bool) -> PerconaPGBackup {
    let mut object = json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": {"name": name, "namespace": "n", "uid": name},
        "spec": {"pgCluster": "c", "repoName": "repo1"},
        "status": {"state": "Succeeded", "backupName": entry.label.as_str()},
    });
    object["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    if going {
        object["metadata"]["finalizers"] = json!(["holdfast.dev/expire"]);
        object["metadata"]["deletionTimestamp"] = json!("2026-11-20T00:00:00Z");
    }
    serde_json::from_value(object).unwrap()
}

fn two() -> Wanted {
    Wanted {
        policy: Policy {
            full: Some(FullRetention::Count(2)),
            differential: None,
        },
        ..Wanted::default()
    }
}

fn labels(decision: &Decision) -> Vec<&str> {
    decision.gone.iter().map(Label::as_str).collect()
}

#[test]
fn what_is_beyond_the_policy_goes_and_the_wal_before_the_rest() {
    let decision = decide(&two(), &repository(), &[], at(6));
    assert_eq!(
        labels(&decision),
        ["20261102-000000F", "20261102-000000F_20261103-000000I"]
    );
    let wal = decision.wal.unwrap();
    assert_eq!((wal.from.as_str(), wal.backups), ("20261104-000000F", 2));
    let by_hand = Wanted {
        by_hand: true,
        ..two()
    };
    assert_eq!(decide(&by_hand, &repository(), &[], at(6)), Decision::default());
    assert_eq!(
        decide(&Wanted::default(), &repository(), &[], at(6)),
        Decision::default()
    );
}

#[test]
fn a_pinned_backup_stays_with_what_it_needs_and_its_price_is_told() {
    let entries = repository();
    let pinned = object("kept", &entries[1], &json!({"pinned": true}), false);
    let decision = decide(&two(), &entries, &[&pinned], at(6));
    assert_eq!(labels(&decision), [] as [&str; 0]);
    assert_eq!((decision.held.backups, decision.held.bytes), (2, 10));
    let conditions = status::backup_conditions(&pinned, &entries, &decision, at(6));
    assert_eq!(
        said(&conditions),
        ["Pinned=True BackupPinned: it and the 1 that it needs take 10B in the repository"]
    );
    let entry = status::entry("repo1", &two(), &decision, None, None);
    assert_eq!((entry.pinned, entry.pinned_bytes), (Some(2), Some(10)));
}

fn said(conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|condition| {
            let Condition {
                type_,
                status,
                reason,
                message,
                ..
            } = condition;
            format!("{type_}={status} {reason}: {message}")
        })
        .collect()
}

#[test]
fn a_deleted_backup_goes_with_its_data_unless_others_need_it() {
    let entries = repository();
    let delete = json!({"deletionPolicy": "Delete"});
    let last = object("last", &entries[3], &delete, true);
    let decision = decide(&Wanted::default(), &entries, &[&last], at(6));
    assert_eq!(labels(&decision), ["20261104-000000F_20261105-000000I"]);
    assert_eq!(
        said(&status::backup_conditions(&last, &entries, &decision, at(6))),
        ["Deletable=True InProgress: it is being removed from the repository"]
    );

    let base = object("base", &entries[2], &delete, true);
    let decision = decide(&Wanted::default(), &entries, &[&base], at(6));
    assert_eq!(labels(&decision), [] as [&str; 0]);
    assert_eq!(
        said(&status::backup_conditions(&base, &entries, &decision, at(6))),
        [
            "Deletable=False BackupNeeded: it stays in the repository: other backups cannot be restored without it: \
          20261104-000000F_20261105-000000I"
        ]
    );

    let there_no_more = object("gone", &entry(9, None), &delete, true);
    let decision = decide(&Wanted::default(), &entries, &[&there_no_more], at(6));
    assert_eq!(decision.finished, ["gone"]);

    let stays = object("stays", &entries[3], &delete, false);
    assert_eq!(
        decide(&Wanted::default(), &entries, &[&stays], at(6)),
        Decision::default()
    );
}

#[test]
fn the_last_backup_stays_and_says_so() {
    let entries = [entry(1, None)];
    let only = object("only", &entries[0], &json!({"deletionPolicy": "Delete"}), true);
    let decision = decide(&two(), &entries, &[&only], at(6));
    let conditions = status::backup_conditions(&only, &entries, &decision, at(6));
    assert!(decision.gone.is_empty());
    assert_eq!(conditions[0].reason, Reason::LastBackup.as_str());
}

#[test]
fn the_job_names_what_goes_and_its_own_words_are_read_back() {
    let cluster = cluster(SMALL);
    let backups = cluster.backups.clone().unwrap();
    let decision = decide(&two(), &repository(), &[], at(6));
    let job = job(
        &cluster,
        &backups,
        &BackupJobs::default(),
        &backups.repos[0],
        &decision,
    );
    assert_eq!(job.metadata.name.as_deref(), Some("app-repo1-expire"));
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    assert_eq!(pod.automount_service_account_token, Some(false));
    let command = pod.containers[0].command.as_ref().unwrap();
    assert_eq!(
        command[1..],
        [
            "agent",
            "expire",
            "--stanza",
            "db",
            "--repo",
            "1",
            "--archive",
            "2",
            "--archive-type",
            "full",
            "--",
            "20261102-000000F",
            "20261102-000000F_20261103-000000I",
        ]
    );
    let (labels, archive) = asked(&job);
    assert_eq!((labels.len(), archive), (2, Some(2)));
}

#[test]
fn what_went_is_remembered_until_something_else_goes() {
    let decision = decide(&two(), &repository(), &[], at(6));
    let done = |labels: &[&str], wal_from: Option<&str>| {
        Some(Done {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            wal_from: wal_from.map(str::to_owned),
            at: at(6),
        })
    };
    let first = status::entry("repo1", &two(), &decision, None, done(&["a"], Some("b")));
    assert_eq!(
        (first.expired.as_slice(), first.wal_from.as_deref()),
        (&["a".to_owned()][..], Some("b"))
    );
    let second = status::entry("repo1", &two(), &decision, Some(&first), done(&[], Some("c")));
    assert_eq!(
        (second.expired.as_slice(), second.wal_from.as_deref()),
        (&["a".to_owned()][..], Some("c"))
    );
    let third = status::entry("repo1", &two(), &decision, Some(&second), None);
    assert_eq!(third, second);
    let all = status::entry(
        "repo1",
        &Wanted::default(),
        &Decision::default(),
        Some(&second),
        None,
    );
    assert_eq!(all.wal_from, None, "all WAL is kept now");
}

#[test]
fn the_condition_tells_the_worst_and_else_what_is_kept() {
    let cluster: crate::api::PerconaPGCluster = serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": "c"},
        "spec": {"postgresVersion": 18, "instances": [], "backups": {}},
    }))
    .unwrap();
    let entry = status::entry("repo1", &two(), &Decision::default(), None, None);
    let problem = |reason, what: &str| Problem {
        reason,
        what: what.to_owned(),
    };
    let of = |problems: &[Problem]| {
        said(&status::cluster_conditions(
            &cluster,
            std::slice::from_ref(&entry),
            problems,
            at(1),
        ))
    };
    assert_eq!(
        of(&[]),
        ["RetentionHealthy=True AsSpecified: repo1 keeps the 2 newest full backups"]
    );
    let both = [
        problem(Reason::RetentionUnset, "u"),
        problem(Reason::ExpireFailed, "f"),
    ];
    assert_eq!(of(&both), ["RetentionHealthy=False ExpireFailed: f"]);
    assert!(status::cluster_conditions(&cluster, &[], &[], at(1)).is_empty());
}

#[test]
fn the_growth_of_a_week_is_what_its_backups_take() {
    assert_eq!(growth_of_a_week(&repository(), at(5)), 25);
    assert_eq!(growth_of_a_week(&repository(), at(11)), 5);
}

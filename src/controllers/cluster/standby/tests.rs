use serde_json::{Value, json};

use super::*;
use crate::controllers::cluster::repositories::Database;

/// What stands in the way, if anything does.
fn refused(
    cluster: &Value,
    reports: &[InstanceReport],
    verdict: &Verdict,
    writer: Option<&str>,
) -> Option<Reason> {
    let mut object = json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
        "metadata": {"name": "app", "namespace": "n", "uid": "u"},
        "spec": {"postgresVersion": 18, "instances": [], "backups": {}}, "status": {},
    });
    for part in ["spec", "status"] {
        for (key, value) in cluster[part].as_object().into_iter().flatten() {
            object[part][key] = value.clone();
        }
    }
    let seen = Observed::nothing_but(serde_json::from_value(object).unwrap());
    let reports: Vec<(String, InstanceReport)> = reports
        .iter()
        .map(|report| ("app-a-bbbb".to_owned(), report.clone()))
        .collect();
    let scene = Scene {
        observed: &seen,
        reports: &reports,
        repositories: std::slice::from_ref(verdict),
        writer: &|| writer.map(str::to_owned),
    };
    allowed(&scene).err().map(|refusal| refusal.reason)
}

fn verdict(version: Option<&str>, empty: bool) -> Verdict {
    Verdict {
        repo: "repo1".to_owned(),
        cleared: false,
        stanza: false,
        empty,
        database: version.map(|version| Database {
            system_identifier: "7".to_owned(),
            version: version.to_owned(),
        }),
        reason: Reason::InProgress,
        message: "repo1".to_owned(),
    }
}

fn standby(streaming: bool) -> InstanceReport {
    InstanceReport {
        in_recovery: Some(true),
        standby: Some(StandbyReport {
            streaming,
            ..StandbyReport::default()
        }),
        ..InstanceReport::default()
    }
}

const OWN: &str = "7";

#[test]
fn a_standby_begins_where_there_is_a_backup_of_its_version_and_nothing_of_its_own() {
    let new = json!({"spec": {"standby": {"enabled": true, "repoName": "repo1"}}});
    let judged = |verdict: &Verdict| refused(&new, &[], verdict, None);
    assert_eq!(judged(&verdict(Some("18"), false)), None);
    for nothing in [
        verdict(None, true),
        verdict(Some("18"), true),
        verdict(Some("17"), false),
    ] {
        assert_eq!(judged(&nothing), Some(Reason::StandbySourceMissing));
    }
    let mut with_data = new.clone();
    with_data["status"] = json!({"patroni": {"status": {"systemIdentifier": OWN}}});
    let good = verdict(Some("18"), false);
    assert_eq!(
        refused(&with_data, &[], &good, None),
        Some(Reason::StandbyHasOwnData)
    );
    with_data["status"]["standby"] = json!({});
    assert_eq!(
        refused(&with_data, &[], &verdict(None, true), None),
        None,
        "it is one already"
    );
    let of_host = json!({"spec": {"standby": {"enabled": true, "host": "h", "repoName": "repo1"}}});
    assert_eq!(
        refused(&of_host, &[], &verdict(None, true), None),
        None,
        "the host has all"
    );
}

#[test]
fn it_is_promoted_once_nobody_else_takes_writes() {
    let asked = json!({"spec": {"standby": {"enabled": false}}, "status": {"standby": {}}});
    let judged = |report: InstanceReport, writer| refused(&asked, &[report], &verdict(None, true), writer);
    assert_eq!(judged(standby(true), None), Some(Reason::PromotionRefused));
    assert_eq!(
        judged(standby(false), Some("n/main")),
        Some(Reason::PromotionRefused)
    );
    assert_eq!(judged(standby(false), None), None);
    let promoted = InstanceReport {
        in_recovery: Some(false),
        ..InstanceReport::default()
    };
    assert_eq!(judged(promoted, Some("n/main")), None, "it is too late to refuse");
}

#[test]
fn what_was_stopped_does_not_start_beside_what_took_over() {
    let good = verdict(Some("18"), false);
    assert_eq!(
        refused(&json!({}), &[], &good, Some("n/heir")),
        Some(Reason::AnotherTakesWrites)
    );
    assert_eq!(
        refused(&json!({"spec": {"pause": true}}), &[], &good, Some("n/heir")),
        None
    );
    assert_eq!(refused(&json!({}), &[], &good, None), None);
}

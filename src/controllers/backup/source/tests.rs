use serde_json::{Value, json};

use super::*;
use crate::pgbackrest::repository::{BackupEntry, WalEvidence};

fn evidence(from_standby: bool) -> BackupEvidence {
    let entry: BackupEntry = serde_json::from_value(json!({
        "label": "20261120-233105F", "backupType": "full", "prior": null, "references": [],
        "started": "2026-11-20T23:31:05Z", "stopped": "2026-11-20T23:32:05Z",
        "archiveStart": null, "archiveStop": null, "lsnStart": null, "lsnStop": null,
        "size": 1, "sizeDelta": 1, "repository": {"size": 1, "delta": 1},
        "pageErrors": false, "fromStandby": from_standby, "annotation": {}, "databaseId": 1,
    }))
    .unwrap();
    BackupEvidence {
        backup: entry,
        wal: WalEvidence::default(),
    }
}

fn observed(replicas: i32, options: &[&str], pods: Vec<Pod>) -> Observed {
    let backup = json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup", "metadata": {"name": "one"},
        "spec": {"pgCluster": "app", "repoName": "repo1", "options": options},
    });
    let cluster = json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": "app"},
        "spec": {"postgresVersion": 18, "backups": {"pgbackrest": {"repos": []}},
            "instances": [{"name": "a", "replicas": replicas, "dataVolumeClaimSpec": {}}]},
    });
    let nothing_else = Observed::nothing_but(
        serde_json::from_value(backup).unwrap(),
        serde_json::from_value(cluster).unwrap(),
    );
    Observed { pods, ..nothing_else }
}

fn pod(progress: &Value) -> Pod {
    let annotation = crate::agent::report::PROGRESS_ANNOTATION;
    serde_json::from_value(json!({"metadata": {"annotations": {annotation: progress.to_string()}}})).unwrap()
}

fn readers(exit: i32, first: &str, others: Option<&str>) -> Value {
    json!({"exit": exit, "readers": {"first": first, "others": others}})
}

#[test]
fn the_catalogue_says_the_role_and_the_workers_say_the_name() {
    let seen = observed(
        2,
        &[],
        vec![pod(&readers(0, "app-a-cccc-0", Some("app-a-bbbb-0")))],
    );
    let source = copied_from(&seen, &evidence(true));
    assert_eq!(
        (source.role.as_str(), source.instance.as_deref()),
        ("standby", Some("app-a-bbbb"))
    );
    assert_eq!(shown_source(&source), "the standby app-a-bbbb");

    let seen = observed(1, &[], vec![pod(&readers(0, "app-a-cccc-0", None))]);
    let source = copied_from(&seen, &evidence(false));
    assert_eq!(
        (source.role.as_str(), source.instance.as_deref()),
        ("primary", Some("app-a-cccc"))
    );
}

#[test]
fn a_name_that_was_not_seen_is_not_guessed() {
    let source = copied_from(&observed(2, &[], vec![]), &evidence(true));
    assert_eq!(
        (source.role.as_str(), source.instance.as_deref()),
        ("standby", None)
    );
    assert_eq!(shown_source(&source), "a standby");
    // The worker of the standby was not seen yet when the look was taken.
    let seen = observed(2, &[], vec![pod(&readers(0, "app-a-cccc-0", None))]);
    assert_eq!(copied_from(&seen, &evidence(true)).instance, None);
    let source = copied_from(&observed(1, &[], vec![]), &evidence(false));
    assert_eq!(shown_source(&source), "the primary");
}

#[test]
fn only_the_try_that_ended_well_counts() {
    let failed = pod(&readers(39, "app-a-bbbb-0", Some("app-a-cccc-0")));
    let well = pod(&readers(0, "app-a-cccc-0", Some("app-a-bbbb-0")));
    let name = |pods| copied_from(&observed(2, &[], pods), &evidence(true)).instance;
    assert_eq!(name(vec![failed.clone(), well]).as_deref(), Some("app-a-bbbb"));
    assert_eq!(name(vec![failed]), None);
}

#[test]
fn the_last_words_of_a_pod_go_before_its_annotation() {
    let outcome = readers(0, "app-a-cccc-0", Some("app-a-bbbb-0")).to_string();
    let mut pod = pod(&json!({"bytesDone": 1}));
    pod.status = serde_json::from_value(json!({"containerStatuses": [{
        "name": "pgbackrest", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "message": outcome}},
    }]}))
    .unwrap();
    let source = copied_from(&observed(2, &[], vec![pod]), &evidence(true));
    assert_eq!(source.instance.as_deref(), Some("app-a-bbbb"));
}

#[test]
fn the_primary_is_a_second_choice_only_where_there_is_a_replica_and_nobody_chose() {
    let of = |role| CopiedFrom { role, instance: None };
    let (primary, standby) = (of(SourceRole::Primary), of(SourceRole::Standby));
    assert!(is_second_choice(&observed(2, &[], vec![]), &primary));
    assert!(!is_second_choice(&observed(2, &[], vec![]), &standby));
    assert!(!is_second_choice(&observed(1, &[], vec![]), &primary));
    assert!(!is_second_choice(
        &observed(2, &["--no-backup-standby"], vec![]),
        &primary
    ));
    let mut chosen = observed(2, &[], vec![]);
    chosen.user.options.global = [("backup-standby".to_owned(), "n".to_owned())].into();
    assert!(!is_second_choice(&chosen, &primary));
}

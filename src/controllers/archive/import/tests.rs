use serde_json::json;

use super::*;
use crate::domain::windows::Recovery;
use crate::pgbackrest::repository::{DatabaseIdentity, RepositorySizes};
use crate::survey::Requests;

const FULL: &str = "20261121-134501F";
const DIFF: &str = "20261121-134501F_20261121-135501D";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn entry(label: &str, annotation: &[(&str, &str)]) -> BackupEntry {
    let label: Label = label.parse().unwrap();
    BackupEntry {
        backup_type: label.backup_type(),
        label,
        prior: None,
        references: vec![],
        started: at(0),
        stopped: at(10),
        archive_start: None,
        archive_stop: None,
        lsn_start: None,
        lsn_stop: None,
        size: 100,
        size_delta: 30,
        repository: RepositorySizes { size: 10, delta: 3 },
        page_errors: false,
        from_standby: false,
        annotation: annotation
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        database_id: 1,
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

fn cluster() -> PerconaPGCluster {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
        "metadata": { "name": "shop", "namespace": "prod", "uid": "u" },
        "spec": { "postgresVersion": 18, "instances": [], "backups": { "pgbackrest": {
            "repos": [{ "name": "repo1", "gcs": { "bucket": "b" } }],
        } } },
    }))
    .unwrap()
}

fn backup(name: &str, state: &str, label: Option<&str>) -> PerconaPGBackup {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": { "name": name, "namespace": "prod", "uid": "b" },
        "spec": { "pgCluster": "shop", "repoName": "repo1" },
        "status": {
            "state": state, "backupName": label, "destination": "gs://b/r",
            "completed": at(10).to_rfc3339(),
        },
    }))
    .unwrap()
}

fn found(picture: &Picture, backups: &[PerconaPGBackup]) -> Imports {
    let cluster = cluster();
    let place = Place {
        cluster: &cluster,
        repository: &cluster.spec.backups.repositories()[0],
        destination: "gs://b/r",
        picture,
    };
    compare(&place, backups, at(1000))
}

fn names(imports: &Imports) -> Vec<String> {
    imports
        .create
        .iter()
        .map(|found| found.backup.name_any())
        .collect()
}

#[test]
fn a_backup_that_was_made_by_hand_has_an_object_that_says_what_it_is() {
    let imports = found(&picture(vec![entry(FULL, &[]), entry(DIFF, &[])]), &[]);
    assert_eq!(
        names(&imports),
        [
            "shop-repo1-20261121-134501f",
            "shop-repo1-20261121-134501f-20261121-135501d"
        ]
    );
    let found = &imports.create[1];
    assert_eq!(found.backup.spec.options, ["--type=diff"]);
    assert_eq!(imported(&found.backup), Some(DIFF));
    let status = &found.status;
    assert_eq!(
        (status.state.clone(), status.origin.clone()),
        (Some(JobState::Succeeded), Some(BackupOrigin::Imported))
    );
    assert_eq!(
        (status.backup_name.as_deref(), status.size),
        (Some(DIFF), Some(30))
    );
    assert_eq!(
        (status.destination.as_deref(), status.storage_type.as_deref()),
        (Some("gs://b/r"), Some("gcs"))
    );
    assert!(conditions::is_true(&status.conditions, "Complete"));
}

#[test]
fn one_that_carries_the_name_of_its_object_gets_it_again_unless_it_is_taken_or_none() {
    let named = |name: &str| picture(vec![entry(FULL, &[(annotations::BACKUP_NAME, name)])]);
    assert_eq!(names(&found(&named("daily"), &[])), ["daily"]);
    let taken = [backup("daily", "Failed", None)];
    assert_eq!(
        names(&found(&named("daily"), &taken)),
        ["shop-repo1-20261121-134501f"]
    );
    assert_eq!(
        names(&found(&named("Not a name"), &[])),
        ["shop-repo1-20261121-134501f"]
    );
}

#[test]
fn one_that_has_an_object_or_will_have_gets_no_other() {
    let picture = picture(vec![entry(FULL, &[(annotations::BACKUP_NAME, "daily")])]);
    for there in [
        backup("anything", "Succeeded", Some(FULL)),
        backup("daily", "Running", None),
        backup("daily", "", None),
    ] {
        assert_eq!(found(&picture, &[there]), Imports::default());
    }
}

#[test]
fn an_object_that_was_made_and_not_told_is_told() {
    let picture = picture(vec![entry(FULL, &[])]);
    let mut made = found(&picture, &[]).create.remove(0).backup;
    made.metadata.uid = Some("b".to_owned());
    let again = found(&picture, &[made]);
    assert_eq!((again.create.len(), again.tell.len()), (0, 1));
}

#[test]
fn a_backup_of_another_database_in_the_same_repository_is_none_of_ours() {
    let mut older = entry(FULL, &[]);
    older.database_id = 0;
    assert_eq!(found(&picture(vec![older]), &[]), Imports::default());
}

#[test]
fn the_object_of_a_backup_that_is_gone_goes_too_but_only_when_that_is_certain() {
    let there = picture(vec![entry(FULL, &[])]);
    let mine = backup("mine", "Succeeded", Some(FULL));
    let gone = backup("gone", "Succeeded", Some("20261101-000000F"));
    let both = [mine, gone.clone()];
    assert_eq!(found(&there, &both).expired, std::slice::from_ref(&gone));

    // An empty repository, an older copy of it, another place, a look from before its end, one that did not succeed.
    assert!(found(&picture(vec![]), &both).expired.is_empty());
    let mut rolled_back = there.clone();
    rolled_back.oddities.push(Oddity::RolledBack {
        backup: FULL.parse().unwrap(),
    });
    assert!(found(&rolled_back, &both).expired.is_empty());
    let mut elsewhere = gone.clone();
    elsewhere.status.as_mut().unwrap().destination = Some("gs://b/other".to_owned());
    assert!(found(&there, &[elsewhere]).expired.is_empty());
    let mut recent = there.clone();
    recent.looked_at = at(60);
    assert!(found(&recent, &both).expired.is_empty());
    let failed = backup("failed", "Failed", Some("20261101-000000F"));
    assert!(found(&there, &[failed]).expired.is_empty());
}

use serde_json::json;

use super::*;
use crate::controllers::cluster::build::tests::{SMALL, cluster};
use crate::domain::options::BackupOptions;

fn backup() -> PerconaPGBackup {
    serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
        "metadata": {"name": "one", "namespace": "shop", "uid": "8a3d"},
        "spec": {"pgCluster": "app", "repoName": "repo1", "options": ["--type=incr --annotation=\"a\"=\"b c\""]},
    }))
    .unwrap()
}

fn built(jobs: &serde_json::Value) -> Job {
    let backup = backup();
    let raw: PerconaPGCluster = serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": "app"},
        "spec": {"postgresVersion": 18, "instances": [{"name": "a", "dataVolumeClaimSpec": {}}],
            "backups": {"pgbackrest": {"repos": [], "jobs": jobs}}},
    }))
    .unwrap();
    let accepted = Accepted {
        repository: crate::api::repository::Repository::default(),
        key: 1,
        options: BackupOptions::parse(&backup.spec.options).unwrap(),
    };
    job(&backup, &accepted, &cluster(SMALL), &raw)
}

#[test]
fn the_name_is_of_the_object_and_stays_the_same() {
    let name = job_name(&backup());
    assert_eq!(name, job_name(&backup()));
    assert!(
        name.starts_with("app-backup-") && name.len() == "app-backup-".len() + 8,
        "{name}"
    );
    let mut other = backup();
    other.metadata.uid = Some("8a3e".to_owned());
    assert_ne!(job_name(&other), name);
}

#[test]
fn options_are_arguments_of_their_own_and_no_shell_is_involved() {
    let spec = built(&json!({})).spec.unwrap().template.spec.unwrap();
    let command = spec.containers[0].command.clone().unwrap();
    assert_eq!(
        command[1..],
        [
            "agent",
            "backup",
            "--stanza",
            "db",
            "--repo",
            "1",
            "--",
            "--type=incr",
            "--annotation=a=b c"
        ]
    );
}

#[test]
fn the_pod_is_restricted_and_has_time_to_free_its_locks() {
    let spec = built(&json!({})).spec.unwrap().template.spec.unwrap();
    let security = spec.containers[0].security_context.clone().unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(spec.security_context.unwrap().run_as_non_root, Some(true));
    assert!(spec.termination_grace_period_seconds.unwrap() >= 30);
    assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
}

#[test]
fn a_job_that_restarts_its_container_has_no_failure_policy() {
    let spec = built(&json!({"restartPolicy": "OnFailure", "backoffLimit": 2}))
        .spec
        .unwrap();
    assert!(spec.pod_failure_policy.is_none());
    assert_eq!(spec.backoff_limit, Some(2));
    let spec = built(&json!({})).spec.unwrap();
    assert_eq!(spec.pod_failure_policy.unwrap().rules[0].action, "FailJob");
}

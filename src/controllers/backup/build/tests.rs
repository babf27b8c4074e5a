use serde_json::json;

use super::*;
use crate::controllers::cluster::build::repo_host::tests::VOLUMES;
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
    built_in(SMALL, "repo1", jobs)
}

fn built_in(text: &str, repository: &str, jobs: &serde_json::Value) -> Job {
    let backup = backup();
    let raw: PerconaPGCluster = serde_json::from_value(json!({
        "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": "app"},
        "spec": {"postgresVersion": 18, "instances": [{"name": "a", "dataVolumeClaimSpec": {}}],
            "backups": {"pgbackrest": {"repos": [], "jobs": jobs}}},
    }))
    .unwrap();
    let accepted = Accepted {
        repository: crate::api::repository::Repository {
            name: repository.to_owned(),
            ..crate::api::repository::Repository::default()
        },
        key: crate::api::repository::key_of(repository).unwrap(),
        options: BackupOptions::parse(&backup.spec.options).unwrap(),
    };
    job(&backup, &accepted, &cluster(text), &raw)
}

#[test]
fn a_job_for_a_volume_mounts_it_beside_the_host_with_the_locks_on_it() {
    let jobs = json!({
        "tolerations": [{"key": "jobs", "operator": "Exists"}],
        "securityContext": {"runAsUser": 5},
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}},
    });
    let spec = built_in(VOLUMES, "repo4", &jobs)
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let container = &spec.containers[0];
    let command = container.command.clone().unwrap();
    let position = command.iter().position(|word| word == "--lock-path").unwrap();
    assert_eq!(command[position + 1], "/pgbackrest/repo4/lock");
    let mounted: Vec<_> = container
        .volume_mounts
        .iter()
        .flatten()
        .filter(|mount| mount.mount_path.starts_with("/pgbackrest/"))
        .map(|mount| (mount.name.as_str(), mount.mount_path.as_str(), mount.read_only))
        .collect();
    assert_eq!(mounted, [("repo4", "/pgbackrest/repo4", None)]);
    let volume = spec
        .volumes
        .iter()
        .flatten()
        .find(|volume| volume.name == "repo4");
    let claim = volume.unwrap().persistent_volume_claim.as_ref().unwrap();
    assert_eq!(claim.claim_name, "app-repo4");
    let affinity = spec.affinity.unwrap().pod_affinity.unwrap();
    let terms = affinity
        .required_during_scheduling_ignored_during_execution
        .unwrap();
    let keys: Vec<_> = terms.iter().map(|term| term.topology_key.as_str()).collect();
    assert_eq!(keys, ["zone", "kubernetes.io/hostname"]);
    assert_eq!(spec.tolerations.unwrap().len(), 2);
    // What the Job writes must be the repository host's to read.
    let security = spec.security_context.unwrap();
    assert_eq!((security.run_as_user, security.fs_group), (Some(78), Some(77)));
}

#[test]
fn a_job_for_a_cloud_mounts_no_volume() {
    let spec = built_in(VOLUMES, "repo1", &json!({}))
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    assert!(spec.affinity.is_none());
    let mounts = spec.containers[0].volume_mounts.iter().flatten();
    assert!(
        mounts
            .into_iter()
            .all(|mount| !mount.mount_path.starts_with("/pgbackrest/"))
    );
    assert!(
        !spec.containers[0]
            .command
            .clone()
            .unwrap()
            .contains(&"--lock-path".to_owned())
    );
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

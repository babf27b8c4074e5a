use rstest::rstest;
use serde_json::json;

use super::*;
use crate::api::names::LABEL_PGBACKREST_REPO;
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
    job(&backup, &accepted(&backup, repository), &cluster(text), &raw)
}

fn accepted(backup: &PerconaPGBackup, repository: &str) -> Accepted {
    Accepted {
        repository: crate::api::repository::Repository {
            name: repository.to_owned(),
            ..crate::api::repository::Repository::default()
        },
        key: crate::api::repository::key_of(repository).unwrap(),
        options: BackupOptions::parse(&backup.spec.options).unwrap(),
    }
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
    // Also where that runs as its image does: our own group, and no user of the Job's own.
    let plain = VOLUMES.replace("securityContext: { fsGroup: 77, runAsUser: 78 }", "");
    let jobs =
        json!({"securityContext": {"runAsUser": 5, "fsGroup": 6, "sysctls": [{"name": "a", "value": "b"}]}});
    let spec = built_in(&plain, "repo4", &jobs)
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let security = spec.security_context.unwrap();
    assert_eq!((security.run_as_user, security.fs_group), (None, Some(26)));
    assert_eq!(security.sysctls.unwrap().len(), 1);
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

/// The Job with one of `jobs.*` beside the Job without, as JSON: nothing but what it says differs.
fn acts(jobs: &serde_json::Value, path: &str) -> serde_json::Value {
    let (with, without) = (built(jobs), built(&json!({})));
    let (with, without) = [with, without]
        .map(|job| serde_json::to_value(job).unwrap())
        .into();
    let found = with.pointer(path).cloned().unwrap_or_default();
    assert_ne!(Some(&found), without.pointer(path), "{path} is so anyway");
    found
}

const POD: &str = "/spec/template/spec";

#[rstest]
#[case::ttl(json!({"ttlSecondsAfterFinished": 90}), "/spec/ttlSecondsAfterFinished", json!(90))]
#[case::retries(json!({"backoffLimit": 0}), "/spec/backoffLimit", json!(0))]
#[case::deadline(json!({"activeDeadlineSeconds": 600}), "/spec/activeDeadlineSeconds", json!(600))]
#[case::restarts(json!({"restartPolicy": "OnFailure"}), "/spec/template/spec/restartPolicy", json!("OnFailure"))]
#[case::priority(json!({"priorityClassName": "low"}), "/spec/template/spec/priorityClassName", json!("low"))]
#[case::tolerations(
    json!({"tolerations": [{"key": "backups", "operator": "Exists"}]}),
    "/spec/template/spec/tolerations", json!([{"key": "backups", "operator": "Exists"}])
)]
#[case::affinity(
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}}),
    "/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey",
    json!("zone")
)]
#[case::requests(
    json!({"resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}}),
    "/spec/template/spec/containers/0/resources",
    json!({"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}})
)]
#[case::user(json!({"securityContext": {"runAsUser": 1000}}), "/spec/template/spec/securityContext/runAsUser", json!(1000))]
#[case::group(json!({"securityContext": {"fsGroup": 1000}}), "/spec/template/spec/securityContext/fsGroup", json!(1000))]
#[case::groups(
    json!({"securityContext": {"supplementalGroups": [7]}}), "/spec/template/spec/securityContext/supplementalGroups", json!([7])
)]
#[case::seccomp(
    json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}}),
    "/spec/template/spec/containers/0/securityContext/seccompProfile",
    json!({"type": "Localhost", "localhostProfile": "p.json"})
)]
#[case::seccomp_of_the_init_container(
    json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}}),
    "/spec/template/spec/initContainers/0/securityContext/seccompProfile/type", json!("Localhost")
)]
fn each_setting_of_jobs_acts(
    #[case] jobs: serde_json::Value,
    #[case] path: &str,
    #[case] expected: serde_json::Value,
) {
    assert_eq!(acts(&jobs, path), expected);
}

#[test]
fn the_stall_timeout_is_the_agents() {
    let command = acts(
        &json!({"stallTimeoutSeconds": 99}),
        &format!("{POD}/containers/0/command"),
    );
    let words: Vec<&str> = command
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|word| word.as_str())
        .collect();
    let at = words.iter().position(|word| *word == "--stall-seconds").unwrap();
    assert_eq!(words[at + 1], "99");
}

#[test]
fn a_security_context_is_completed_to_the_restricted_profile() {
    let spec = built(&json!({"securityContext": {"runAsUser": 1000}}));
    let spec = spec.spec.unwrap().template.spec.unwrap();
    let security = spec.security_context.unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    for container in spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
    {
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
        assert_eq!(security.run_as_non_root, Some(true));
    }
}

/// With what the cluster and the backup say of the environment.
fn environment(
    of_cluster: &str,
    of_backup: &serde_json::Value,
) -> (Vec<(String, String)>, serde_json::Value) {
    let text = SMALL.replace("      repos:", &format!("{of_cluster}\n      repos:"));
    let mut backup = backup();
    backup.spec.container_options = serde_json::from_value(of_backup.clone()).unwrap();
    let raw: PerconaPGCluster = serde_saphyr::from_str(&text).unwrap();
    let job = job(&backup, &accepted(&backup, "repo1"), &cluster(&text), &raw);
    let container = job.spec.unwrap().template.spec.unwrap().containers.remove(0);
    let pairs = container.env.unwrap_or_default().into_iter();
    (
        pairs
            .map(|variable| (variable.name, variable.value.unwrap_or_default()))
            .collect(),
        serde_json::to_value(container.env_from).unwrap(),
    )
}

#[test]
fn variables_of_the_cluster_and_of_the_backup_reach_pgbackrest_and_the_backups_win() {
    let of_cluster = "      env: [{ name: A, value: cluster }, { name: B, value: cluster }]\n      \
        envFrom: [{ secretRef: { name: of-cluster } }]";
    let of_backup = json!({"env": [{"name": "B", "value": "backup"}], "envFrom": [{"configMapRef": {"name": "of-backup"}}]});
    let (variables, sources) = environment(of_cluster, &of_backup);
    let value = |name: &str| {
        let found: Vec<&str> = variables
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].to_owned()
    };
    assert_eq!((value("A").as_str(), value("B").as_str()), ("cluster", "backup"));
    assert_eq!(value("HOLDFAST_BACKUP_NAME"), "one");
    assert_eq!(
        sources,
        json!([{"secretRef": {"name": "of-cluster"}}, {"configMapRef": {"name": "of-backup"}}])
    );
    // What the user writes may refer to ours, which therefore stand before it.
    assert_eq!(variables[0].0, "POD_NAME");
}

#[test]
fn labels_and_annotations_of_backups_are_on_the_job_and_its_pod_and_ours_win() {
    let text = SMALL.replace(
        "      repos:",
        "      metadata: { labels: { team: shop, postgres-operator.crunchydata.com/pgbackrest-repo: x }, \
         annotations: { note: n, holdfast.dev/x: y } }\n      repos:",
    );
    let job = built_in(&text, "repo1", &json!({}));
    let template = job.spec.unwrap().template.metadata.unwrap();
    for metadata in [job.metadata, template] {
        let (labels, annotations) = (metadata.labels.unwrap(), metadata.annotations.unwrap());
        assert_eq!(labels["team"], "shop");
        assert_eq!(labels[LABEL_PGBACKREST_REPO], "repo1");
        assert_eq!(annotations["note"], "n");
        assert_eq!(annotations[ANNOTATION_BACKUP], "one");
    }
}

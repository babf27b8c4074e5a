use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rstest::rstest;

use super::*;
use crate::api::{ConditionType, PerconaPGCluster, Reason, conditions};
use crate::controllers::cluster::build::repo_host::tests::VOLUMES;
use crate::controllers::cluster::build::tests::{SMALL, cluster};
use crate::controllers::cluster::names::LABEL_INSTANCE;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A Pod of the only instance: `-` none, `u` not ready, `r` ready, `o` ready and of the old template.
fn observed(validated: &ValidatedCluster, pod: char, pooler_ready: i32) -> Observed {
    let instance = validated.instances[0].name.clone();
    let hash = if pod == 'o' { "old" } else { "new" };
    let labels = [
        (LABEL_INSTANCE, instance.as_str()),
        ("controller-revision-hash", hash),
    ];
    let ready = PodCondition {
        type_: "Ready".to_owned(),
        status: if pod == 'u' { "False" } else { "True" }.to_owned(),
        ..PodCondition::default()
    };
    let report = r#"{"revision":"r1","systemIdentifier":"77","inRecovery":false}"#;
    let one = Pod {
        metadata: ObjectMeta {
            name: Some(format!("{instance}-0")),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            annotations: Some([(INSTANCE_ANNOTATION.to_owned(), report.to_owned())].into()),
            ..ObjectMeta::default()
        },
        status: Some(PodStatus {
            conditions: Some(vec![ready]),
            ..PodStatus::default()
        }),
        spec: None,
    };
    let set = StatefulSet {
        metadata: ObjectMeta {
            name: Some(instance),
            ..ObjectMeta::default()
        },
        status: Some(StatefulSetStatus {
            update_revision: Some("new".to_owned()),
            ..StatefulSetStatus::default()
        }),
        spec: None,
    };
    let deployment = Deployment {
        status: Some(DeploymentStatus {
            ready_replicas: Some(pooler_ready),
            ..DeploymentStatus::default()
        }),
        ..Deployment::default()
    };
    let spec = crate::api::PerconaPGClusterSpec::default();
    Observed {
        stateful_sets: vec![set],
        pods: if pod == '-' { Vec::new() } else { vec![one] },
        pooler: Some(deployment),
        ..Observed::nothing_but(PerconaPGCluster::new("app", spec))
    }
}

fn verdict(repo: &str, reason: Reason) -> Verdict {
    let good = reason == Reason::AsSpecified;
    Verdict {
        repo: repo.to_owned(),
        cleared: good,
        stanza: good,
        empty: false,
        database: None,
        reason,
        message: format!("{repo} is {reason}"),
    }
}

fn told(
    validated: Result<&ValidatedCluster, &Refusal>,
    observed: &Observed,
    repositories: &[Verdict],
) -> PerconaPGClusterStatus {
    let facts = Facts {
        observed,
        validated,
        repositories,
        reports: &reports(observed),
        unsupported: &[],
        revision: Some("r1"),
        write_problem: None,
    };
    status(&facts, now())
}

fn reason<'a>(status: &'a PerconaPGClusterStatus, kind: &str) -> (&'a str, &'a str) {
    let condition = conditions::find(&status.conditions, kind).unwrap();
    (condition.status.as_str(), condition.reason.as_str())
}

#[rstest]
#[case::nothing_yet(false, '-', 0, ClusterState::Initializing)]
#[case::not_ready(false, 'u', 1, ClusterState::Initializing)]
#[case::without_its_pooler(false, 'r', 0, ClusterState::Initializing)]
#[case::ready(false, 'r', 1, ClusterState::Ready)]
#[case::to_be_replaced(false, 'o', 1, ClusterState::Initializing)]
#[case::stopping(true, 'r', 0, ClusterState::Stopping)]
#[case::the_pooler_is_stopping(true, '-', 1, ClusterState::Stopping)]
#[case::paused(true, '-', 0, ClusterState::Paused)]
fn the_state_follows_from_the_pods(
    #[case] paused: bool,
    #[case] pod: char,
    #[case] pooler: i32,
    #[case] expected: ClusterState,
) {
    let text = SMALL.replace("spec:", &format!("spec:\n  pause: {paused}"));
    let validated = cluster(&text);
    let status = told(Ok(&validated), &observed(&validated, pod, pooler), &[]);
    assert_eq!(status.state, Some(expected));
    assert_eq!(status.host.as_deref(), Some("app-pgbouncer.shop.svc"));
}

#[test]
fn a_setting_that_no_job_can_be_made_with_is_told_and_the_cluster_is_ready_all_the_same() {
    let root = "      jobs: { securityContext: { runAsUser: 0 } }\n      repos:";
    let validated = cluster(&SMALL.replace("      repos:", root));
    let observed = observed(&validated, 'r', 1);
    let good = verdict("repo1", Reason::AsSpecified);
    let status = told(Ok(&validated), &observed, &[good]);
    assert_eq!(
        reason(&status, "ReadyForBackup"),
        ("False", "InvalidSpecification")
    );
    let message = &conditions::find(&status.conditions, "ReadyForBackup")
        .unwrap()
        .message;
    assert!(
        message.contains("spec.backups.pgbackrest.jobs.securityContext.runAsUser is 0"),
        "{message}"
    );
    assert_eq!(reason(&status, "Ready"), ("True", "AsSpecified"));
}

#[test]
fn a_bad_repository_is_told_by_name_and_one_good_one_is_enough_for_backups() {
    let validated = cluster(SMALL);
    let observed = observed(&validated, 'r', 1);
    let good = verdict("repo1", Reason::AsSpecified);
    let bad = verdict("repo2", Reason::BucketMissing);
    let status = told(Ok(&validated), &observed, &[good.clone(), bad.clone()]);
    assert_eq!(reason(&status, "RepositoryReady"), ("False", "BucketMissing"));
    assert_eq!(reason(&status, "RepositoryReady-repo1"), ("True", "AsSpecified"));
    assert_eq!(
        reason(&status, "RepositoryReady-repo2"),
        ("False", "BucketMissing")
    );
    assert_eq!(reason(&status, "ReadyForBackup"), ("True", "AsSpecified"));
    let status = told(Ok(&validated), &observed, &[bad]);
    assert_eq!(reason(&status, "ReadyForBackup"), ("False", "BucketMissing"));
    let repos = status.pgbackrest.unwrap().repos;
    assert_eq!(
        (repos[0].name.as_str(), repos[0].stanza_created),
        ("repo2", Some(false))
    );
}

fn repo_host_pod(ready: bool) -> Pod {
    let status = if ready { "True" } else { "False" };
    serde_json::from_value(serde_json::json!({
        "metadata": { "name": "app-repo-host-0" },
        "status": { "conditions": [{ "type": "Ready", "status": status }] },
    }))
    .unwrap()
}

fn volume_claim(repository: &str) -> PersistentVolumeClaim {
    serde_json::from_value(serde_json::json!({
        "metadata": { "name": format!("app-{repository}"), "labels": {
            "postgres-operator.crunchydata.com/pgbackrest-volume": "",
            "postgres-operator.crunchydata.com/pgbackrest-repo": repository,
        } },
        "spec": { "volumeName": "pv-1" }, "status": { "phase": "Bound" },
    }))
    .unwrap()
}

#[test]
fn the_host_of_volumes_is_told_and_does_not_make_the_cluster_unready() {
    let validated = cluster(VOLUMES);
    let mut observed = observed(&validated, 'r', 1);
    observed.volume_claims = vec![volume_claim("repo2")];
    let kind = "PGBackRestRepoHostReady";
    for (pod, expected) in [
        (None, ("False", "RepoHostNotReady")),
        (Some(repo_host_pod(false)), ("False", "RepoHostNotReady")),
        (Some(repo_host_pod(true)), ("True", "AsSpecified")),
    ] {
        observed.repo_host = pod;
        let status = told(
            Ok(&validated),
            &observed,
            &[verdict("repo2", Reason::AsSpecified)],
        );
        assert_eq!(reason(&status, kind), expected);
        assert_eq!(status.state, Some(ClusterState::Ready));
        let pgbackrest = status.pgbackrest.unwrap();
        assert_eq!(pgbackrest.repo_host.unwrap().ready, Some(expected.0 == "True"));
        let repo = &pgbackrest.repos[0];
        assert_eq!((repo.bound, repo.volume.as_deref()), (Some(true), Some("pv-1")));
    }
    let validated = cluster(SMALL);
    let status = told(
        Ok(&validated),
        &observed,
        &[verdict("repo1", Reason::AsSpecified)],
    );
    assert!(conditions::find(&status.conditions, kind).is_none());
    assert_eq!(status.pgbackrest.unwrap().repo_host, None);
}

#[test]
fn a_volume_whose_repository_is_gone_is_kept_and_told_how_to_delete() {
    let validated = cluster(SMALL);
    let mut observed = observed(&validated, 'r', 1);
    let mut resource = (*observed.cluster).clone();
    resource.metadata.namespace = Some("shop".to_owned());
    observed.cluster = Arc::new(resource);
    observed.volume_claims = vec![volume_claim("repo3")];
    let kind = "RepositoryVolumesKept";
    let status = told(Ok(&validated), &observed, &[]);
    assert_eq!(reason(&status, kind), ("True", "RepositoryRemoved"));
    let message = &conditions::find(&status.conditions, kind).unwrap().message;
    assert!(
        message.contains("kubectl --namespace shop delete persistentvolumeclaim app-repo3"),
        "{message}"
    );
    observed.volume_claims.clear();
    let status = told(Ok(&validated), &observed, &[]);
    assert!(conditions::find(&status.conditions, kind).is_none());
}

#[test]
fn backups_that_are_off_are_told_with_what_it_means() {
    let validated = cluster(&SMALL.replace("backups:", "backups:\n    enabled: false"));
    let status = told(Ok(&validated), &observed(&validated, 'r', 1), &[]);
    assert_eq!(reason(&status, "ReadyForBackup"), ("False", "BackupsDisabled"));
    assert_eq!(status.pgbackrest, None);
}

#[test]
fn a_refusal_is_a_condition_and_leaves_the_rest_of_the_status() {
    let validated = cluster(SMALL);
    let refusal = Refusal::new(Reason::NotSupported, "spec.standby");
    let status = told(Err(&refusal), &observed(&validated, 'r', 1), &[]);
    for kind in [
        ConditionType::Valid,
        ConditionType::Progressing,
        ConditionType::ReadyForBackup,
    ] {
        assert_eq!(reason(&status, kind.as_str()), ("False", "NotSupported"));
    }
    assert_eq!(status.state, None);
}

#[test]
fn the_same_facts_give_the_same_status() {
    let validated = cluster(SMALL);
    let mut observed = observed(&validated, 'r', 1);
    let first = told(
        Ok(&validated),
        &observed,
        &[verdict("repo1", Reason::AsSpecified)],
    );
    let mut resource = (*observed.cluster).clone();
    resource.status = Some(first.clone());
    observed.cluster = Arc::new(resource);
    assert_eq!(
        told(
            Ok(&validated),
            &observed,
            &[verdict("repo1", Reason::AsSpecified)]
        ),
        first
    );
    assert_eq!(reason(&first, "UsersApplied"), ("True", "AsSpecified"));
    assert_eq!(
        first
            .patroni
            .unwrap()
            .status
            .unwrap()
            .system_identifier
            .as_deref(),
        Some("77")
    );
}

//! Backups when nothing goes wrong, and turns, deadlines and mistakes in their specification.

use holdfast::api::PerconaPGBackup;
use holdfast::api::backup::{BackupOrigin, JobState};
use kube::ResourceExt;
use kube::api::DeleteParams;

use crate::harness::{Cluster, Request, Scenario, condition, kubectl_exec, minutes, seconds, state, status};

#[tokio::test]
async fn a_new_cluster_takes_a_first_full_backup_by_itself() {
    Scenario::shared(async |scenario, cluster| {
        let backup = scenario.succeeded("shop-repo1-initial", minutes(4)).await;
        let seen = scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
        assert_eq!(seen["type"], "full");
    })
    .await;
}

#[tokio::test]
async fn a_full_and_an_incremental_backup_are_in_the_repository_as_their_status_says() {
    Scenario::shared(async |scenario, cluster| {
        let options = ["--type=full", "--annotation=\"a\"=\"b c\""];
        Request::new(cluster, "full", &options).create(scenario).await;
        let full = scenario.succeeded("full", minutes(4)).await;
        let seen = scenario.is_as_pgbackrest_sees_it(cluster, &full).await;
        assert_eq!(
            (&seen["type"], &seen["annotation"]["a"]),
            (&"full".into(), &"b c".into())
        );

        scenario
            .sql(cluster, "create table later as select generate_series(1, 1000) i")
            .await;
        Request::new(cluster, "incr", &["--type=incr"])
            .create(scenario)
            .await;
        let incr = scenario.succeeded("incr", minutes(4)).await;
        let seen = scenario.is_as_pgbackrest_sees_it(cluster, &incr).await;
        assert_eq!(seen["type"], "incr");

        let status = status(&incr);
        assert_eq!(status.storage_type.as_deref(), Some("s3"));
        assert_eq!(
            status.destination,
            Some(format!("s3://{}{}", cluster.bucket, cluster.path))
        );
        let repo = status.repo.as_ref().unwrap();
        assert_eq!(
            repo.s3.as_ref().map(|s3| s3.bucket.as_str()),
            Some(cluster.bucket.as_str())
        );
        assert!(status.image.is_some() && status.error.is_none());
        assert!(status.started_at.as_ref().unwrap().0 <= status.completed.as_ref().unwrap().0);
        for kind in ["Accepted", "Verified", "Complete"] {
            let found = condition(&status.conditions, kind);
            assert_eq!(found.map(|found| found.0), Some("True"), "{kind}: {found:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_running_backup_shows_how_far_it_is() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        Request::new(cluster, "watched", &["--type=full"])
            .create(scenario)
            .await;
        let backup = scenario
            .until(
                "watched",
                "part of the way",
                minutes(3),
                |backup: &PerconaPGBackup| {
                    let progress = status(backup).progress.unwrap_or_default();
                    progress.bytes_done.is_some_and(|done| done > 0) || state(backup).is_terminal()
                },
            )
            .await;
        assert_eq!(state(&backup), JobState::Running);
        let progress = status(&backup).progress.unwrap();
        assert!(progress.bytes_total >= progress.bytes_done, "{progress:?}");
        assert!(
            progress.summary.as_ref().is_some_and(|line| line.contains('%')),
            "{progress:?}"
        );
        scenario.succeeded("watched", minutes(4)).await;
    })
    .await;
}

#[tokio::test]
async fn of_two_backups_created_together_one_waits_visibly_and_both_succeed() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        let (left, right) = tokio::join!(
            async { Request::new(cluster, "left", &["--type=full"]).create(scenario).await },
            async { Request::new(cluster, "right", &["--type=full"]).create(scenario).await },
        );
        drop((left, right));
        let waits = |backup: &PerconaPGBackup, other: &str| {
            condition(&status(backup).conditions, "BackupLeaseAcquired").is_some_and(|(holds, reason, message)| {
                holds == "False" && reason == "RepositoryBusy" && message.contains(other)
            })
        };
        // Whichever is second says for whom it waits.
        tokio::select! {
            _ = scenario.until("left", "waiting", minutes(1), |backup| waits(backup, "right")) => scenario.tell("left waits"),
            _ = scenario.until("right", "waiting", minutes(1), |backup| waits(backup, "left")) => scenario.tell("right waits"),
        }
        let left = scenario.succeeded("left", minutes(5)).await;
        let right = scenario.succeeded("right", minutes(5)).await;
        let times = |backup: &PerconaPGBackup| {
            let status = status(backup);
            (status.started_at.unwrap().0, status.completed.unwrap().0)
        };
        let (left, right) = (times(&left), times(&right));
        assert!(left.1 <= right.0 || right.1 <= left.0, "they overlap: {left:?} {right:?}");
    })
    .await;
}

#[tokio::test]
async fn a_backup_of_a_cluster_that_does_not_exist_waits_and_fails_at_its_deadline() {
    Scenario::alone("nobody", async |scenario| {
        let cluster = Cluster::plain("nobody", scenario);
        Request::new(&cluster, "early", &[])
            .deadline(12)
            .create(scenario)
            .await;
        let waiting = scenario
            .until(
                "early",
                "waiting for its cluster",
                seconds(10),
                |backup: &PerconaPGBackup| {
                    condition(&status(backup).conditions, "Accepted")
                        .is_some_and(|found| found.1 == "ClusterMissing")
                },
            )
            .await;
        assert_eq!(state(&waiting), JobState::New);
        let (failed, error) = scenario.failed("early", "ClusterMissing", seconds(25)).await;
        assert!(error.contains("nobody"), "{error}");
        let created = failed.metadata.creation_timestamp.as_ref().unwrap().0.as_second();
        let waited = status(&failed).completed.unwrap().0.as_second() - created;
        assert!((12..=20).contains(&waited), "failed after {waited} s");
        scenario.event("early", "ClusterMissing", seconds(10)).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_into_a_repository_that_the_cluster_does_not_have_fails_and_names_those_it_has() {
    Scenario::shared(async |scenario, cluster| {
        Request::new(cluster, "lost", &[])
            .into("repo3")
            .deadline(20)
            .create(scenario)
            .await;
        let (_, error) = scenario.failed("lost", "RepositoryUnknown", seconds(19)).await;
        assert!(error.contains("repo3") && error.contains("repo1"), "{error}");
        scenario.event("lost", "RepositoryUnknown", seconds(10)).await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_that_was_made_by_hand_has_an_object_until_it_is_expired() {
    Scenario::shared(async |scenario, cluster| {
        scenario.succeeded("shop-repo1-initial", minutes(4)).await;
        let pgbackrest = async |arguments: &str| {
            let pod = cluster.primary(scenario).await.name_any();
            let line = format!("pgbackrest --stanza=db --repo=1 --log-level-console=warn {arguments}");
            let command = ["bash", "-c", line.as_str()];
            kubectl_exec(&scenario.namespace, &pod, "database", &command, "")
                .await
                .unwrap()
        };
        pgbackrest("--type=incr --annotation=who=somebody backup").await;
        let info = pgbackrest("--output=json info").await;
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let label = info[0]["backup"].as_array().unwrap().last().unwrap()["label"]
            .as_str()
            .unwrap()
            .to_owned();
        let name = format!("shop-repo1-{}", label.to_lowercase().replace('_', "-"));
        let found = scenario
            .until(&name, "told", minutes(2), |backup: &PerconaPGBackup| {
                state(backup) == JobState::Succeeded
            })
            .await;
        assert_eq!(
            status(&found).origin.as_ref().map(BackupOrigin::as_str),
            Some("Imported")
        );
        assert_eq!(status(&found).backup_name.as_deref(), Some(label.as_str()));
        assert_eq!(status(&found).backup_type.as_deref(), Some("incr"));
        scenario.tell(&format!("{name} was found"));

        // Whoever deletes an object deletes no backup, and has it again.
        let api = scenario.api::<PerconaPGBackup>();
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        let uid = found.metadata.uid.clone();
        scenario
            .until(&name, "there again", minutes(2), |backup: &PerconaPGBackup| {
                backup.metadata.uid != uid && state(backup) == JobState::Succeeded
            })
            .await;

        pgbackrest(&format!("--set={label} expire")).await;
        // While the newest backup is missing the repository may be an older copy, and no object is given up.
        Request::new(cluster, "after-expiry", &["--type=incr"])
            .create(scenario)
            .await;
        scenario.succeeded("after-expiry", minutes(4)).await;
        scenario.gone::<PerconaPGBackup>(&name, minutes(3)).await;
        scenario.event("shop", "BackupExpired", minutes(1)).await;
    })
    .await;
}

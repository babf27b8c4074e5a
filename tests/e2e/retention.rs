//! What is let go and what stays, in real repositories: by retention, by deletion, with the whole cluster.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, Utc};
use holdfast::api::backup::JobState;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster};
use holdfast::domain::label::BackupType;
use holdfast::domain::retention::{FullRetention, Policy, play};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{
    Cluster, Four, REPOSITORIES, Request, Scenario, condition, minutes, seconds, state, status,
};

impl Scenario {
    async fn take(&self, cluster: &Cluster, name: &str, kind: &str) -> String {
        let option = format!("--type={kind}");
        Request::new(cluster, name, &[&option]).create(self).await;
        let backup = self.succeeded(name, minutes(4)).await;
        status(&backup).backup_name.clone().unwrap()
    }

    /// Waits until the objects of a repository's backups are these.
    async fn are_left(&self, repo: &str, labels: &BTreeSet<String>) {
        let mut seen = BTreeSet::new();
        // Other scenarios kill the operator meanwhile, several times in a row.
        for _ in 0..120 {
            seen = self.told_of(repo).await;
            if seen == *labels {
                return;
            }
            tokio::time::sleep(seconds(2)).await;
        }
        assert_eq!(seen, *labels, "{repo}");
    }

    async fn change(&self, backup: &str, spec: Value) {
        let change = json!({ "spec": spec });
        let api = self.api::<PerconaPGBackup>();
        api.patch(backup, &PatchParams::default(), &Patch::Merge(&change))
            .await
            .unwrap();
    }

    /// Asks for a backup to go with its data.
    async fn delete_with_data(&self, backup: &str) {
        self.change(backup, json!({ "deletionPolicy": "Delete" })).await;
        let has_finalizer = |backup: &PerconaPGBackup| {
            backup
                .finalizers()
                .iter()
                .any(|finalizer| finalizer == "holdfast.dev/expire")
        };
        self.until(backup, "held for its data", minutes(1), has_finalizer)
            .await;
        let api = self.api::<PerconaPGBackup>();
        api.delete(backup, &DeleteParams::default()).await.unwrap();
    }

    async fn is_refused(&self, backup: &str, reason: &str) -> String {
        let said = |backup: &PerconaPGBackup| {
            let conditions = backup.status.clone().unwrap_or_default().conditions;
            let found = condition(&conditions, "Deletable")?;
            ((found.0, found.1) == ("False", reason)).then(|| found.2.to_owned())
        };
        let told = self
            .until(backup, reason, minutes(2), |backup| said(backup).is_some())
            .await;
        said(&told).unwrap()
    }

    /// Labels in the repository, as pgBackRest itself tells them.
    async fn labels(&self, cluster: &Cluster) -> BTreeSet<String> {
        let info = self.info(cluster).await;
        let label = |backup: &Value| backup["label"].as_str().unwrap().to_owned();
        info.iter().map(label).collect()
    }

    /// Labels of the objects.
    async fn told(&self) -> BTreeSet<String> {
        self.told_of("repo").await
    }

    /// Labels of the objects of those repositories whose names begin like this.
    async fn told_of(&self, repository: &str) -> BTreeSet<String> {
        let all = self
            .api::<PerconaPGBackup>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let ended = all
            .items
            .iter()
            .filter(|backup| state(backup) == JobState::Succeeded)
            .filter(|backup| {
                backup
                    .spec
                    .repo_name
                    .as_deref()
                    .is_some_and(|name| name.starts_with(repository))
            });
        ended
            .filter_map(|backup| status(backup).backup_name.clone())
            .collect()
    }
}

fn set(labels: &[&String]) -> BTreeSet<String> {
    labels.iter().map(|label| (*label).clone()).collect()
}

#[tokio::test]
async fn retention_lets_go_what_it_says_and_nothing_that_is_pinned_or_needed() {
    Scenario::alone("retention", async |scenario| {
        let mut cluster = Cluster::plain("keep", scenario);
        cluster
            .more
            .insert("repo1-retention-full".to_owned(), "2".to_owned());
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(4)).await;
        let initial = scenario.succeeded("keep-repo1-initial", minutes(4)).await;
        let initial = status(&initial).backup_name.clone().unwrap();
        let pinned = scenario.take(&cluster, "pinned", "incr").await;
        scenario.change("pinned", json!({ "pinned": true })).await;
        scenario.take(&cluster, "full-1", "full").await;
        scenario.take(&cluster, "incr-1", "incr").await;
        let second = scenario.take(&cluster, "full-2", "full").await;
        let third = scenario.take(&cluster, "full-3", "full").await;

        // The first full one and its increment are pinned, so the two newest of the others stay.
        for gone in ["full-1", "incr-1"] {
            scenario.gone::<PerconaPGBackup>(gone, minutes(3)).await;
        }
        let expected = set(&[&initial, &pinned, &second, &third]);
        assert_eq!(scenario.labels(&cluster).await, expected);
        assert_eq!(scenario.told().await, expected);
        scenario.event("keep", "BackupExpired", minutes(1)).await;
        let message = cluster
            .says(scenario, "RetentionHealthy", ("True", "AsSpecified"), minutes(1))
            .await;
        assert!(message.contains("the 2 newest full backups"), "{message}");
        let told = scenario
            .until(
                "keep",
                "told what was let go",
                minutes(2),
                |cluster: &PerconaPGCluster| {
                    let status = cluster.status.clone().unwrap_or_default();
                    let entry = status.retention.first().cloned().unwrap_or_default();
                    entry.wal_from.as_deref() == Some(second.as_str())
                        && entry.expired.len() == 2
                        && entry.pinned == Some(2)
                },
            )
            .await;
        let entry = told.status.unwrap().retention.remove(0);
        assert!(entry.pinned_bytes.unwrap() > 0, "{entry:?}");
        // What was let go is no gap, and what is pinned can be restored to its end.
        cluster
            .says(scenario, "WALContinuous", ("True", "AsSpecified"), minutes(2))
            .await;
        let verified = scenario
            .pgbackrest(&cluster, &["--repo=1", "--output=text", "--verbose", "verify"])
            .await;
        assert!(verified.contains("status: ok"), "{verified}");
        scenario.tell("retention has let go what it says");

        // One that is deleted with its data, and another needs it.
        let last = scenario.take(&cluster, "incr-3", "incr").await;
        scenario.delete_with_data("full-3").await;
        let why = scenario.is_refused("full-3", "BackupNeeded").await;
        assert!(why.contains(&last), "{why}");
        assert!(scenario.labels(&cluster).await.contains(&third));
        scenario.delete_with_data("incr-3").await;
        for gone in ["incr-3", "full-3"] {
            scenario.gone::<PerconaPGBackup>(gone, minutes(3)).await;
        }
        assert_eq!(
            scenario.labels(&cluster).await,
            set(&[&initial, &pinned, &second])
        );
        scenario.tell("two were deleted together");

        scenario.delete_with_data("pinned").await;
        scenario.is_refused("pinned", "BackupPinned").await;
        scenario.change("pinned", json!({ "pinned": false })).await;
        scenario.gone::<PerconaPGBackup>("pinned", minutes(3)).await;
        scenario.delete_with_data("keep-repo1-initial").await;
        scenario
            .gone::<PerconaPGBackup>("keep-repo1-initial", minutes(3))
            .await;
        scenario.delete_with_data("full-2").await;
        scenario.is_refused("full-2", "LastBackup").await;
        assert_eq!(scenario.labels(&cluster).await, set(&[&second]));
        // Whoever thinks better of it keeps the backup, and has an object for it again.
        scenario
            .change("full-2", json!({ "deletionPolicy": "Retain" }))
            .await;
        let again = |backup: &PerconaPGBackup| {
            backup.metadata.deletion_timestamp.is_none() && state(backup) == JobState::Succeeded
        };
        scenario.until("full-2", "there again", minutes(3), again).await;
        assert_eq!(scenario.told().await, set(&[&second]));
    })
    .await;
}

#[tokio::test]
async fn what_is_left_in_each_repository_is_what_the_simulation_says() {
    Scenario::alone("simulated", async |scenario| {
        let mut cluster = Cluster::double("twice", scenario);
        let kept = [
            ("repo1-retention-full", "2"),
            ("repo1-retention-diff", "2"),
            ("repo2-retention-full", "1"),
        ];
        cluster
            .more
            .extend(kept.map(|(key, value)| (key.to_owned(), value.to_owned())));
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(4)).await;
        let policies = [
            ("repo1", Some(2), "diff incr full incr diff diff diff full"),
            ("repo2", None, "incr diff full incr"),
        ];
        let mut expected = Vec::new();
        for (repo, differential, sequence) in policies {
            let first = scenario
                .succeeded(&format!("twice-{repo}-initial"), minutes(4))
                .await;
            let mut taken = vec![played(&first)];
            for (number, kind) in sequence.split(' ').enumerate() {
                let (name, option) = (format!("{repo}-{number}"), format!("--type={kind}"));
                Request::new(&cluster, &name, &[&option])
                    .into(repo)
                    .create(scenario)
                    .await;
                taken.push(played(&scenario.succeeded(&name, minutes(4)).await));
            }
            let full = Some(FullRetention::Count(if repo == "repo1" { 2 } else { 1 }));
            let left = play(taken, &Policy { full, differential });
            let left: BTreeSet<String> = left.iter().map(|held| held.label.as_str().to_owned()).collect();
            expected.push((repo, left));
        }
        let mut all = BTreeSet::new();
        for (repo, left) in expected {
            scenario.are_left(repo, &left).await;
            scenario.tell(&format!("{repo} holds {}", left.len()));
            all.extend(left);
        }
        assert_eq!(scenario.labels(&cluster).await, all);
        assert_eq!(scenario.told().await, all);
    })
    .await;
}

/// When it was taken, as its label says, and its type.
fn played(backup: &PerconaPGBackup) -> (DateTime<Utc>, BackupType) {
    let status = status(backup);
    let label = status.backup_name.unwrap();
    let own = label.rsplit('_').next().unwrap();
    let time = NaiveDateTime::parse_from_str(&own[..15], "%Y%m%d-%H%M%S").unwrap();
    (time.and_utc(), status.backup_type.unwrap().parse().unwrap())
}

#[tokio::test]
async fn backups_go_with_their_cluster_when_that_is_asked_for_also_when_it_is_paused() {
    Scenario::alone("farewell", async |scenario| {
        let four = Four::new(scenario);
        four.apply(&REPOSITORIES).await;
        for repository in REPOSITORIES {
            scenario
                .succeeded(&format!("app-{repository}-initial"), minutes(6))
                .await;
        }
        let mut stays = Cluster::plain("stays", scenario);
        // An empty one is left out.
        stays
            .more
            .insert("repo1-retention-full".to_owned(), String::new());
        stays.create(scenario).await;
        scenario.succeeded("stays-repo1-initial", minutes(4)).await;
        scenario
            .until(
                "stays",
                "told how it grows",
                minutes(2),
                |cluster: &PerconaPGCluster| {
                    let conditions = cluster.status.clone().unwrap_or_default().conditions;
                    let Some((status, reason, growth)) = condition(&conditions, "RetentionHealthy") else {
                        return false;
                    };
                    let grows = growth.contains("of the last seven days take") && !growth.contains(" 0B");
                    (status, reason) == ("False", "RetentionUnset") && grows
                },
            )
            .await;
        let kept = scenario.labels(&stays).await;

        let api = scenario.api::<PerconaPGCluster>();
        let change = json!({
            "metadata": { "finalizers": ["percona.com/delete-pvc", "percona.com/delete-backups"] },
            "spec": { "pause": true },
        });
        four.cluster.change(scenario, &change).await;
        api.delete("app", &DeleteParams::default()).await.unwrap();
        scenario.gone::<PerconaPGCluster>("app", minutes(5)).await;
        scenario.event("app", "BackupsDeleted", minutes(1)).await;
        for (repository, store) in [("repo1", "S3"), ("repo4", "GCS")] {
            let path = format!("{}/{repository}/", scenario.store_path());
            assert_eq!(
                scenario.stores.objects(store, &path),
                [] as [String; 0],
                "{repository}"
            );
        }
        let left = scenario.told().await;
        assert_eq!(left, kept, "objects of the other cluster only");
        assert_eq!(scenario.labels(&stays).await, kept);
    })
    .await;
}

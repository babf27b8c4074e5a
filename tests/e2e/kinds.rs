//! Four repositories of four kinds in one cluster: backups and WAL in each, told as pgBackRest itself sees them; and a
//! volume that is taken out of the specification and put back.

mod missing;

use chrono::{DateTime, Utc};
use holdfast::api::cluster::recovery::RepositoryRecovery;
use holdfast::api::cluster::status::PerconaPGClusterStatus;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use crate::harness::{
    Four, REPOSITORIES, Request, Scenario, condition, kubectl_exec, minutes, seconds, status,
};

#[tokio::test]
async fn four_repositories_of_four_kinds_hold_backups_and_wal_and_a_removed_volume_is_kept() {
    Scenario::alone("kinds", async |scenario| {
        let four = Four::new(scenario);
        four.apply(&REPOSITORIES).await;
        four.cluster.ready(scenario, minutes(5)).await;
        for repository in REPOSITORIES {
            four.is(&format!("RepositoryReady-{repository}"), ("True", "AsSpecified"))
                .await;
        }
        four.is("PGBackRestRepoHostReady", ("True", "AsSpecified")).await;

        let mut taken = Vec::new();
        for repository in REPOSITORIES {
            let name = format!("app-{repository}-initial");
            taken.push(scenario.succeeded(&name, minutes(6)).await);
        }
        let started = scenario
            .sql(&four.cluster, "select pg_postmaster_start_time()")
            .await;
        scenario
            .sql(
                &four.cluster,
                "create table t as select generate_series(1, 50000) i",
            )
            .await;
        for repository in REPOSITORIES {
            let name = format!("more-{repository}");
            let request = Request::new(&four.cluster, &name, &["--type=incr"]).into(repository);
            request.create(scenario).await;
        }
        for repository in REPOSITORIES {
            taken.push(
                scenario
                    .succeeded(&format!("more-{repository}"), minutes(5))
                    .await,
            );
        }
        four.are_as_pgbackrest_sees_them(&taken).await;
        assert_eq!(status(&taken[1]).destination.as_deref(), Some("pvc://app-repo2"));
        assert_eq!(status(&taken[1]).storage_type.as_deref(), Some("filesystem"));
        let now = Utc::now();
        four.wal_reaches(&REPOSITORIES).await;
        four.can_be_restored_as_far_from_each(&taken, now).await;
        four.a_segment_that_is_deleted_is_named_in_each_store().await;
        taken.push(four.its_host_dies_during_a_backup().await);
        four.wal_reaches(&REPOSITORIES).await;

        taken.push(four.a_removed_volume_is_kept(&started).await);
        four.are_as_pgbackrest_sees_them(&taken).await;
        let request = Request::new(&four.cluster, "again", &["--type=incr"]).into("repo2");
        request.create(scenario).await;
        taken.push(scenario.succeeded("again", minutes(5)).await);
        four.are_as_pgbackrest_sees_them(&taken).await;
        four.wal_reaches(&REPOSITORIES).await;
        let now = scenario
            .sql(&four.cluster, "select pg_postmaster_start_time()")
            .await;
        assert_eq!(now, started, "PostgreSQL was restarted");
        four.what_was_not_archived_meanwhile_is_a_gap().await;
        four.clear().await;
        four.a_kept_claim_can_be_deleted_by_hand().await;
        four.everything_goes_when_the_user_says_so().await;
    })
    .await;
}

impl Four<'_> {
    /// Every repository holds the backups that were taken into it and no others, as their status has them.
    async fn are_as_pgbackrest_sees_them(&self, taken: &[PerconaPGBackup]) {
        for repository in REPOSITORIES {
            let info = self.info(repository).await;
            let seen: Vec<(&str, &str, i64)> = info["backup"]
                .as_array()
                .unwrap()
                .iter()
                .map(|backup| {
                    (
                        backup["label"].as_str().unwrap(),
                        backup["type"].as_str().unwrap(),
                        backup["info"]["delta"].as_i64().unwrap(),
                    )
                })
                .collect();
            let statuses: Vec<_> = taken
                .iter()
                .filter(|backup| backup.spec.repo_name.as_deref() == Some(repository))
                .map(status)
                .collect();
            let told: Vec<(&str, &str, i64)> = statuses
                .iter()
                .map(|status| {
                    (
                        status.backup_name.as_deref().unwrap(),
                        status.backup_type.as_deref().unwrap(),
                        status.size.unwrap(),
                    )
                })
                .collect();
            assert_eq!(seen, told, "{repository}");
        }
        self.scenario
            .tell("every repository holds what the backups' status says");
    }

    /// A segment that is finished now arrives in each of these repositories.
    async fn wal_reaches(&self, repositories: &[&str]) {
        let insert = "insert into t values (0)";
        let segment = self.cluster.segment_with(self.scenario, insert).await;
        let arrived = async {
            for repository in repositories {
                while self.info(repository).await["archive"][0]["max"].as_str() < Some(&segment) {
                    tokio::time::sleep(seconds(1)).await;
                }
            }
        };
        tokio::time::timeout(minutes(2), arrived)
            .await
            .unwrap_or_else(|_| panic!("{segment} did not arrive everywhere"));
        self.is("ArchivingHealthy", ("True", "AsSpecified")).await;
        self.scenario
            .tell(&format!("{segment} is in {}", repositories.join(", ")));
    }

    /// What the status says of each repository once `holds` is true of all.
    async fn recovery(
        &self,
        what: &str,
        holds: impl Fn(&[RepositoryRecovery]) -> bool,
    ) -> Vec<RepositoryRecovery> {
        let repos = |cluster: &PerconaPGCluster| {
            let recovery = cluster.status.clone().unwrap_or_default().recovery;
            recovery.unwrap_or_default().repos
        };
        let cluster = self
            .scenario
            .until("app", what, minutes(3), |cluster| holds(&repos(cluster)))
            .await;
        repos(&cluster)
    }

    /// To the same commit, in a window that begins with the first backup; and the backups are counted.
    async fn can_be_restored_as_far_from_each(&self, taken: &[PerconaPGBackup], after: DateTime<Utc>) {
        let repos = self
            .recovery("restorable to the same time from all", |repos| {
                let latest = repos.first().and_then(|repo| repo.latest_restorable_time.clone());
                repos.len() == 4
                    && latest
                        .as_ref()
                        .is_some_and(|latest| latest.parse::<DateTime<Utc>>().unwrap() > after)
                    && repos.iter().all(|repo| repo.latest_restorable_time == latest)
            })
            .await;
        for repo in &repos {
            assert_eq!(repo.state.as_deref(), Some("AsSpecified"), "{repo:?}");
            assert_eq!((repo.windows.len(), repo.gaps.len()), (1, 0), "{repo:?}");
            let first = taken
                .iter()
                .find(|backup| backup.spec.repo_name.as_deref() == Some(&repo.name));
            let label = status(first.unwrap()).backup_name.unwrap();
            assert_eq!(repo.windows[0].backup, label, "{repo:?}");
            let counts = repo.backups.unwrap();
            assert_eq!((counts.full, counts.incremental), (1, 1), "{repo:?}");
        }
        self.scenario.tell(&format!(
            "all can be restored to {}",
            repos[0].latest_restorable_time.as_deref().unwrap()
        ));
    }

    /// Told of the repository that was out, and of no other.
    async fn what_was_not_archived_meanwhile_is_a_gap(&self) {
        let repos = self
            .recovery("a gap in repo2", |repos| {
                repos
                    .iter()
                    .any(|repo| repo.name == "repo2" && !repo.gaps.is_empty())
            })
            .await;
        for repo in &repos {
            let expected = usize::from(repo.name == "repo2");
            assert_eq!(repo.gaps.len(), expected, "{repo:?}");
            assert!(repo.latest_restorable_time.is_some(), "{repo:?}");
        }
    }

    /// The Job has mounted the volume itself; only the WAL of its end needs the host, which comes back.
    async fn its_host_dies_during_a_backup(&self) -> PerconaPGBackup {
        let scenario = self.scenario;
        let pods = scenario.api::<Pod>();
        let uid = async || pods.get("app-repo-host-0").await.unwrap().metadata.uid;
        let before = uid().await;
        scenario.slow_down(&self.cluster).await;
        let request = Request::new(&self.cluster, "hostless", &["--type=incr"]).into("repo2");
        request.create(scenario).await;
        scenario.running("hostless", minutes(2)).await;
        let at_once = kube::api::DeleteParams::default().grace_period(0);
        pods.delete("app-repo-host-0", &at_once).await.unwrap();
        self.is("PGBackRestRepoHostReady", ("False", "RepoHostNotReady"))
            .await;
        self.is("PGBackRestRepoHostReady", ("True", "AsSpecified")).await;
        assert_ne!(uid().await, before);
        let backup = scenario.succeeded("hostless", minutes(5)).await;
        scenario.speed_up(&self.cluster).await;
        backup
    }

    /// Returns the backup that was taken into another repository meanwhile.
    async fn a_removed_volume_is_kept(&self, started: &str) -> PerconaPGBackup {
        let scenario = self.scenario;
        let uid = async || {
            let claim = scenario
                .api::<PersistentVolumeClaim>()
                .get("app-repo2")
                .await
                .unwrap();
            assert!(claim.metadata.deletion_timestamp.is_none());
            claim.metadata.uid.unwrap()
        };
        let before = uid().await;
        self.apply(&["repo1", "repo3", "repo4"]).await;
        let message = self
            .is("RepositoryVolumesKept", ("True", "RepositoryRemoved"))
            .await;
        scenario.tell(&message);
        let way = format!(
            "kubectl --namespace {} delete persistentvolumeclaim app-repo2",
            scenario.namespace
        );
        assert!(message.contains(&way), "{message}");
        scenario.event("app", "RepositoryRemoved", seconds(30)).await;
        scenario.gone::<StatefulSet>("app-repo-host", minutes(1)).await;
        scenario.gone::<Pod>("app-repo-host-0", minutes(2)).await;
        self.is("RepositoryReady", ("True", "AsSpecified")).await;
        assert_eq!(uid().await, before);
        // WAL goes on into the others: the next backup would wait for it in vain otherwise.
        let request = Request::new(&self.cluster, "without", &["--type=incr"]).into("repo3");
        request.create(scenario).await;
        let meanwhile = scenario.succeeded("without", minutes(5)).await;
        let now = scenario
            .sql(&self.cluster, "select pg_postmaster_start_time()")
            .await;
        assert_eq!(now, started, "PostgreSQL was restarted");

        self.apply(&REPOSITORIES).await;
        self.is("RepositoryReady-repo2", ("True", "AsSpecified")).await;
        let cluster: PerconaPGCluster = scenario.api().get("app").await.unwrap();
        let status: PerconaPGClusterStatus = cluster.status.unwrap();
        assert_eq!(condition(&status.conditions, "RepositoryVolumesKept"), None);
        assert_eq!(uid().await, before);
        meanwhile
    }

    /// Also while the Pods of ended backups still mount it; and the repository can begin anew.
    async fn a_kept_claim_can_be_deleted_by_hand(&self) {
        let scenario = self.scenario;
        self.apply(&["repo1", "repo3", "repo4"]).await;
        self.is("RepositoryVolumesKept", ("True", "RepositoryRemoved"))
            .await;
        let claims = scenario.api::<PersistentVolumeClaim>();
        claims
            .delete("app-repo2", &kube::api::DeleteParams::default())
            .await
            .unwrap();
        scenario
            .gone::<PersistentVolumeClaim>("app-repo2", minutes(1))
            .await;
        scenario
            .until(
                "app",
                "without kept volumes",
                seconds(30),
                |cluster: &PerconaPGCluster| {
                    let status = cluster.status.clone().unwrap_or_default();
                    condition(&status.conditions, "RepositoryVolumesKept").is_none()
                },
            )
            .await;
        self.apply(&REPOSITORIES).await;
        self.is("RepositoryReady-repo2", ("True", "AsSpecified")).await;
        let request = Request::new(&self.cluster, "anew", &["--type=full"]).into("repo2");
        request.create(scenario).await;
        scenario.succeeded("anew", minutes(5)).await;
    }

    /// `percona.com/delete-pvc` is the user's word, also for the backups on volumes.
    async fn everything_goes_when_the_user_says_so(&self) {
        let clusters = self.scenario.api::<PerconaPGCluster>();
        clusters
            .delete("app", &kube::api::DeleteParams::default())
            .await
            .unwrap();
        self.scenario.gone::<PerconaPGCluster>("app", minutes(2)).await;
        self.scenario
            .gone::<PersistentVolumeClaim>("app-repo2", minutes(1))
            .await;
        for repository in REPOSITORIES {
            let lease = format!("app-{repository}-pgbackrest");
            self.scenario.gone::<Lease>(&lease, minutes(1)).await;
        }
    }

    /// Removes what only the stores would keep.
    async fn clear(&self) {
        let path = self.scenario.store_path();
        for key in ["3", "4"] {
            let (repository, root) = (format!("--repo={key}"), format!("--repo{key}-path=/"));
            let command = ["pgbackrest", &repository, &root, "--recurse", "repo-rm", &path];
            let removed = kubectl_exec(
                &self.scenario.namespace,
                "app-repo-host-0",
                "pgbackrest",
                &command,
                "",
            )
            .await;
            if let Err(error) = removed {
                self.scenario.tell(&format!("cannot clear {repository}: {error}"));
            }
        }
    }
}

//! WAL on its way: what one repository refuses is never counted as archived, one that refuses can be left out, and what
//! pgBackRest drops is found missing.

use holdfast::api::PerconaPGCluster;
use holdfast::api::cluster::recovery::RepositoryRecovery;

use crate::harness::{Cluster, Request, Scenario, asked_until, minutes, operator_metrics, seconds, status};

#[tokio::test]
async fn a_refusing_repository_holds_up_archiving_until_it_is_suspended_and_its_gap_is_named_after() {
    Scenario::alone("suspended", async |scenario| {
        let good = Cluster::double("app", scenario);
        good.create(scenario).await;
        good.ready(scenario, minutes(5)).await;
        for repo in ["repo1", "repo2"] {
            let name = format!("app-{repo}-initial");
            scenario.succeeded(&name, minutes(5)).await;
        }
        scenario.sql(&good, "create table written (n int)").await;
        let started = scenario.sql(&good, "select pg_postmaster_start_time()").await;

        let mut refusing = good.clone();
        "not-the-secret-of-this-key".clone_into(&mut refusing.second.as_mut().unwrap().key_secret);
        refusing.create(scenario).await;
        refusing
            .says(
                scenario,
                "RepositoryReady-repo2",
                ("False", "CredentialsRefused"),
                seconds(30),
            )
            .await;
        let refused = refused(scenario, &refusing).await;
        let (message, _) = tokio::join!(
            refusing.archiving_fails(scenario, "CredentialsRefused", minutes(1)),
            scenario.event("app", "CredentialsRefused", minutes(1)),
        );
        assert!(message.contains("repo2"), "{message}");
        // The other repository has taken it, and still it does not count as archived.
        is_in(scenario, &refusing, &refusing.path, &refused).await;
        assert!(!refusing.has_archived(scenario, &refused).await);
        scenario.tell(&format!("{refused} is in repo1 and not acknowledged: {message}"));
        wal_waits(scenario).await;

        let mut suspended = refusing.clone();
        suspended.second.as_mut().unwrap().suspended = true;
        suspended.create(scenario).await;
        suspended
            .says(
                scenario,
                "ArchivingHealthy",
                ("True", "ArchivingSuspended"),
                minutes(3),
            )
            .await;
        suspended.archived(scenario, &refused).await;
        let only_first = write(scenario, &suspended).await;
        suspended.archived(scenario, &only_first).await;
        scenario.tell("with repo2 suspended WAL is archived again");
        recovery(scenario, "repo1 is ahead of repo2", |first, second| {
            first.latest_restorable_time > second.latest_restorable_time
                && second.archive_lag_seconds.is_none()
        })
        .await;
        Request::new(&suspended, "into-suspended", &[])
            .into("repo2")
            .deadline(10)
            .create(scenario)
            .await;
        scenario
            .failed("into-suspended", "ArchivingSuspended", seconds(30))
            .await;
        Request::new(&suspended, "into-the-other", &["--type=incr"])
            .create(scenario)
            .await;
        scenario.succeeded("into-the-other", minutes(4)).await;

        good.create(scenario).await;
        good.archives(scenario, minutes(3)).await;
        let both = write(scenario, &good).await;
        for path in [&good.path, &good.second_path()] {
            is_in(scenario, &good, path, &both).await;
        }
        let message = good
            .says(scenario, "WALContinuous", ("False", "WalGap"), minutes(2))
            .await;
        assert!(
            message.contains("repo2") && !message.contains("repo1"),
            "{message}"
        );
        scenario.tell(&format!("archiving goes on: {message}"));
        Request::new(&good, "anew", &["--type=full"])
            .into("repo2")
            .create(scenario)
            .await;
        let anew = scenario.succeeded("anew", minutes(4)).await;
        let label = status(&anew).backup_name.clone();
        recovery(scenario, "a new window begins in repo2", |_, second| {
            second
                .windows
                .iter()
                .any(|window| Some(&window.backup) == label.as_ref())
        })
        .await;
        let now = scenario.sql(&good, "select pg_postmaster_start_time()").await;
        assert_eq!(now, started, "PostgreSQL was restarted");
    })
    .await;
}

#[tokio::test]
async fn wal_that_a_queue_limit_drops_is_named_as_a_gap() {
    Scenario::alone("dropped", async |scenario| {
        let mut good = Cluster::plain("app", scenario);
        good.more
            .insert("archive-push-queue-max".to_owned(), "16MiB".to_owned());
        good.create(scenario).await;
        good.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        scenario.sql(&good, "create table written (n int)").await;

        let mut refusing = good.clone();
        "not-the-secret-of-this-key".clone_into(&mut refusing.key_secret);
        refusing.create(scenario).await;
        refusing
            .repository_is_not_ready(scenario, "CredentialsRefused", seconds(30))
            .await;
        let mut last = refused(scenario, &refusing).await;
        for _ in 0..3 {
            last = write(scenario, &refusing).await;
        }
        refusing.archived(scenario, &last).await;
        scenario.tell("pgBackRest has dropped WAL and called it archived");

        good.create(scenario).await;
        let repository = "RepositoryReady-repo1";
        good.says(scenario, repository, ("True", "AsSpecified"), minutes(1))
            .await;
        let arrived = write(scenario, &good).await;
        is_in(scenario, &good, &good.path, &arrived).await;
        let message = good
            .says(scenario, "WALContinuous", ("False", "WalGap"), minutes(2))
            .await;
        scenario.event("app", "WalGap", seconds(30)).await;
        assert!(message.contains(&last[..20]), "{message}");
        scenario.tell(&format!("and it is named: {message}"));
    })
    .await;
}

/// Commits something and finishes the segment; its name.
async fn write(scenario: &Scenario, cluster: &Cluster) -> String {
    cluster
        .segment_with(scenario, "insert into written values (1)")
        .await
}

/// Finishes segments until one is refused: a changed Secret reaches the pod in its own time.
async fn refused(scenario: &Scenario, cluster: &Cluster) -> String {
    let refusing = async {
        loop {
            let segment = write(scenario, cluster).await;
            for _ in 0..10 {
                if cluster.has_archived(scenario, &segment).await {
                    break;
                }
                let failing = format!("select last_failed_wal = '{segment}' from pg_stat_archiver");
                if scenario.sql(cluster, &failing).await == "t" {
                    return segment;
                }
                tokio::time::sleep(seconds(1)).await;
            }
        }
    };
    tokio::time::timeout(minutes(3), refusing)
        .await
        .expect("a segment is refused")
}

/// Waits until the metrics tell that WAL waits on the primary, and how much room it has.
async fn wal_waits(scenario: &Scenario) {
    let labels = format!("{{namespace=\"{}\",cluster=\"app\"}} ", scenario.namespace);
    let value = |metrics: &str, name: &str| -> u64 {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}{labels}")));
        line.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let told = async || {
        let metrics = operator_metrics().await;
        let waiting = value(&metrics, "holdfast_wal_waiting_bytes");
        if waiting == 0 || value(&metrics, "holdfast_wal_waiting_files") == 0 {
            return None;
        }
        let free = value(&metrics, "holdfast_wal_volume_free_bytes");
        assert!(free > 0 && free <= value(&metrics, "holdfast_wal_volume_size_bytes"));
        Some(waiting)
    };
    let waiting = asked_until(told, minutes(1), "the metrics tell of no WAL that waits").await;
    scenario.tell(&format!("{waiting} bytes of WAL wait"));
}

/// Waits until a segment is in the repository at that path of the bucket.
async fn is_in(scenario: &Scenario, cluster: &Cluster, path: &str, segment: &str) {
    let path = format!("{path}/archive/db/18-1/{}", &segment[..16]);
    let directory = scenario.stores.directory(&cluster.bucket, &path);
    let there = || {
        let files = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        files
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .any(|name| name.starts_with(segment))
    };
    let otherwise = format!("{segment} is not in {}", directory.display());
    asked_until(async || there().then_some(()), minutes(2), &otherwise).await;
}

/// Waits until something holds of what is said of the two repositories.
async fn recovery(
    scenario: &Scenario,
    what: &str,
    holds: impl Fn(&RepositoryRecovery, &RepositoryRecovery) -> bool,
) {
    scenario
        .until("app", what, minutes(2), |cluster: &PerconaPGCluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let repos = status.recovery.unwrap_or_default().repos;
            matches!(repos.as_slice(), [first, second] if holds(first, second))
        })
        .await;
}

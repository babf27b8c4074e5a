//! What can be restored after a life of failovers and restores: windows on every timeline, each proven by restoring to
//! its last commit with plain pgBackRest, and by failing to restore one segment further.

use holdfast::api::PerconaPGCluster;
use holdfast::api::cluster::recovery::RecoveryWindow;
use holdfast::domain::wal::Lsn;
use kube::ResourceExt;
use serde_json::json;

use crate::harness::{Cluster, Scenario, condition, minutes};

const BY_HAND: &str = include_str!("failovers/by_hand.sh");
const SEGMENT: u64 = 16 << 20;

#[tokio::test]
async fn each_window_over_failovers_and_restores_ends_where_a_restore_by_hand_can_go() {
    Scenario::alone("timelines", async |scenario| {
        let mut cluster = Cluster::plain("app", scenario);
        cluster.instances = 2;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        cluster.commits_nothing_by_itself(scenario).await;
        // PostgreSQL finishes no segment by itself.
        let parameters = json!({ "archive_timeout": "1h" });
        let patroni = json!({ "dynamicConfiguration": { "postgresql": { "parameters": parameters } } });
        cluster
            .change(scenario, &json!({ "spec": { "patroni": patroni } }))
            .await;
        scenario.sql(&cluster, "create table written (n int)").await;

        let mut rows = Vec::new();
        let mut back_to = String::new();
        for timeline in 1..=3_i32 {
            if timeline > 1 {
                fail_over(scenario, &cluster, timeline.unsigned_abs()).await;
            }
            for row in [timeline * 1000 + 1, timeline * 1000 + 2] {
                rows.push(row);
                back_to = write(scenario, &cluster, row, &back_to).await;
            }
        }
        pause(scenario, &cluster).await;
        // Behind the first row of timeline 3.
        let first = by_hand(
            scenario,
            &cluster,
            "more",
            &["--type=time", &format!("--target={back_to}")],
        )
        .await;
        let again = first.between.first().unwrap().clone();
        let second = by_hand(
            scenario,
            &cluster,
            "more",
            &["--type=time", &format!("--target={again}")],
        )
        .await;
        assert_eq!((first.timeline, second.timeline), (4, 5));
        let until = |last: &[i32]| -> Vec<i32> {
            rows.iter()
                .copied()
                .filter(|row| *row <= 2002)
                .chain(last.iter().copied())
                .collect()
        };
        let expected = [
            (3, until(&[3001, 3002])),
            (4, until(&[3001, 4001, 4002])),
            (5, until(&[3001, 4001, 5001, 5002])),
        ];
        assert_eq!((&first.rows, &second.rows), (&expected[1].1, &expected[2].1));

        let last = second.before_last.unwrap();
        let windows = windows(scenario, 5, last).await;
        for window in &windows {
            scenario.tell(&format!("window {window:?}"));
        }
        for (timeline, rows) in &expected {
            let window = windows
                .iter()
                .find(|window| window.timeline == *timeline)
                .unwrap_or_else(|| panic!("no window ends on timeline {timeline}"));
            assert_eq!(reached(scenario, &cluster, window, 0).await.as_ref(), Ok(rows));
        }
        for window in &windows {
            let beyond = reached(scenario, &cluster, window, SEGMENT).await;
            let said = beyond.expect_err("no WAL is there");
            assert!(said.contains("before configured recovery target"), "{said}");
            assert!(reached(scenario, &cluster, window, 0).await.is_ok());
            scenario.tell(&format!(
                "timeline {}: its end can be reached, and no segment more",
                window.timeline
            ));
        }
        // No instance runs any more, and nothing is written: what can be restored is told as before.
        assert_eq!(self::windows(scenario, 5, last).await, windows);
    })
    .await;
}

/// Has another instance lead, and waits until the repository has something of this timeline.
async fn fail_over(scenario: &Scenario, cluster: &Cluster, timeline: u32) {
    cluster.fail_over(scenario).await;
    cluster.archives_timeline(scenario, timeline).await;
    // The next failover needs somebody to fail over to.
    cluster.ready(scenario, minutes(3)).await;
    scenario.tell(&format!(
        "{} leads on timeline {timeline}",
        cluster.primary(scenario).await.name_any()
    ));
}

/// Commits a row in a segment of its own, and waits until that is archived. Gives the moment before the row, if it is the
/// second of its timeline, else `before`.
async fn write(scenario: &Scenario, cluster: &Cluster, row: i32, before: &str) -> String {
    let now = scenario.sql(cluster, "select clock_timestamp()").await;
    let insert = format!("insert into written values ({row})");
    cluster.archived_with(scenario, &insert).await;
    if row % 1000 == 2 { now } else { before.to_owned() }
}

async fn pause(scenario: &Scenario, cluster: &Cluster) {
    cluster.pause(scenario, true).await;
    scenario
        .until(
            &cluster.name,
            "paused",
            minutes(3),
            |cluster: &PerconaPGCluster| {
                let status = cluster.status.clone().unwrap_or_default();
                condition(&status.conditions, "ReadyForBackup")
                    .is_some_and(|found| found.1 == "ClusterPaused")
                    && status
                        .postgres
                        .is_some_and(|postgres| postgres.ready.unwrap_or(0) == 0)
            },
        )
        .await;
    scenario.tell("no instance runs");
}

/// What a restore by hand came to.
struct Restored {
    timeline: i32,
    rows: Vec<i32>,
    /// Moments behind each row that it wrote itself.
    between: Vec<String>,
    /// Where the last of them was written behind.
    before_last: Option<Lsn>,
}

async fn by_hand(scenario: &Scenario, cluster: &Cluster, work: &str, options: &[&str]) -> Restored {
    try_by_hand(scenario, cluster, work, options)
        .await
        .unwrap_or_else(|logs| panic!("restore {options:?}: {logs}"))
}

async fn try_by_hand(
    scenario: &Scenario,
    cluster: &Cluster,
    work: &str,
    options: &[&str],
) -> Result<Restored, String> {
    let arguments = [&[work], options].concat();
    let (well, logs) = scenario.recovery_by_hand(cluster, BY_HAND, &arguments).await;
    if !well {
        return Err(logs);
    }
    let told = |word: &str| -> Vec<String> {
        let lines = logs.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    Ok(Restored {
        timeline: told("TIMELINE")[0].parse().unwrap(),
        rows: told("ROWS")[0]
            .split(' ')
            .map(|row| row.parse().unwrap())
            .collect(),
        between: told("BETWEEN"),
        before_last: told("BEFORE").last().map(|lsn| lsn.parse().unwrap()),
    })
}

/// The rows that a restore to the end of a window gives, or to so many bytes behind it.
async fn reached(
    scenario: &Scenario,
    cluster: &Cluster,
    window: &RecoveryWindow,
    behind: u64,
) -> Result<Vec<i32>, String> {
    let end: Lsn = window.to_lsn.as_ref().unwrap().parse().unwrap();
    let target = format!("--target={}", Lsn(end.0 + behind));
    let timeline = format!("--target-timeline={}", window.timeline);
    let set = format!("--set={}", window.backup);
    let options = ["--type=lsn", &target, &timeline, &set];
    let restored = try_by_hand(scenario, cluster, "look", &options).await?;
    Ok(restored.rows)
}

/// The windows, once one of them ends on that timeline, behind that position.
async fn windows(scenario: &Scenario, timeline: i64, behind: Lsn) -> Vec<RecoveryWindow> {
    let of = |cluster: &PerconaPGCluster| {
        let recovery = cluster.status.clone().unwrap_or_default().recovery;
        let repos = recovery.unwrap_or_default().repos;
        repos.first().map(|repo| repo.windows.clone()).unwrap_or_default()
    };
    let complete = |windows: &[RecoveryWindow]| {
        let end = |window: &RecoveryWindow| window.to_lsn.as_ref().map(|lsn| lsn.parse::<Lsn>().unwrap());
        windows
            .iter()
            .any(|window| window.timeline == timeline && end(window).is_some_and(|end| end >= behind))
    };
    let cluster = scenario
        .until("app", "all windows", minutes(2), |cluster: &PerconaPGCluster| {
            complete(&of(cluster))
        })
        .await;
    of(&cluster)
}

//! What can be restored, read from the repository itself: to the microsecond, with gaps and what they cost.

use chrono::{DateTime, Utc};
use holdfast::api::backup::JobState;
use holdfast::api::cluster::recovery::RepositoryRecovery;
use holdfast::api::{PerconaPGBackup, PerconaPGCluster, PerconaPGRestoreStatus};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::harness::{
    Cluster, Request, Scenario, condition, kubectl_exec, minutes, operator_metrics, seconds, status,
};

/// The last commit of a segment, by `pg_waldump`; the segment comes from the repository by `archive-get`.
const LAST_COMMIT: &str = r#"
set -euo pipefail
cd "$(mktemp -d)"
pgbackrest --stanza=db archive-get "$1" "$PWD/$1" >&2
TZ=UTC pg_waldump --rmgr=Transaction "$1" 2>/dev/null | sed -n 's/.*desc: COMMIT \([^ ]* [^ ;]*\) UTC.*/\1/p' | tail -n 1
"#;

#[tokio::test]
async fn what_can_be_restored_is_known_to_the_microsecond_and_a_gap_is_named_with_its_cost() {
    Scenario::alone("recovery", async |scenario| {
        let mut cluster = Cluster::encrypted("app", scenario);
        cluster.recovery_point = Some("90s".to_owned());
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        cluster.commits_nothing_by_itself(scenario).await;

        let segments = write(scenario, &cluster, 4).await;
        let last = segments.last().unwrap();
        let expected = last_commit(scenario, &cluster, last).await;
        let found = recovery(scenario, &cluster, "up to the last commit", |repo| {
            repo.latest_restorable_time.as_deref() == Some(expected.as_str())
        })
        .await;
        scenario.tell(&format!("latest restorable: {expected}, as pg_waldump says"));
        assert_eq!((found.windows.len(), found.gaps.len()), (1, 0));
        let upstream = expected.replace('T', " ").replace('Z', "+0000");
        scenario
            .until(
                "app-repo1-initial",
                "recoverable up to it",
                seconds(30),
                |backup: &PerconaPGBackup| {
                    status(backup).latest_restorable_time.as_deref() == Some(upstream.as_str())
                },
            )
            .await;
        says(scenario, &cluster, "WALContinuous", ("True", "AsSpecified")).await;
        says(
            scenario,
            &cluster,
            "RecoveryPointObjectiveMet",
            ("True", "AsSpecified"),
        )
        .await;

        dry_runs_say_so_too(scenario, &expected).await;

        // Nothing is committed any more: segments come, and what can be restored stays where it is.
        let before = found.segments;
        scenario
            .sql(
                &cluster,
                "select pg_create_restore_point('nothing'); select pg_switch_wal();",
            )
            .await;
        let later = recovery(scenario, &cluster, "another segment", |repo| {
            repo.segments > before
        })
        .await;
        assert_eq!(later.latest_restorable_time.as_deref(), Some(expected.as_str()));

        let hole = &segments[1];
        let directory = format!("archive/db/18-1/{}", &hole[..16]);
        let taken = cluster.take_away(scenario, &directory, hole);
        let (message, event) = tokio::join!(
            says(scenario, &cluster, "WALContinuous", ("False", "WalGap")),
            scenario.event("app", "WalGap", minutes(2)),
        );
        scenario.tell(&format!("condition: {message}"));
        assert!(
            message.contains(hole) && event.contains(hole),
            "{message} / {event}"
        );
        let broken = recovery(scenario, &cluster, "one gap", |repo| repo.gaps.len() == 1).await;
        let gap = &broken.gaps[0];
        assert_eq!(
            (gap.first.as_str(), gap.last.as_str(), gap.segments),
            (hole.as_str(), hole.as_str(), 1)
        );
        // What can be reached is what was committed before the hole.
        let before = last_commit(scenario, &cluster, &segments[0]).await;
        assert_eq!(broken.latest_restorable_time.as_deref(), Some(before.as_str()));
        assert_eq!(gap.lost_from.as_deref(), Some(before.as_str()));
        measured(scenario, &GAP).await;
        is_refused(scenario, "in-the-gap", &expected, &before).await;

        // A backup begins a new window, and the gap stays named for what it cost.
        Request::new(&cluster, "after", &["--type=incr"])
            .create(scenario)
            .await;
        scenario.succeeded("after", minutes(4)).await;
        recovery(scenario, &cluster, "two windows", |repo| {
            repo.windows.len() == 2 && repo.gaps.len() == 1
        })
        .await;
        measured(scenario, &NEW_WINDOW).await;

        taken.put_back();
        scenario.tell("and put back");
        says(scenario, &cluster, "WALContinuous", ("True", "AsSpecified")).await;
        recovery(scenario, &cluster, "whole again", |repo| {
            repo.windows.len() == 1 && repo.gaps.is_empty()
        })
        .await;
    })
    .await;
}

/// A restore to the latest time is possible, and one beyond it is not.
async fn dry_runs_say_so_too(scenario: &Scenario, latest: &str) {
    let possible = asked(scenario, "to-the-last", json!({ "time": latest })).await;
    assert_eq!(possible.state, Some(JobState::Succeeded), "{:?}", possible.error);
    let preflight = possible.preflight.unwrap();
    let initial: PerconaPGBackup = scenario.api().get("app-repo1-initial").await.unwrap();
    assert_eq!(preflight.backup, status(&initial).backup_name);
    assert_eq!(preflight.repository.as_deref(), Some("repo1"));
    assert_eq!((preflight.timeline, preflight.certain), (Some(1), Some(true)));
    is_refused(scenario, "too-late", "2100-01-01 00:00:00+00", latest).await;
}

/// A time cannot be reached, and the refusal names the nearest before it.
async fn is_refused(scenario: &Scenario, name: &str, time: &str, nearest: &str) {
    let refused = asked(scenario, name, json!({ "time": time })).await;
    assert_eq!(refused.state, Some(JobState::Failed));
    let said = condition(&refused.conditions, "PreflightPassed").unwrap();
    assert_eq!((said.0, said.1), ("False", "TargetUnreachable"));
    // To the second: how many digits follow is a matter of form.
    let nearest = nearest.replace('T', " ");
    let nearest = nearest.get(..19).unwrap();
    let error = refused.error.unwrap();
    scenario.tell(&format!("{name}: {error}"));
    assert!(error.contains(nearest), "{error} does not name {nearest}");
}

/// What a restore to a target would come to.
async fn asked(scenario: &Scenario, name: &str, target: Value) -> PerconaPGRestoreStatus {
    scenario
        .restore(name, json!({ "dryRun": true, "target": target }))
        .await;
    scenario.restore_ended(name, minutes(1)).await
}

/// Of a repository with a gap.
const GAP: [(&str, &str, &str); 2] = [("archive_gaps", "", "1"), ("archive_open_gaps", "", "1")];

/// Of a repository with a gap, behind which a backup has ended.
const NEW_WINDOW: [(&str, &str, &str); 4] = [
    ("archive_open_gaps", "", "0"),
    ("last_backup_succeeded", ",type=\"incr\"", "1.0"),
    ("backup_failures", ",type=\"incr\"", "0.0"),
    (
        "condition",
        ",condition=\"RepositoryReady\",reason=\"AsSpecified\"",
        "1",
    ),
];

/// What Prometheus reads of the repository: names, further labels and values.
async fn measured(scenario: &Scenario, expected: &[(&str, &str, &str)]) {
    let metrics = operator_metrics().await;
    let namespace = &scenario.namespace;
    for (name, more, value) in expected {
        let line = format!(
            "holdfast_{name}{{namespace=\"{namespace}\",cluster=\"app\",repo=\"repo1\"{more}}} {value}\n"
        );
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

/// Commits something in each of so many segments, and waits until they are archived; their names.
async fn write(scenario: &Scenario, cluster: &Cluster, count: usize) -> Vec<String> {
    scenario
        .sql(
            cluster,
            "create table if not exists written (at timestamptz default now());\nselect pg_switch_wal();",
        )
        .await;
    let mut segments = Vec::new();
    for _ in 0..count {
        let insert = "insert into written default values";
        segments.push(cluster.segment_with(scenario, insert).await);
    }
    segments
}

async fn last_commit(scenario: &Scenario, cluster: &Cluster, segment: &str) -> String {
    let pod = cluster.primary(scenario).await.name_any();
    cluster.archived(scenario, segment).await;
    let command = ["bash", "-c", LAST_COMMIT, "last-commit", segment];
    let said = kubectl_exec(&scenario.namespace, &pod, "database", &command, "")
        .await
        .unwrap();
    let time: DateTime<Utc> = format!("{}Z", said.trim().replace(' ', "T")).parse().unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

async fn says(scenario: &Scenario, cluster: &Cluster, kind: &str, wanted: (&str, &str)) -> String {
    cluster.says(scenario, kind, wanted, minutes(2)).await
}

/// Waits until what is said of `repo1` holds.
async fn recovery(
    scenario: &Scenario,
    cluster: &Cluster,
    what: &str,
    holds: impl Fn(&RepositoryRecovery) -> bool,
) -> RepositoryRecovery {
    let found = |cluster: &PerconaPGCluster| {
        let recovery = cluster.status.as_ref()?.recovery.as_ref()?;
        recovery.repos.iter().find(|repo| repo.name == "repo1").cloned()
    };
    let cluster = scenario
        .until(&cluster.name, what, minutes(2), |cluster| {
            found(cluster).is_some_and(|repo| holds(&repo))
        })
        .await;
    found(&cluster).unwrap()
}

//! `make bench-backup`: our defaults against those of the compatible operator (gzip 6, one process, each file on its own), one
//! database, one store, one limit of processors, one run.

use std::collections::BTreeMap;

use serde_json::json;

use super::at_work;
use crate::harness::{Cluster, Request, Scenario, minutes, status};

/// What the compatible operator leaves to pgBackRest.
const THEIRS: [(&str, &str); 5] = [
    ("compress-type", "gz"),
    ("compress-level", "6"),
    ("process-max", "1"),
    ("repo1-bundle", "n"),
    ("repo1-block", "n"),
];

/// Prints the seconds that a restore takes: of the backup `$1`, with `$2` processes.
const RESTORE: &str = r#"set -eu
begun=$EPOCHREALTIME
pgbackrest --stanza=db --repo=1 --pg1-path=/pgdata/pg --set="$1" --process-max="$2" restore
echo "TOOK $(echo "$EPOCHREALTIME $begun" | awk '{print $1 - $2}')""#;

/// So often each backup is restored, in turns: a restore takes seconds, and by how much those differ decides nothing.
const TURNS: usize = 3;

/// Seconds that pgBackRest took, and bytes in the repository.
struct Series {
    label: String,
    full: f64,
    incremental: f64,
    stored: i64,
}

#[tokio::test]
async fn backup_defaults() {
    Scenario::alone_within(minutes(40), "speed", async |scenario| {
        let mut cluster = Cluster::plain("speed", scenario);
        cluster.jobs = json!({ "resources": { "requests": {"cpu": "100m"}, "limits": { "cpu": "2", "memory": "1Gi" } } });
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("speed-repo1-initial", minutes(4)).await;
        let bytes = fill(scenario, &cluster).await;
        let ours = series(scenario, &cluster, "ours").await;
        cluster.more = THEIRS
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        cluster.create(scenario).await;
        let theirs = series(scenario, &cluster, "theirs").await;
        let (mut restored, mut restored_theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            restored.push(restore(scenario, &cluster, &ours.label, "2").await);
            restored_theirs.push(restore(scenario, &cluster, &theirs.label, "1").await);
        }
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        let told = |series: &Series, restored: &[f64]| {
            json!({
                "fullSeconds": rounded(series.full), "incrementalSeconds": rounded(series.incremental),
                "restoreSeconds": restored, "storedBytes": series.stored,
            })
        };
        #[allow(clippy::cast_precision_loss, reason = "a ratio with two digits")]
        let result = json!({
            "bench": "backup",
            "databaseBytes": bytes,
            "ours": told(&ours, &restored),
            "theirs": told(&theirs, &restored_theirs),
            "fullTimesFaster": rounded(theirs.full / ours.full),
            "incrementalTimesFaster": rounded(theirs.incremental / ours.incremental),
            "restoreTimesFaster": rounded(median(restored_theirs) / median(restored)),
            "storedRatio": rounded(ours.stored as f64 / theirs.stored as f64),
        });
        println!("{result}");
    })
    .await;
}

/// Half of it rows with much room between, as `pgbench` makes them, half of it text that hardly compresses.
pub async fn fill(scenario: &Scenario, cluster: &Cluster) -> i64 {
    let accounts = "create table accounts as select n as id, n % 1000 as branch, 0 as balance, repeat(' ', 84) as filler \
        from generate_series(1, 8500000) n";
    let texts = "create table texts as select n as id, md5(n::text) || md5((n + 1)::text) as text \
        from generate_series(1, 10500000) n";
    scenario.sql(cluster, accounts).await;
    scenario.sql(cluster, texts).await;
    let size = "checkpoint; select sum(pg_database_size(oid)) from pg_database";
    scenario.sql(cluster, size).await.parse().unwrap()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

async fn series(scenario: &Scenario, cluster: &Cluster, who: &str) -> Series {
    let (full, label) = backup(scenario, cluster, &format!("{who}-full"), "--type=full").await;
    // Two hundredths of the rows, in ten places, and a few that are new.
    let change = "update accounts set balance = balance + 1 where id % 850000 < 17000; \
        insert into texts select n, md5(n::text) from generate_series(1, 100000) n; checkpoint";
    scenario.sql(cluster, change).await;
    let (incremental, next) = backup(scenario, cluster, &format!("{who}-incr"), "--type=incr").await;
    let all = scenario.info(cluster).await;
    let stored: BTreeMap<&str, i64> = all
        .iter()
        .map(|seen| {
            let stored = seen["info"]["repository"]["delta"].as_i64();
            (seen["label"].as_str().unwrap(), stored.unwrap())
        })
        .collect();
    let stored = stored[label.as_str()] + stored[next.as_str()];
    Series {
        label,
        full,
        incremental,
        stored,
    }
}

/// Seconds that a restore takes.
async fn restore(scenario: &Scenario, cluster: &Cluster, label: &str, processes: &str) -> f64 {
    let (well, logs) = scenario
        .by_hand(cluster, &["bash", "-c", RESTORE, "restore", label, processes])
        .await;
    assert!(well, "{logs}");
    let took = logs.lines().find_map(|line| line.strip_prefix("TOOK "));
    took.unwrap().parse().unwrap()
}

/// Seconds that pgBackRest took, and its label.
async fn backup(scenario: &Scenario, cluster: &Cluster, name: &str, kind: &str) -> (f64, String) {
    Request::new(cluster, name, &[kind]).create(scenario).await;
    let backup = scenario.succeeded(name, minutes(15)).await;
    let (started, ended) = at_work(scenario, &backup).await;
    let seconds = (ended - started).as_seconds_f64();
    scenario.tell(&format!("{name}: {seconds:.1} s"));
    (seconds, status(&backup).backup_name.unwrap())
}

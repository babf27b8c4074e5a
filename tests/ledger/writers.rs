//! Writers: `pgbench` through PgBouncer, which notes each commit when it is acknowledged.

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::harness::{Cluster, Scenario, kubectl_exec};
use crate::model::Acknowledged;

/// From its standard input, so that the password is no argument. Half way through a mark is made: a restore point, and a position.
const SCRIPT: &str = r#"
set -euo pipefail
cd "$(mktemp -d)"
printf '\\set n :n + 1\ninsert into ledger values (:run, :client_id, :n);\n' > one.sql
PGHOST=app-pgbouncer PGPORT=5432 PGUSER=app PGDATABASE=app PGSSLMODE=require \
  pgbench -n -c 4 -j 2 -T 8 -D n=0 -D run="$RUN" -f one.sql -l --log-prefix=done >&2 &
writers=$!
sleep 4
unset PGPASSWORD
psql -XAtqd postgres -c "select 'mark', clock_timestamp()::timestamptz(6) at time zone 'utc', pg_current_wal_insert_lsn(), pg_create_restore_point('mark-$RUN'), clock_timestamp() at time zone 'utc'"
wait $writers
cat done.*
"#;

/// A restore point that was made while they wrote, and a position just before it.
#[derive(Debug, Clone)]
pub struct Mark {
    pub name: String,
    pub lsn: String,
    pub before: DateTime<Utc>,
    pub after: DateTime<Utc>,
}

/// Writes for eight seconds.
pub async fn write(scenario: &Scenario, cluster: &Cluster, run: usize) -> (Mark, Vec<Acknowledged>) {
    let secret: Secret = scenario.api().get("app-pguser-app").await.unwrap();
    let password = String::from_utf8(secret.data.unwrap()["password"].0.clone()).unwrap();
    let script = format!(
        "export PGPASSWORD='{}' RUN={run}\n{SCRIPT}",
        password.replace('\'', r"'\''")
    );
    let pod = cluster.primary(scenario).await.name_any();
    let namespace = &scenario.namespace;
    let said = kubectl_exec(namespace, &pod, "database", &["bash", "-s"], &script)
        .await
        .unwrap();
    let mut mark = None;
    let mut all = Vec::new();
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("mark|") {
            let parts: Vec<&str> = rest.split('|').collect();
            let time = |text: &str| format!("{}Z", text.replace(' ', "T")).parse().unwrap();
            mark = Some(Mark {
                name: format!("mark-{run}"),
                lsn: parts[1].to_owned(),
                before: time(parts[0]),
                after: time(parts[3]),
            });
            continue;
        }
        // client, transaction from 0, its time, script, seconds, microseconds
        let numbers: Vec<i64> = line
            .split(' ')
            .take(6)
            .map(|number| number.parse().unwrap())
            .collect();
        let at = DateTime::from_timestamp_micros(numbers[4] * 1_000_000 + numbers[5]).unwrap();
        all.push(Acknowledged {
            writer: (i64::try_from(run).unwrap(), numbers[0]),
            number: numbers[1] + 1,
            at,
        });
    }
    (mark.expect("a mark"), surely(all))
}

/// pgbench may note the time of a transaction before it has the answer. That it had the answer is certain from the time of the
/// next transaction of the same writer on.
fn surely(mut all: Vec<Acknowledged>) -> Vec<Acknowledged> {
    all.sort_by_key(|one| (one.writer, one.number));
    let pairs = all.windows(2).filter(|pair| pair[0].writer == pair[1].writer);
    pairs
        .map(|pair| Acknowledged {
            at: pair[1].at,
            ..pair[0]
        })
        .collect()
}

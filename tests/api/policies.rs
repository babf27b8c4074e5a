//! The ready-made policies of `schedules/`: each is applied to a cluster by kustomize, accepted by the API server, and keeps what it
//! promises when it is simulated.

use chrono::{DateTime, Days, TimeDelta, Utc};
use holdfast::api::PerconaPGCluster;
use holdfast::domain::label::BackupType;
use holdfast::domain::retention::{Kept, Planned, simulate};
use holdfast::policy;
use tokio::process::Command;

use crate::server::Server;

const CLUSTER: &str = "
apiVersion: pgv2.percona.com/v2
kind: PerconaPGCluster
metadata: { name: shop }
spec:
  postgresVersion: 18
  instances: [{ name: a, dataVolumeClaimSpec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } } }]
  proxy: { pgBouncer: {} }
  backups:
    pgbackrest:
      repos:
        - { name: repo1, s3: { bucket: near, endpoint: e, region: r } }
        - { name: repo2, s3: { bucket: far, endpoint: e, region: r } }
";

/// The cluster with a component, as the API server keeps it.
async fn with(server: &Server, component: &str) -> PerconaPGCluster {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // kustomize takes relative paths only.
    std::fs::create_dir(directory.path().join("component")).unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let from = format!("{root}/schedules/{component}/kustomization.yaml");
    std::fs::copy(from, directory.path().join("component/kustomization.yaml")).unwrap();
    std::fs::write(directory.path().join("cluster.yaml"), CLUSTER).unwrap();
    let whole = "resources: [cluster.yaml]\ncomponents: [component]\n";
    std::fs::write(directory.path().join("kustomization.yaml"), whole).unwrap();
    let output = Command::new("kubectl")
        .arg("kustomize")
        .arg(directory.path())
        .output()
        .await
        .expect("kubectl is on the PATH");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{component}: {said}");
    let manifest = serde_saphyr::from_str(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let stored = server
        .offer(&manifest)
        .await
        .unwrap_or_else(|refusal| panic!("{component}: {refusal:?}"));
    serde_json::from_value(stored).unwrap()
}

fn start() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// What a repository holds after so many days, and the day.
fn after(cluster: &PerconaPGCluster, repo: usize, days: u64) -> (Kept, DateTime<Utc>) {
    let backups = &cluster.spec.backups;
    let global = backups.pgbackrest.clone().unwrap_or_default().global;
    let policy = policy::of_repository(&backups.repositories()[repo], &global, start()).unwrap();
    let plan: Vec<Planned> = policy.planned.into_iter().map(|(_, planned)| planned).collect();
    let until = start() + Days::new(days);
    (simulate(&plan, &policy.retention, start(), until), until)
}

fn count(kept: &Kept, kind: BackupType) -> usize {
    kept.backups.iter().filter(|backup| backup.kind == kind).count()
}

/// On each day of a week one can go back so far, and not much farther than a week more.
fn reaches_back(cluster: &PerconaPGCluster, repo: usize, promise: i64) {
    let first = u64::try_from(2 * promise + 10).unwrap();
    for days in first..first + 7 {
        let (kept, until) = after(cluster, repo, days);
        let back = until - kept.reaches_back_to.unwrap();
        assert!(back >= TimeDelta::days(promise), "{back} on day {days}");
        assert!(back <= TimeDelta::days(promise + 8), "{back} on day {days}");
    }
}

#[tokio::test]
async fn every_ready_made_policy_keeps_its_promise() {
    let server = Server::for_test("policies").await;
    let cluster = with(&server, "weekly-daily-hourly").await;
    reaches_back(&cluster, 0, 30);
    let (kept, _) = after(&cluster, 0, 70);
    for backup in &kept.backups {
        assert!(backup.references.len() <= 26, "{backup:?}");
    }

    let cluster = with(&server, "small-and-frugal").await;
    for days in 60..67 {
        let (kept, until) = after(&cluster, 0, days);
        assert!(count(&kept, BackupType::Full) <= 2);
        assert!(
            until - kept.reaches_back_to.unwrap() >= TimeDelta::days(7),
            "day {days}"
        );
    }

    let cluster = with(&server, "near-and-far").await;
    reaches_back(&cluster, 0, 7);
    reaches_back(&cluster, 1, 60);

    let cluster = with(&server, "regulated").await;
    reaches_back(&cluster, 0, 35);
    let (kept, until) = after(&cluster, 1, 8 * 366);
    assert_eq!(count(&kept, BackupType::Full), 84);
    assert!(until - kept.reaches_back_to.unwrap() >= TimeDelta::days(83 * 30));
    server.done().await;
}

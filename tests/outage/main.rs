//! `make test-outage`: a store that cannot be reached for ten minutes in the middle of a backup, and one that never comes back.
//!
//! The store is behind a door that is shut (`tests/cluster/door`): nothing answers and nothing is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs
)]

#[allow(dead_code, unused_imports)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

use std::process::{Command, Stdio};

use holdfast::api::backup::JobState;
use serde_json::json;

use harness::{Cluster, Request, Scenario, minutes, state, status};

/// Shut while it lives.
struct Door;

impl Door {
    fn shut() -> Self {
        Self::set("shut");
        Self
    }

    fn set(to: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/door");
        let done = Command::new(script)
            .arg(to)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "tests/cluster/door {to}");
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        Self::set("open");
    }
}

/// A cluster with enough data for a backup to be seen half way; `repo1` is behind the door, `repo2` is not.
async fn behind_the_door(scenario: &Scenario) -> Cluster {
    let mut cluster = Cluster::double("app", scenario);
    let stores = scenario.stores;
    cluster.endpoint = format!("{}:{}", stores.of("S3_HOST"), stores.of("S3_DOOR_PORT"));
    cluster.create(scenario).await;
    cluster.ready(scenario, minutes(4)).await;
    scenario.succeeded("app-repo1-initial", minutes(4)).await;
    scenario.succeeded("app-repo2-initial", minutes(4)).await;
    scenario.fill(&cluster).await;
    cluster
}

#[tokio::test]
async fn a_backup_outlives_ten_minutes_without_its_store_and_one_whose_store_is_gone_for_good_fails_at_its_deadline()
 {
    Scenario::alone_within(minutes(45), "outage", async |scenario| {
        let mut cluster = behind_the_door(scenario).await;
        Request::new(&cluster, "patient", &["--type=full"])
            .create(scenario)
            .await;
        scenario.half_way("patient", minutes(3)).await;
        let door = Door::shut();
        // The outage itself, and not a wait for something.
        tokio::time::sleep(minutes(10)).await;
        drop(door);
        scenario.tell("the store answers again");
        let backup = scenario.succeeded("patient", minutes(12)).await;
        scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;

        cluster.jobs = json!({ "activeDeadlineSeconds": 300 });
        cluster.create(scenario).await;
        Request::new(&cluster, "hopeless", &["--type=full"])
            .create(scenario)
            .await;
        scenario.half_way("hopeless", minutes(3)).await;
        let _door = Door::shut();
        Request::new(&cluster, "next", &["--type=full"])
            .into("repo2")
            .create(scenario)
            .await;
        let failed = scenario.ended("hopeless", minutes(6)).await;
        let error = status(&failed).error.unwrap_or_default();
        scenario.tell(&format!("hopeless failed: {error}"));
        assert_eq!(state(&failed), JobState::Failed);
        assert!(error.contains("activeDeadlineSeconds"), "{error}");
        let next = scenario.succeeded("next", minutes(7)).await;
        assert_eq!(next.spec.repo_name.as_deref(), Some("repo2"));
    })
    .await;
}

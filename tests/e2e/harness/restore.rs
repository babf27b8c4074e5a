//! Restores as a user asks for them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use holdfast::api::{PerconaPGRestore, PerconaPGRestoreStatus};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{Scenario, asked_until, minutes};

/// The status, empty when there is none yet.
pub fn status(restore: &PerconaPGRestore) -> PerconaPGRestoreStatus {
    restore.status.clone().unwrap_or_default()
}

/// As `spec.target.time`, to the microsecond, as PostgreSQL keeps the times of commits.
pub fn as_target(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

impl Scenario {
    /// Asks for a restore of the cluster `app`, where none is named.
    pub async fn restore(&self, name: &str, mut spec: Value) {
        if spec["pgCluster"].is_null() {
            spec["pgCluster"] = json!("app");
        }
        let restore: PerconaPGRestore = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGRestore", "metadata": { "name": name }, "spec": spec,
        }))
        .unwrap();
        self.apply(&restore).await;
    }

    /// Waits for its end, whichever that is.
    pub async fn restore_ended(&self, name: &str, within: Duration) -> PerconaPGRestoreStatus {
        let ended = |restore: &PerconaPGRestore| status(restore).state.unwrap_or_default().is_terminal();
        status(&self.until(name, "ended", within, ended).await)
    }

    /// Names of all claims.
    pub async fn claims(&self) -> Vec<String> {
        let claims = self.api::<PersistentVolumeClaim>();
        let all = claims.list(&ListParams::default()).await;
        all.unwrap().items.iter().map(ResourceExt::name_any).collect()
    }

    /// Waits until nothing of any rehearsal is there, and no other claims than there were.
    pub async fn no_drill_stays(&self, claims: &[String]) {
        let gone = async || {
            let of_drills = |name: String| name.contains("-drill-");
            let jobs = self.api::<Job>().list(&ListParams::default()).await.unwrap();
            let pods = self.api::<Pod>().list(&ListParams::default()).await.unwrap();
            let some = jobs.items.iter().any(|job| of_drills(job.name_any()))
                || pods.items.iter().any(|pod| of_drills(pod.name_any()));
            (!some && self.claims().await == claims).then_some(())
        };
        asked_until(gone, minutes(1), "something of a rehearsal stays").await;
    }
}

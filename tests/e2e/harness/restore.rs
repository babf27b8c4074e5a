//! Restores as a user asks for them.

use std::time::Duration;

use holdfast::api::{PerconaPGRestore, PerconaPGRestoreStatus};
use serde_json::{Value, json};

use super::Scenario;

/// The status, empty when there is none yet.
pub fn status(restore: &PerconaPGRestore) -> PerconaPGRestoreStatus {
    restore.status.clone().unwrap_or_default()
}

impl Scenario {
    /// Asks for a restore of the cluster `app`.
    pub async fn restore(&self, name: &str, mut spec: Value) {
        spec["pgCluster"] = json!("app");
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
}

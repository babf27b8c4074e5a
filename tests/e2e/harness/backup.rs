//! Backups as a user asks for them.

use std::time::Duration;

use holdfast::api::PerconaPGBackup;
use holdfast::api::backup::{JobState, PerconaPGBackupStatus};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::{Cluster, Scenario, condition, minutes};

/// A backup to be asked for.
#[derive(Clone)]
pub struct Request {
    cluster: String,
    name: String,
    repository: String,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    deadline: Option<i64>,
}

impl Request {
    /// Into repo1, with five minutes to begin.
    pub fn new(cluster: &Cluster, name: &str, options: &[&str]) -> Self {
        Self {
            cluster: cluster.name.clone(),
            name: name.to_owned(),
            repository: "repo1".to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            environment: Vec::new(),
            deadline: None,
        }
    }

    /// Into another repository.
    pub fn into(self, repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            ..self
        }
    }

    /// With a variable for the container that runs pgBackRest.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With so many seconds to begin.
    pub fn deadline(self, deadline: i64) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Creates it.
    pub async fn create(&self, scenario: &Scenario) -> PerconaPGBackup {
        let variables = self.environment.iter();
        let env: Vec<_> = variables
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let backup: PerconaPGBackup = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGBackup",
            "metadata": { "name": self.name },
            "spec": {
                "pgCluster": self.cluster, "repoName": self.repository, "options": self.options,
                "startingDeadlineSeconds": self.deadline, "containerOptions": { "env": env },
            },
        }))
        .unwrap();
        scenario.apply(&backup).await
    }
}

/// The status, empty when there is none yet.
pub fn status(backup: &PerconaPGBackup) -> PerconaPGBackupStatus {
    backup.status.clone().unwrap_or_default()
}

/// The state, `New` when there is none yet.
pub fn state(backup: &PerconaPGBackup) -> JobState {
    status(backup).state.unwrap_or_default()
}

impl Scenario {
    /// Waits for its end, which must be a success.
    pub async fn succeeded(&self, name: &str, within: Duration) -> PerconaPGBackup {
        let backup = self.ended(name, within).await;
        let status = status(&backup);
        assert_eq!(
            status.state,
            Some(JobState::Succeeded),
            "{name}: {:?}",
            status.error
        );
        self.tell(&format!(
            "{name} succeeded as {}",
            status.backup_name.as_deref().unwrap_or("?")
        ));
        backup
    }

    /// Waits for its end, which must be a failure for that reason; returns the text.
    pub async fn failed(&self, name: &str, reason: &str, within: Duration) -> (PerconaPGBackup, String) {
        let backup = self.ended(name, within).await;
        let status = status(&backup);
        assert_eq!(status.state, Some(JobState::Failed), "{name}: {status:?}");
        let error = status.error.clone().unwrap_or_default();
        let complete = condition(&status.conditions, "Complete");
        assert_eq!(
            complete,
            Some(("False", reason, error.as_str())),
            "{name}: {status:?}"
        );
        self.tell(&format!("{name} failed for {reason}: {error}"));
        (backup, error)
    }

    /// Waits for its end.
    pub async fn ended(&self, name: &str, within: Duration) -> PerconaPGBackup {
        self.until(name, "ended", within, |backup| state(backup).is_terminal())
            .await
    }

    /// Waits until pgBackRest is at work.
    pub async fn running(&self, name: &str, within: Duration) -> PerconaPGBackup {
        let backup = self
            .until(name, "running", within, |backup| {
                state(backup) == JobState::Running || state(backup).is_terminal()
            })
            .await;
        assert_eq!(
            state(&backup),
            JobState::Running,
            "{name}: {:?}",
            status(&backup).error
        );
        self.tell(&format!("{name} runs"));
        backup
    }

    /// The pod of a backup's Job, running, and not one of `but`.
    pub async fn job_pod(&self, backup: &PerconaPGBackup, but: Option<&str>) -> Pod {
        let job = status(backup).job_name.expect("a running backup names its Job");
        self.pod_of(&job, but, minutes(2)).await
    }

    /// The pod of a Job, running, and not one of `but`.
    pub async fn pod_of(&self, job: &str, but: Option<&str>, within: Duration) -> Pod {
        let selector = format!("batch.kubernetes.io/job-name={job}");
        self.any(&selector, "running", within, |pod: &Pod| {
            pod.metadata.uid.as_deref() != but
                && pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
        })
        .await
    }

    /// Waits until something has been copied: what is lost before that, a backup begins anew with in the same pod.
    pub async fn half_way(&self, name: &str, within: Duration) {
        let has_copied = |backup: &PerconaPGBackup| {
            let progress = status(backup).progress;
            state(backup).is_terminal()
                || progress.is_some_and(|progress| progress.bytes_done.unwrap_or(0) > 0)
        };
        let backup = self.until(name, "half way", within, has_copied).await;
        assert_eq!(state(&backup), JobState::Running);
        self.tell(&format!("{name} is half way"));
    }

    /// Makes every WAL segment take its time to be archived. A backup waits for one at its beginning and for one at its
    /// end, so it runs for half a minute on any machine, with the locks held and no load. Until the scenario ends.
    pub async fn slow_down(&self, cluster: &Cluster) {
        // A segment that waits would start pgBackRest's asynchronous process, and that takes along whatever comes then.
        cluster
            .archived_with(self, "select pg_logical_emit_message(false, 'e2e', '')")
            .await;
        let command = self.sql(cluster, "show archive_command").await;
        let slow = format!("sleep 12; {command}").replace('\'', "''");
        let alter = format!("alter system set archive_command = '{slow}';\nselect pg_reload_conf();");
        self.sql(cluster, &alter).await;
    }

    /// Ends [`Self::slow_down`].
    pub async fn speed_up(&self, cluster: &Cluster) {
        self.sql(
            cluster,
            "alter system reset archive_command;\nselect pg_reload_conf();",
        )
        .await;
    }

    /// The lock of a backup on the database's side can be taken within a time: nothing works on the repository.
    pub async fn lock_is_free(&self, cluster: &Cluster, within: Duration) {
        let pod = super::wait::name_of(&cluster.primary(self).await);
        let wait = within.as_secs().to_string();
        let lock = "/pgdata/pgbackrest-lock/db-backup-1.lock";
        let command = ["flock", "-w", wait.as_str(), lock, "true"];
        super::programs::kubectl_exec(&self.namespace, &pod, "pgbackrest", &command, "")
            .await
            .unwrap_or_else(|error| panic!("{lock} is held: {error}"));
    }
}

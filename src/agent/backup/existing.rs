//! Whether the repository already holds the backup of this Job: a pod that was lost after the work was done is
//! started again by the Job, and must not make the backup a second time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use super::Request;
use super::options::JOB_ANNOTATION;
use crate::agent::pgbackrest;

/// pgBackRest retries for a minute by itself when a store does not answer.
const LIMIT: Duration = Duration::from_secs(90);

#[derive(Deserialize)]
struct Stanza {
    name: String,
    #[serde(default)]
    backup: Vec<Backup>,
}

#[derive(Deserialize)]
struct Backup {
    label: String,
    #[serde(default)]
    annotation: Option<BTreeMap<String, String>>,
}

/// Label of the Job's backup, if the repository can be read and holds it. When it cannot be read, the backup itself
/// will say why, and better.
pub async fn label_of_job(request: &Request, job: &str) -> Option<String> {
    let mut command = Command::new("pgbackrest");
    command
        .arg(format!("--stanza={}", request.stanza))
        .arg(format!("--repo={}", request.repository));
    command.args([
        "--output=json",
        "--log-level-console=off",
        "--log-level-stderr=warn",
        "info",
    ]);
    let finished = pgbackrest::run(command, LIMIT).await;
    label_in(&finished.output, &request.stanza, job)
}

fn label_in(output: &str, stanza: &str, job: &str) -> Option<String> {
    let stanzas: Vec<Stanza> = serde_json::from_str(output).ok()?;
    let backups = stanzas.into_iter().find(|entry| entry.name == stanza)?.backup;
    backups
        .into_iter()
        .find(|backup| {
            let annotation = backup
                .annotation
                .as_ref()
                .and_then(|annotation| annotation.get(JOB_ANNOTATION));
            annotation.is_some_and(|name| name == job)
        })
        .map(|backup| backup.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"[{"name":"db","backup":[
        {"label":"20261120-233105F","annotation":{"percona.com/backup-job-name":"daily-x1"},"type":"full"},
        {"label":"20261120-233105F_20261121-000000I","type":"incr"}]}]"#;

    #[test]
    fn only_the_very_jobs_backup_counts() {
        assert_eq!(
            label_in(ANSWER, "db", "daily-x1").as_deref(),
            Some("20261120-233105F")
        );
        assert_eq!(label_in(ANSWER, "db", "daily-x2"), None);
        assert_eq!(label_in(ANSWER, "other", "daily-x1"), None);
        assert_eq!(label_in("garbage", "db", "daily-x1"), None);
    }
}

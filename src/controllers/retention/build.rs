//! The Job that lets go. Pure. Its name is the repository's, so that there is one at a time.

use k8s_openapi::api::batch::v1::Job;

use super::decide::Decision;
use crate::api::cluster::jobs::BackupJobs;
use crate::api::names::{LABEL_PGBACKREST_EXPIRE, STANZA};
use crate::controllers::cluster::build::pod::AGENT_BINARY;
use crate::controllers::cluster::build::repository_job::{CONTAINER, Frame, RepositoryJob, Work};
use crate::controllers::cluster::validated::{Backups, Repo, ValidatedCluster};

/// Tries after the first.
const RETRIES: i32 = 3;
/// One that failed is kept so long to be read; then it is tried again.
const PAUSE_SECONDS: i32 = 600;

/// Its name.
#[must_use]
pub fn job_name(cluster: &str, repo: &str) -> String {
    format!("{cluster}-{repo}-expire")
}

/// Builds it.
#[must_use]
pub fn job(
    cluster: &ValidatedCluster,
    backups: &Backups,
    settings: &BackupJobs,
    repo: &Repo,
    decision: &Decision,
) -> Job {
    let place = RepositoryJob {
        cluster,
        backups,
        settings,
        repository: &repo.name,
        beside_host: true,
    };
    let frame = Frame {
        name: job_name(&cluster.names.cluster, &repo.name),
        label: LABEL_PGBACKREST_EXPIRE,
        retries: RETRIES,
        kept_seconds: Some(PAUSE_SECONDS),
    };
    let work = Work {
        command: command(&place, repo, decision),
        restart_policy: "Never".to_owned(),
        ..Work::default()
    };
    place.job(frame, work)
}

fn command(place: &RepositoryJob<'_>, repo: &Repo, decision: &Decision) -> Vec<String> {
    let mut command: Vec<String> = [AGENT_BINARY, "agent", "expire", "--stanza", STANZA, "--repo"]
        .map(str::to_owned)
        .into();
    command.push(repo.key.to_string());
    if let Some(path) = place.lock_path() {
        command.extend(["--lock-path".to_owned(), path]);
    }
    if let Some(wal) = &decision.wal {
        command.extend(["--archive".to_owned(), wal.backups.to_string()]);
        command.extend(["--archive-type".to_owned(), wal.counted.to_string()]);
    }
    command.push("--".to_owned());
    command.extend(decision.gone.iter().map(|label| label.as_str().to_owned()));
    command
}

/// What a Job was told: the labels that go, and how many backups WAL is kept for.
#[must_use]
pub fn asked(job: &Job) -> (Vec<String>, Option<usize>) {
    let command = || {
        let pod = job.spec.as_ref()?.template.spec.as_ref()?;
        let container = pod
            .containers
            .iter()
            .find(|container| container.name == CONTAINER)?;
        container.command.clone()
    };
    let command = command().unwrap_or_default();
    let labels = command
        .iter()
        .skip_while(|word| *word != "--")
        .skip(1)
        .cloned()
        .collect();
    let mut after = command.iter().skip_while(|word| *word != "--archive").skip(1);
    (labels, after.next().and_then(|count| count.parse().ok()))
}

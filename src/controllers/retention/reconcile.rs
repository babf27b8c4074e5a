//! One cluster, once: what is to go is decided from each repository, a Job lets it go, then it is written down.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::runtime::events::EventType;

use super::apply::Apply;
use super::build::{asked, job, job_name};
use super::decide::{Decision, Wanted, decide, growth_of_a_week};
use super::dereference::{Observed, dereference};
use super::memory::{EVERY, fingerprint, is_told_ready};
use super::shared::Shared;
use super::status::{self, Done, Problem};
use crate::agent::report::BackupOutcome;
use crate::api::cluster::retention::RepositoryRetention;
use crate::api::repository::Repository;
use crate::api::{PerconaPGBackup, Reason};
use crate::controllers::backup::{ended, job_ended};
use crate::controllers::cluster::build::repository_job::last_words;
use crate::controllers::cluster::engine;
use crate::controllers::cluster::names::Names;
use crate::controllers::cluster::validate::{Existence, ImageDefaults, validate};
use crate::controllers::context::Context;
use crate::controllers::fleet::{Action, Cluster, Key};
use crate::controllers::round::Failure;
use crate::controllers::turns::Turn;
use crate::domain::label::Label;
use crate::domain::retention::Policy;
use crate::domain::size::Bytes;
use crate::pgbackrest::repository::{BackupInfo, Repository as Reader};
use crate::policy;

/// One look at a repository ends within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Somebody else has the repository's Lease, and nobody tells when it is free.
const ITS_TURN: Duration = Duration::from_secs(5);
/// A repository that cannot be read is told by others; here it is tried again.
const UNREADABLE: Duration = Duration::from_mins(2);

/// Reconciles one cluster.
pub async fn reconcile(object: Arc<Cluster>, shared: Arc<Shared>) -> Result<Action, Failure> {
    // One that cannot be read is told by the cluster controller.
    let Ok(cluster) = &object.0 else {
        return Ok(Action::await_change());
    };
    let uid = cluster.uid().unwrap_or_default();
    let left_alone = cluster.metadata.deletion_timestamp.is_some()
        || cluster.spec.unmanaged.unwrap_or(false)
        // What is there is another's, who lets it go.
        || cluster.is_standby()
        // What a restore reads must not go.
        || cluster.status.as_ref().is_some_and(|status| status.restore.is_some())
        || cluster.spec.backups.repositories().is_empty();
    if left_alone {
        shared.memory.forget(&uid);
        return Ok(Action::await_change());
    }
    let now = Utc::now();
    let shown = shared.fleet.backups_of(&Key::of(&cluster.metadata));
    if shared.memory.knows(&uid, fingerprint(cluster, &shown), now) {
        return Ok(Action::requeue(EVERY.to_std().unwrap_or_default()));
    }
    // Nothing can be read, and nobody waits for anything: what changes that is told in the cluster's status, which wakes us.
    let repositories = cluster.spec.backups.repositories();
    if shown.is_empty() && !repositories.iter().any(|it| is_told_ready(cluster, &it.name)) {
        return Ok(Action::requeue(EVERY.to_std().unwrap_or_default()));
    }
    // What the watch shows may be a moment old: nothing is let go by that.
    let observed = dereference(&shared.context.client, &shared.fleet, Arc::new(cluster.clone())).await?;
    let seen = fingerprint(cluster, &observed.backups);
    let one = One {
        context: &shared.context,
        names: Names::of(&observed.cluster),
        observed: &observed,
        now,
    };
    let again = Box::pin(one.all()).await?;
    if again.is_none() {
        shared.memory.settle(&uid, seen, now);
    }
    // A moment more: what is known must be old by then.
    let pause = EVERY.to_std().unwrap_or_default() + Duration::from_secs(1);
    Ok(Action::requeue(again.unwrap_or(pause)))
}

struct One<'a> {
    context: &'a Context,
    observed: &'a Observed,
    names: Names,
    now: DateTime<Utc>,
}

/// What one repository came to.
#[derive(Default)]
struct Outcome {
    entry: Option<RepositoryRetention>,
    problem: Option<Problem>,
    /// When to look again, while there is something left to do.
    again: Option<Duration>,
    /// A Job that has done its work, once that is written down.
    over: Option<Job>,
}

impl One<'_> {
    fn apply(&self) -> Apply<'_> {
        Apply {
            context: self.context,
            observed: self.observed,
            namespace: &self.names.namespace,
            name: &self.names.cluster,
        }
    }

    /// Returns when to look again, while there is something left to do.
    async fn all(&self) -> Result<Option<Duration>, Failure> {
        self.apply().strangers().await?;
        let mut outcomes = Vec::new();
        for repository in self.observed.cluster.spec.backups.repositories() {
            outcomes.push(Box::pin(self.repository(repository)).await?);
        }
        let again = outcomes.iter().filter_map(|outcome| outcome.again).min();
        let problems: Vec<Problem> = outcomes
            .iter()
            .filter_map(|outcome| outcome.problem.clone())
            .collect();
        let over: Vec<Job> = outcomes
            .iter()
            .filter_map(|outcome| outcome.over.clone())
            .collect();
        let entries: Vec<RepositoryRetention> =
            outcomes.into_iter().filter_map(|outcome| outcome.entry).collect();
        let conditions = status::cluster_conditions(&self.observed.cluster, &entries, &problems, self.now);
        self.apply().status(&entries, &conditions).await?;
        // The other way round a death in between would have all of it done again.
        for job in &over {
            self.apply().clear(job).await?;
        }
        Ok(again)
    }

    async fn repository(&self, repository: &Repository) -> Result<Outcome, Failure> {
        let repo = &repository.name;
        let known = self.known(repo);
        let name = job_name(&self.names.cluster, repo);
        let running = self.observed.jobs.iter().find(|job| job.name_any() == name);
        let state = running.map(|job| (job, ended(job)));
        if let Some((_, None)) = state {
            // Its end wakes us.
            let again = Some(Duration::from_mins(1));
            return Ok(Outcome {
                entry: known.cloned(),
                again,
                ..Outcome::default()
            });
        }
        let options = &self.observed.user.options;
        let wanted = match policy::retention(repo, |option| options.get(option)) {
            Ok((policy, archive)) => Wanted {
                policy,
                archive,
                by_hand: options
                    .get("expire-auto")
                    .is_some_and(|value| value.trim() == "n"),
            },
            Err(error) => {
                let problem = Problem {
                    reason: Reason::RetentionInvalid,
                    what: error.to_string(),
                };
                return Ok(Outcome {
                    entry: known.cloned(),
                    problem: Some(problem),
                    ..Outcome::default()
                });
            }
        };
        // An empty repository has nothing to let go, and one that cannot be read, or is another's, is left alone.
        let Some(info) = self.read(repository).await else {
            self.apply().finalizers(None, repo).await?;
            // Where that is told, its end changes the cluster's status, which wakes us.
            let is_news = is_told_ready(&self.observed.cluster, repo);
            return Ok(Outcome {
                entry: known.cloned(),
                again: is_news.then_some(UNREADABLE),
                ..Outcome::default()
            });
        };
        let objects: Vec<&PerconaPGBackup> = self.observed.of_repository(repo).collect();
        let decision = decide(&wanted, &info.backups, &objects, self.now);
        let mut outcome = Outcome::default();
        let mut done = None;
        match state {
            Some((job, Some(true))) => match self.finished(job, &decision) {
                Ok(finished) => {
                    self.tell(repo, &finished).await;
                    done = Some(finished);
                    self.apply().end_turn(repo).await?;
                    outcome.over = Some(job.clone());
                    // Its removal wakes us; what is left to do is done then.
                    outcome.again = Some(ITS_TURN);
                }
                Err(problem) => outcome.problem = Some(self.failed(repo, problem).await?),
            },
            Some((job, Some(false))) => {
                let says = last_words(job, &self.observed.pods).map(|said: BackupOutcome| said.message);
                let what = format!("{repo}: {}", says.as_deref().unwrap_or("the Job has failed"));
                let problem = Problem {
                    reason: Reason::ExpireFailed,
                    what,
                };
                outcome.problem = Some(self.failed(repo, problem).await?);
                // Kubernetes removes it in a while, which wakes us: that is the pause before the next try.
                outcome.again = Some(UNREADABLE);
            }
            Some((_, None)) | None => {
                if is_due(&decision, known) {
                    outcome.again = Some(Box::pin(self.let_go(repository, &decision)).await?);
                }
            }
        }
        if outcome.problem.is_none() && wanted.policy == Policy::default() && wanted.archive.backups.is_none()
        {
            let growth = Bytes(growth_of_a_week(&info.backups, self.now));
            let what = format!(
                "{repo}: repoN-retention-full is not set, so nothing is ever let go; its backups of the last seven days take {growth}"
            );
            outcome.problem = Some(Problem {
                reason: Reason::RetentionUnset,
                what,
            });
        }
        for backup in &objects {
            let conditions = status::backup_conditions(backup, &info.backups, &decision, self.now);
            self.apply().backup(backup, &conditions).await?;
        }
        self.apply().finalizers(Some(&decision), repo).await?;
        outcome.entry = Some(status::entry(repo, &wanted, &decision, known, done));
        Ok(outcome)
    }

    fn known(&self, repo: &str) -> Option<&RepositoryRetention> {
        let status = self.observed.cluster.status.as_ref()?;
        status.retention.iter().find(|entry| entry.name == repo)
    }

    /// `backup.info` of this cluster's own repository. A copy of a damaged one is nothing to remove backups by.
    async fn read(&self, repository: &Repository) -> Option<BackupInfo> {
        if !self.observed.user.problems.is_empty() {
            return None;
        }
        let access = engine::access(
            &self.names,
            repository,
            &self.observed.user,
            &self.observed.volumes.claims,
            self.observed.volumes.certificates.as_ref(),
        )
        .ok()?;
        let look = async { Reader::open(&access).await.ok()?.read_backup_info().await.ok() };
        let read = tokio::time::timeout(PATIENCE, look).await.ok()??;
        let own = self.observed.cluster.system_identifier() == Some(read.content.database.system_id);
        (own && read.instead_of.is_none()).then_some(read.content)
    }

    /// What a Job has done, as the repository confirms it.
    fn finished(&self, job: &Job, decision: &Decision) -> Result<Done, Problem> {
        let (labels, archive) = asked(job);
        let stay = |label: &&Label| labels.iter().any(|gone| gone == label.as_str());
        let left: Vec<Label> = decision.gone.iter().filter(stay).cloned().collect();
        if !left.is_empty() {
            let what = format!("the repository still lists {}", status::labels(&left));
            return Err(Problem {
                reason: Reason::ExpireFailed,
                what,
            });
        }
        let wal = decision.wal.as_ref().filter(|wal| Some(wal.backups) == archive);
        Ok(Done {
            labels,
            wal_from: wal.map(|wal| wal.from.as_str().to_owned()),
            // Not now: told again by a controller that was restarted, it must be the same.
            at: job_ended(job).unwrap_or(self.now),
        })
    }

    async fn failed(&self, repo: &str, problem: Problem) -> Result<Problem, Failure> {
        self.apply().end_turn(repo).await?;
        Ok(problem)
    }

    async fn tell(&self, repo: &str, done: &Done) {
        if done.labels.is_empty() {
            return;
        }
        let labels: Vec<Label> = done
            .labels
            .iter()
            .filter_map(|label| label.parse().ok())
            .collect();
        let text = format!("{repo}: let go {}", status::labels(&labels));
        let cluster = &*self.observed.cluster;
        self.context
            .events
            .publish(cluster, EventType::Normal, Reason::BackupExpired, &text)
            .await;
    }

    /// Starts the Job, if it is our turn; returns when to look again.
    async fn let_go(&self, repository: &Repository, decision: &Decision) -> Result<Duration, Failure> {
        let cluster = &*self.observed.cluster;
        let existence = Existence {
            volume_claims: self.observed.volumes.claims.clone(),
            ..Existence::default()
        };
        let images = ImageDefaults::of(&self.context.settings);
        let options = &self.observed.user.options;
        // What is wrong with the specification the cluster controller tells.
        let Ok(validated) = validate(
            cluster,
            &images,
            &existence,
            options,
            std::collections::BTreeSet::default(),
        ) else {
            return Ok(UNREADABLE);
        };
        let (Some(backups), Some(repo)) = (&validated.backups, engine::repo(repository)) else {
            return Ok(UNREADABLE);
        };
        if let Turn::Of(holder) = self.apply().take_turn(&repo.name, self.now).await? {
            tracing::debug!(holder, repo = repo.name, "waiting for the repository");
            return Ok(ITS_TURN);
        }
        let pgbackrest = cluster.spec.backups.pgbackrest.as_ref();
        let settings = pgbackrest
            .and_then(|pgbackrest| pgbackrest.jobs.clone())
            .unwrap_or_default();
        tracing::info!(
            namespace = self.names.namespace,
            cluster = self.names.cluster,
            repo = repo.name,
            backups = decision.gone.len(),
            "letting go what retention lets go"
        );
        self.apply()
            .start(&job(&validated, backups, &settings, &repo, decision))
            .await?;
        Ok(Duration::from_mins(1))
    }
}

/// Backups go, or WAL that was kept for more of them.
fn is_due(decision: &Decision, known: Option<&RepositoryRetention>) -> bool {
    let kept_from = known.and_then(|known| known.wal_from.as_deref());
    let wal = decision.wal.as_ref().map(|wal| wal.from.as_str());
    !decision.gone.is_empty() || wal.is_some() && wal != kept_from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label::BackupType;
    use crate::domain::retention::WalKept;

    #[test]
    fn wal_is_let_go_once_for_each_backup_that_it_is_kept_from() {
        let from = |label: &str| Decision {
            wal: Some(WalKept {
                from: label.parse().unwrap(),
                backups: 2,
                counted: BackupType::Full,
            }),
            ..Decision::default()
        };
        let known = RepositoryRetention {
            wal_from: Some("20261121-000000F".to_owned()),
            ..RepositoryRetention::default()
        };
        assert!(is_due(&from("20261121-000000F"), None));
        assert!(!is_due(&from("20261121-000000F"), Some(&known)));
        assert!(is_due(&from("20261122-000000F"), Some(&known)));
        assert!(!is_due(&Decision::default(), Some(&known)));
    }
}

//! The writes of this controller: the Lease and the Job, finalizers, and what is told.

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DeserializeGuard;
use kube::{Resource as _, ResourceExt as _};
use serde_json::{Map, json};

use super::build::job_name;
use super::decide::{Decision, goes_with_data, is_going};
use super::dereference::Observed;
use super::{CONDITIONS, FIELD_MANAGER, OF_BACKUPS};
use crate::api::PerconaPGBackup;
use crate::api::cluster::retention::RepositoryRetention;
use crate::api::names::FINALIZER_EXPIRE;
use crate::controllers::backup::{is_terminal, job_has_ended};
use crate::controllers::cluster::announce::{self, Own};
use crate::controllers::context::Context;
use crate::controllers::turns::{Turn, Turns};
use crate::controllers::writer::WriteError;
use crate::pgbackrest::lease::{Holder, Liveness};

/// Writes for one cluster.
pub struct Apply<'a> {
    pub context: &'a Context,
    pub observed: &'a Observed,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Apply<'_> {
    /// Takes the repository's Lease for the Job that is made next.
    pub async fn take_turn(&self, repo: &str, now: DateTime<Utc>) -> Result<Turn, WriteError> {
        self.turns(repo)
            .take(&self.holder(repo), |other| self.liveness(repo, other), now)
            .await
    }

    /// Frees it.
    pub async fn end_turn(&self, repo: &str) -> Result<(), WriteError> {
        self.turns(repo).end(&self.holder(repo)).await
    }

    fn turns<'a>(&'a self, repo: &'a str) -> Turns<'a> {
        Turns {
            writer: &self.context.writer,
            namespace: self.namespace,
            cluster: self.name,
            owner: self.observed.cluster.controller_owner_ref(&()),
            repository: repo,
            lease: self.observed.leases.get(repo),
            manager: FIELD_MANAGER,
        }
    }

    fn holder(&self, repo: &str) -> Holder {
        Holder::Job {
            name: job_name(self.name, repo),
            uid: self.observed.cluster.uid().unwrap_or_default(),
        }
    }

    fn liveness(&self, repo: &str, other: &Holder) -> Liveness {
        match other {
            Holder::Backup { uid, .. } => {
                let mut of_repository = self.observed.of_repository(repo);
                match of_repository.find(|backup| backup.uid().as_deref() == Some(uid)) {
                    Some(backup) if !is_terminal(backup) => Liveness::Alive,
                    _ => Liveness::Gone,
                }
            }
            // Of a cluster of the same name that was here before.
            Holder::Job { name, .. } => {
                let mut jobs = self.observed.jobs.iter();
                match jobs.find(|job| job.name_any() == *name) {
                    Some(job) if !job_has_ended(job) => Liveness::Alive,
                    _ => Liveness::Gone,
                }
            }
            Holder::Agent { .. } => Liveness::Unknown,
        }
    }

    /// Creates the Job. One that is there already is ours, from a moment ago.
    pub async fn start(&self, job: &Job) -> Result<(), WriteError> {
        match self
            .context
            .writer
            .create(self.namespace, job, FIELD_MANAGER)
            .await
        {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a Job that has ended well.
    pub async fn clear(&self, job: &Job) -> Result<(), WriteError> {
        let uid = job.uid();
        self.context
            .writer
            .delete::<Job>(self.namespace, &job.name_any(), uid.as_deref())
            .await
    }

    /// Backups that go with their data wait for us; others do not, and those whose data is gone do not any more.
    pub async fn finalizers(&self, decision: Option<&Decision>, repo: &str) -> Result<(), WriteError> {
        let writer = &self.context.writer;
        for backup in self.observed.of_repository(repo) {
            let over = decision.is_some_and(|decision| decision.finished.contains(&backup.name_any()));
            if over || !goes_with_data(backup) {
                writer.remove_finalizers(backup, &[FINALIZER_EXPIRE]).await?;
            } else if backup.metadata.deletion_timestamp.is_none() {
                writer.add_finalizer(backup, FINALIZER_EXPIRE).await?;
            }
        }
        Ok(())
    }

    /// Backups of repositories that the cluster has no more stay where they are.
    pub async fn strangers(&self) -> Result<(), WriteError> {
        let repositories = self.observed.cluster.spec.backups.repositories();
        let is_known = |backup: &&PerconaPGBackup| {
            let repo = backup.spec.repo_name.as_deref();
            repositories
                .iter()
                .any(|repository| Some(repository.name.as_str()) == repo)
        };
        let strangers = self.observed.backups.iter().filter(|backup| !is_known(backup));
        for backup in strangers.filter(|backup| is_going(backup)) {
            self.context
                .writer
                .remove_finalizers(backup, &[FINALIZER_EXPIRE])
                .await?;
        }
        Ok(())
    }

    /// Writes this controller's conditions of a backup where they have changed.
    pub async fn backup(&self, backup: &PerconaPGBackup, conditions: &[Condition]) -> Result<(), WriteError> {
        let before = backup.status.clone().unwrap_or_default().conditions;
        let own = |condition: &&Condition| OF_BACKUPS.iter().any(|own| own.as_str() == condition.type_);
        let before: Vec<&Condition> = before.iter().filter(own).collect();
        if before.iter().copied().eq(conditions) {
            return Ok(());
        }
        let status = json!({ "conditions": conditions });
        let name = backup.name_any();
        let written = self
            .context
            .writer
            .apply_status::<DeserializeGuard<PerconaPGBackup>>(self.namespace, &name, &status, FIELD_MANAGER)
            .await;
        match written {
            // One that was deleted meanwhile holds up no other.
            Err(error) if !error.is_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes what is told of the cluster where it has changed, and tells its changes.
    pub async fn status(
        &self,
        entries: &[RepositoryRetention],
        conditions: &[Condition],
    ) -> Result<(), WriteError> {
        let cluster = &self.observed.cluster;
        let known = cluster.status.as_ref();
        let own = Own {
            manager: FIELD_MANAGER,
            types: &CONDITIONS,
            differ: known.map_or(&[][..], |status| &status.retention) != entries,
            fields: Map::from_iter([("retention".to_owned(), json!(entries))]),
            conditions,
        };
        announce::write_own(self.context, cluster, own).await
    }
}

//! The writes of a backup: finalizer, Lease, Job. In this order, so that what has begun can always be found and ended.

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::{Resource as _, ResourceExt as _};

use super::FIELD_MANAGER;
use super::decide::{job_has_ended, state};
use super::dereference::Observed;
use crate::api::PerconaPGBackup;
use crate::api::names::{FINALIZER_BACKUP, FINALIZER_EXPIRE};
use crate::controllers::turns::{Turn, Turns};
use crate::controllers::writer::{WriteError, Writer};
use crate::pgbackrest::lease::{Holder, Liveness};

/// Finalizer of the compatible operator; a cluster that moved over still has it on its backups.
const FINALIZER_UPSTREAM: &str = "internal.percona.com/delete-backup";

/// Writes for one backup.
pub struct Apply<'a> {
    pub writer: &'a Writer,
    pub observed: &'a Observed,
    pub namespace: &'a str,
}

impl Apply<'_> {
    /// Marks the backup as something that has to be ended in order.
    pub async fn hold(&self) -> Result<(), WriteError> {
        self.writer
            .add_finalizer(&self.observed.backup, FINALIZER_BACKUP)
            .await
    }

    /// Lets the object go.
    pub async fn let_go(&self) -> Result<(), WriteError> {
        self.writer
            .remove_finalizers(&self.observed.backup, &[FINALIZER_BACKUP, FINALIZER_UPSTREAM])
            .await
    }

    /// Enters us as the holder of the repository's Lease, if that is free.
    pub async fn take_turn(&self, now: DateTime<Utc>) -> Result<Turn, WriteError> {
        let me = holder(&self.observed.backup);
        self.turns().take(&me, |other| self.liveness(other), now).await
    }

    /// Frees the Lease, if it is ours.
    pub async fn end_turn(&self) -> Result<(), WriteError> {
        self.turns().end(&holder(&self.observed.backup)).await
    }

    fn turns(&self) -> Turns<'_> {
        let backup = &self.observed.backup;
        let cluster = self.observed.cluster.as_ref();
        Turns {
            writer: self.writer,
            namespace: self.namespace,
            cluster: &backup.spec.pg_cluster,
            owner: cluster.and_then(|cluster| cluster.controller_owner_ref(&())),
            repository: backup.spec.repo_name.as_deref().unwrap_or_default(),
            lease: self.observed.lease.as_ref(),
            manager: FIELD_MANAGER,
        }
    }

    /// Creates the Job. One that exists already is the same one: its name is of our uid.
    pub async fn start(&self, job: &Job) -> Result<(), WriteError> {
        match self.writer.create(self.namespace, job, FIELD_MANAGER).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// What the backup's cluster would have removed from the repository stays there: the cluster is gone, or going.
    pub async fn leave_in_repository(&self) -> Result<(), WriteError> {
        self.writer
            .remove_finalizers(
                &self.observed.backup,
                &[FINALIZER_BACKUP, FINALIZER_UPSTREAM, FINALIZER_EXPIRE],
            )
            .await
    }

    /// Ends the Job and its Pods; `true` when nothing of them is left.
    pub async fn stop(&self) -> Result<bool, WriteError> {
        let Some(job) = &self.observed.job else {
            return Ok(self.observed.pods.iter().all(has_ended));
        };
        if job.metadata.deletion_timestamp.is_none() {
            self.writer
                .delete_with_dependents::<Job>(self.namespace, &job.name_any(), job.uid().as_deref())
                .await?;
        }
        Ok(false)
    }

    fn liveness(&self, other: &Holder) -> Liveness {
        let uid = match other {
            Holder::Backup { uid, .. } => uid,
            Holder::Job { .. } if self.observed.lease_job.as_ref().is_none_or(job_has_ended) => {
                return Liveness::Gone;
            }
            _ => return Liveness::Unknown,
        };
        let found = self
            .observed
            .others
            .iter()
            .find(|backup| backup.uid().as_deref() == Some(uid));
        match found {
            Some(backup) if !state(backup).is_terminal() => Liveness::Alive,
            _ => Liveness::Gone,
        }
    }
}

fn holder(backup: &PerconaPGBackup) -> Holder {
    Holder::Backup {
        name: backup.name_any(),
        uid: backup.uid().unwrap_or_default(),
    }
}

fn has_ended(pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

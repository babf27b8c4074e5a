//! The writes of a backup: finalizer, Lease, Job. In this order, so that what has begun can always be found and ended.

use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};

use super::FIELD_MANAGER;
use super::decide::state;
use super::dereference::Observed;
use crate::api::names::{FINALIZER_BACKUP, LABEL_CLUSTER, LABEL_MANAGED_BY, LABEL_PGBACKREST_REPO, OPERATOR};
use crate::api::{PerconaPGBackup, time};
use crate::controllers::writer::{WriteError, Writer};
use crate::pgbackrest::lease::{self, Decision, Holder, LeaseView, Liveness};

/// Finalizer of the compatible operator; a cluster that moved over still has it on its backups.
const FINALIZER_UPSTREAM: &str = "internal.percona.com/delete-backup";

/// Whether the Lease is ours now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    Ours,
    /// Another one has it: its `holderIdentity`.
    Of(String),
}

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
        let view = self.observed.lease.as_ref().map(view);
        let written = match lease::decide(view.as_ref(), &me, |other| self.liveness(other), now) {
            Decision::Held | Decision::Renew => return Ok(Turn::Ours),
            Decision::Wait { holder, .. } => return Ok(Turn::Of(holder)),
            Decision::Create => {
                self.writer
                    .create(self.namespace, &self.claim(&me, now), FIELD_MANAGER)
                    .await
            }
            Decision::Take { evicted } => {
                if let Some(evicted) = evicted {
                    tracing::info!(evicted, "the repository's Lease was held by one that is gone");
                }
                self.writer
                    .replace(self.namespace, &self.claim(&me, now), FIELD_MANAGER)
                    .await
            }
        };
        match written {
            Ok(_) => Ok(Turn::Ours),
            // Somebody was faster: who it is, the next look tells.
            Err(error) if error.is_conflict() => Ok(Turn::Of("another command".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Frees the Lease, if it is ours.
    pub async fn end_turn(&self) -> Result<(), WriteError> {
        let me = holder(&self.observed.backup).to_string();
        let Some(lease) = &self.observed.lease else {
            return Ok(());
        };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref()) != Some(&me) {
            return Ok(());
        }
        let mut free = lease.clone();
        free.metadata.managed_fields = None;
        free.spec = Some(LeaseSpec::default());
        match self.writer.replace(self.namespace, &free, FIELD_MANAGER).await {
            Err(error) if !error.is_conflict() && !error.is_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    /// Creates the Job. One that exists already is the same one: its name is of our uid.
    pub async fn start(&self, job: &Job) -> Result<(), WriteError> {
        match self.writer.create(self.namespace, job, FIELD_MANAGER).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
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

    fn claim(&self, me: &Holder, now: DateTime<Utc>) -> Lease {
        let backup = &self.observed.backup;
        let repository = backup.spec.repo_name.clone().unwrap_or_default();
        let existing = self.observed.lease.as_ref();
        let labels = [
            (LABEL_CLUSTER, backup.spec.pg_cluster.clone()),
            (LABEL_MANAGED_BY, OPERATOR.to_owned()),
            (LABEL_PGBACKREST_REPO, repository.clone()),
        ];
        let owner = self
            .observed
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.controller_owner_ref(&()));
        Lease {
            metadata: ObjectMeta {
                name: Some(lease::name(&backup.spec.pg_cluster, &repository)),
                namespace: Some(self.namespace.to_owned()),
                resource_version: existing.and_then(kube::ResourceExt::resource_version),
                labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(me.to_string()),
                acquire_time: Some(time::to_kubernetes_micro(now)),
                ..LeaseSpec::default()
            }),
        }
    }

    fn liveness(&self, other: &Holder) -> Liveness {
        let Holder::Backup { uid, .. } = other else {
            return Liveness::Unknown;
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

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseView {
        holder: spec.holder_identity,
        renewed_at: spec.renew_time.as_ref().map(time::from_kubernetes_micro),
        duration_seconds: spec.lease_duration_seconds,
    }
}

fn has_ended(pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

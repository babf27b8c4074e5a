//! Whose turn it is on a repository: the Lease that every writing pgBackRest command runs under, as controllers take and free it.

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::writer::{WriteError, Writer};
use crate::api::names::{LABEL_CLUSTER, LABEL_MANAGED_BY, LABEL_PGBACKREST_REPO, OPERATOR};
use crate::api::time;
use crate::pgbackrest::lease::{self, AGENT_LEASE_SECONDS, Decision, Holder, LeaseView, Liveness};

/// Whether the Lease is ours now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    Ours,
    /// Another one has it: its `holderIdentity`.
    Of(String),
}

/// Turns on one repository of a cluster.
pub struct Turns<'a> {
    /// For writing.
    pub writer: &'a Writer,
    /// Where the cluster lives.
    pub namespace: &'a str,
    /// Its name.
    pub cluster: &'a str,
    /// The cluster, if it is there: the Lease goes with it.
    pub owner: Option<OwnerReference>,
    /// `repo1` to `repo4`.
    pub repository: &'a str,
    /// The Lease as it was read.
    pub lease: Option<&'a Lease>,
    /// Field manager of the writes.
    pub manager: &'a str,
}

impl Turns<'_> {
    /// Enters `me` as the holder of the Lease, if that is free.
    pub async fn take(
        &self,
        me: &Holder,
        liveness: impl FnOnce(&Holder) -> Liveness,
        now: DateTime<Utc>,
    ) -> Result<Turn, WriteError> {
        let view = self.lease.map(view);
        let written = match lease::decide(view.as_ref(), me, liveness, now) {
            Decision::Held => return Ok(Turn::Ours),
            Decision::Wait { holder, .. } => return Ok(Turn::Of(holder)),
            Decision::Create => {
                let claim = self.claim(me, now);
                self.writer.create(self.namespace, &claim, self.manager).await
            }
            Decision::Renew => self.enter(me, now).await,
            Decision::Take { evicted } => {
                if let Some(evicted) = evicted {
                    tracing::info!(evicted, "the repository's Lease was held by one that is gone");
                }
                self.enter(me, now).await
            }
        };
        match written {
            Ok(_) => Ok(Turn::Ours),
            // Somebody was faster: who it is, the next look tells.
            Err(error) if error.is_conflict() => Ok(Turn::Of("another command".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Frees the Lease, if `me` holds it.
    pub async fn end(&self, me: &Holder) -> Result<(), WriteError> {
        let Some(lease) = self.lease else {
            return Ok(());
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref());
        if holder != Some(&me.to_string()) {
            return Ok(());
        }
        let mut free = lease.clone();
        free.metadata.managed_fields = None;
        free.spec = Some(LeaseSpec::default());
        match self.writer.replace(self.namespace, &free, self.manager).await {
            Err(error) if !error.is_conflict() && !error.is_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    async fn enter(&self, me: &Holder, now: DateTime<Utc>) -> Result<Lease, WriteError> {
        let claim = self.claim(me, now);
        self.writer.replace(self.namespace, &claim, self.manager).await
    }

    fn claim(&self, me: &Holder, now: DateTime<Utc>) -> Lease {
        let labels = [
            (LABEL_CLUSTER, self.cluster),
            (LABEL_MANAGED_BY, OPERATOR),
            (LABEL_PGBACKREST_REPO, self.repository),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        // A backup's claim holds until it has ended; any other for its time.
        let expires = !matches!(me, Holder::Backup { .. });
        Lease {
            metadata: ObjectMeta {
                name: Some(lease::name(self.cluster, self.repository)),
                namespace: Some(self.namespace.to_owned()),
                resource_version: self.lease.and_then(kube::ResourceExt::resource_version),
                labels: Some(labels.into()),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(me.to_string()),
                acquire_time: Some(time::to_kubernetes_micro(now)),
                renew_time: expires.then(|| time::to_kubernetes_micro(now)),
                lease_duration_seconds: expires.then_some(AGENT_LEASE_SECONDS),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// The holder of a Lease, where it is one of ours.
#[must_use]
pub fn holder(lease: &Lease) -> Option<Holder> {
    let spec = lease.spec.as_ref()?;
    spec.holder_identity.as_ref()?.parse().ok()
}

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseView {
        holder: spec.holder_identity,
        renewed_at: spec.renew_time.as_ref().map(time::from_kubernetes_micro),
        duration_seconds: spec.lease_duration_seconds,
    }
}

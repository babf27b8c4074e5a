//! The agent's claim on the Lease of a repository, held around `stanza-create`.

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;
use kube::api::{Api, PostParams};

use crate::api::PerconaPGCluster;
use crate::pgbackrest::lease::{self, Decision, Holder, LeaseView, Liveness};

/// One Lease, as this agent sees it.
#[derive(Clone)]
pub struct Claim {
    api: Api<Lease>,
    name: String,
    me: Holder,
    owner: Option<OwnerReference>,
}

impl Claim {
    /// Names the Lease; nothing is written yet.
    #[must_use]
    pub fn new(api: Api<Lease>, name: String, me: Holder) -> Self {
        Self {
            api,
            name,
            me,
            owner: None,
        }
    }

    /// The Lease shall go with the object of this cluster.
    #[must_use]
    pub fn of(mut self, cluster: &str, uid: &str) -> Self {
        self.owner = (!uid.is_empty()).then(|| OwnerReference {
            api_version: PerconaPGCluster::api_version(&()).into_owned(),
            kind: PerconaPGCluster::kind(&()).into_owned(),
            name: cluster.to_owned(),
            uid: uid.to_owned(),
            ..OwnerReference::default()
        });
        self
    }

    /// Takes or renews the claim. False while another one holds it or was quicker.
    pub async fn hold(&self) -> Result<bool, kube::Error> {
        let existing = self.api.get_opt(&self.name).await?;
        let view = existing.as_ref().map(view);
        // An agent may not read backups: a backup's claim is ended by the controller.
        match lease::decide(view.as_ref(), &self.me, |_| Liveness::Unknown, Utc::now()) {
            Decision::Held => Ok(true),
            Decision::Wait { holder, .. } => {
                tracing::info!(lease = self.name, holder, "the repository is in use");
                Ok(false)
            }
            Decision::Create | Decision::Take { .. } | Decision::Renew => self.write(existing, true).await,
        }
    }

    /// Gives the claim back. One that cannot be given back ends by its time.
    pub async fn release(&self) {
        let result = async {
            match self.api.get_opt(&self.name).await? {
                Some(existing) if view(&existing).holder == Some(self.me.to_string()) => {
                    self.write(Some(existing), false).await
                }
                _ => Ok(false),
            }
        };
        if let Err(error) = result.await {
            tracing::warn!(lease = self.name, %error, "cannot give the lease back");
        }
    }

    async fn write(&self, existing: Option<Lease>, claim: bool) -> Result<bool, kube::Error> {
        let parameters = PostParams {
            field_manager: Some("holdfast-agent".into()),
            ..PostParams::default()
        };
        let creating = existing.is_none();
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            ..ObjectMeta::default()
        };
        let mut lease = existing.unwrap_or(Lease { metadata, spec: None });
        if lease.metadata.owner_references.is_none() {
            lease.metadata.owner_references = self.owner.clone().map(|owner| vec![owner]);
        }
        let now = Timestamp::from_microsecond(Utc::now().timestamp_micros()).unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(if claim { self.me.to_string() } else { String::new() }),
            lease_duration_seconds: Some(lease::AGENT_LEASE_SECONDS),
            renew_time: Some(MicroTime(now)),
            ..lease.spec.unwrap_or_default()
        });
        // The resourceVersion read before goes with it: a conflict means that somebody else was quicker.
        let written = if creating {
            self.api.create(&parameters, &lease).await
        } else {
            self.api.replace(&self.name, &parameters, &lease).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseView {
        holder: spec.holder_identity,
        renewed_at: spec
            .renew_time
            .and_then(|time| DateTime::from_timestamp_micros(time.0.as_microsecond())),
        duration_seconds: spec.lease_duration_seconds,
    }
}

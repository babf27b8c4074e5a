//! One leader among the replicas, by a coordination Lease.
//!
//! Every replica watches and knows the state, so that a new leader acts at once; only the leader writes, and the
//! claim is checked at each write. A claim is measured on this machine's monotonic clock from before the renewal was
//! sent, and a rival judges expiry by how long the Lease has not changed under its own eyes: clocks that differ or
//! jump cannot make two leaders. What a paused leader could still send after losing the Lease is at most one request
//! that it had begun; every write is idempotent for that reason.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::time;

/// How long a claim holds without renewal.
const DURATION: Duration = Duration::from_secs(15);
/// How often the leader renews.
const RENEWAL: Duration = Duration::from_secs(5);
/// How often the others look.
const LOOK: Duration = Duration::from_secs(3);
/// A claim ends this much earlier for its holder than for its rivals.
const MARGIN: Duration = Duration::from_secs(3);
/// One request about the Lease must be answered within this time.
const PATIENCE: Duration = Duration::from_secs(4);

/// A claim that holds, unless it is renewed, until an instant.
#[derive(Clone, Copy, Debug)]
struct Held {
    until: Instant,
    /// Counts the times that leadership was gained. A claim that lapsed, even for a moment that nobody saw, begins a
    /// new term when it is renewed: work may have been refused in that moment.
    term: u64,
}

impl Held {
    fn is_current(self) -> bool {
        Instant::now() < self.until
    }
}

/// Whether this process leads now. Cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Claim(watch::Receiver<Option<Held>>);

impl Claim {
    /// True while this process may write.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.0.borrow().is_some_and(Held::is_current)
    }

    /// Waits until the claim holds in a later term than `seen`, and returns that term; `None` when leadership ended
    /// for good. The first term is 1.
    pub async fn term_after(&mut self, seen: u64) -> Option<u64> {
        loop {
            let held = *self.0.borrow_and_update();
            if let Some(held) = held.filter(|held| held.is_current() && held.term > seen) {
                return Some(held.term);
            }
            if self.0.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Waits until the claim is lost.
    pub async fn lost(&mut self) {
        while self.is_current() {
            let until = self.0.borrow().map_or_else(Instant::now, |held| held.until);
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                changed = self.0.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// The giving side of a [`Claim`].
pub struct Claims(watch::Sender<Option<Held>>, AtomicU64);

impl Claims {
    /// Nothing is claimed yet.
    #[must_use]
    pub fn new() -> (Self, Claim) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender, AtomicU64::new(0)), Claim(receiver))
    }

    /// Claims or renews; true when the claim did not hold just before.
    pub fn hold_until(&self, until: Instant) -> bool {
        let mut gained = false;
        // Judged where nobody can read: between this look and the new value no reader finds the old one lapsed.
        self.0.send_modify(|held| {
            gained = !held.is_some_and(Held::is_current);
            let term = self.1.fetch_add(u64::from(gained), Ordering::Relaxed) + u64::from(gained);
            *held = Some(Held { until, term });
        });
        gained
    }

    /// Gives the claim up; true when there was one, lapsed or not.
    pub fn end(&self) -> bool {
        self.0.send_replace(None).is_some()
    }

    /// True while the claim holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.borrow().is_some_and(Held::is_current)
    }
}

/// Competes for the Lease.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    claim: Claims,
    /// The Lease as last seen, and since when it has looked like that.
    seen: Option<(String, Instant)>,
}

impl Candidate {
    /// `identity` must be unique among the replicas: the name of the Pod.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, name: &str, identity: &str) -> (Self, Claim) {
        let (claims, claim) = Claims::new();
        let candidate = Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            claim: claims,
            seen: None,
        };
        (candidate, claim)
    }

    /// Competes until told to end, then gives the Lease back so that another replica takes over at once.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let asked = Instant::now();
            let leads = match tokio::time::timeout(PATIENCE, self.compete(asked)).await {
                Ok(Ok(leads)) => leads,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the leader's Lease could not be read or written");
                    self.held()
                }
                Err(_) => {
                    tracing::warn!("the API server does not answer about the leader's Lease");
                    self.held()
                }
            };
            let pause = if leads { RENEWAL } else { LOOK };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => break,
            }
        }
        if self.held() {
            self.claim.end();
            if let Err(error) = self.release().await {
                tracing::info!(%error, "the leader's Lease was not given back and will expire");
            }
        }
    }

    fn held(&self) -> bool {
        self.claim.holds()
    }

    async fn compete(&mut self, asked: Instant) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let fresh = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.spec(None)),
            };
            return match self.api.create(&PostParams::default(), &fresh).await {
                Ok(_) => Ok(self.lead(asked)),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
                Err(error) => Err(error),
            };
        };
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default();
        if holder != self.identity && !holder.is_empty() && !self.is_stale(&lease, asked) {
            self.follow(&holder);
            return Ok(false);
        }
        let mut mine = lease.clone();
        mine.spec = Some(self.spec(lease.spec.as_ref()));
        // The resourceVersion goes along: of two rivals one gets a conflict.
        match self.api.replace(&self.name, &PostParams::default(), &mine).await {
            Ok(_) => Ok(self.lead(asked)),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the Lease has not changed for its whole duration while this process watched it.
    fn is_stale(&mut self, lease: &Lease, now: Instant) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => now.duration_since(*since) >= DURATION,
            _ => {
                self.seen = Some((version, now));
                false
            }
        }
    }

    fn lead(&self, asked: Instant) -> bool {
        if self.claim.hold_until(asked + DURATION.saturating_sub(MARGIN)) {
            tracing::info!(identity = self.identity, "this replica leads");
        }
        true
    }

    fn follow(&self, holder: &str) {
        if self.claim.end() {
            tracing::warn!(holder, "another replica leads now");
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = time::to_kubernetes_micro(chrono::Utc::now());
        let same = before.filter(|spec| spec.holder_identity.as_deref() == Some(self.identity.as_str()));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: same
                .and_then(|spec| spec.acquire_time.clone())
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions + i32::from(same.is_none() && before.is_some())),
            ..LeaseSpec::default()
        }
    }

    async fn release(&self) -> Result<(), kube::Error> {
        let mut lease = self.api.get(&self.name).await?;
        if let Some(spec) = lease.spec.as_mut()
            && spec.holder_identity.as_deref() == Some(self.identity.as_str())
        {
            spec.holder_identity = None;
            self.api
                .replace(&self.name, &PostParams::default(), &lease)
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test]
    async fn a_claim_ends_by_itself_when_it_is_not_renewed() {
        let (claims, mut claim) = Claims::new();
        assert!(!claim.is_current());
        claims.hold_until(soon());
        assert!(claim.term_after(0).await == Some(1) && claim.is_current());
        claim.lost().await;
        assert!(!claim.is_current());
    }

    #[tokio::test]
    async fn a_renewal_in_time_is_no_new_term_and_one_that_is_late_is() {
        let (claims, claim) = Claims::new();
        assert!(claims.hold_until(soon()));
        assert!(!claims.hold_until(soon()), "renewed in time");
        claim.clone().lost().await;
        assert!(claims.hold_until(soon()), "renewed late");
        assert_eq!(claim.clone().term_after(1).await, Some(2));
    }

    #[tokio::test]
    async fn waiting_for_a_claim_ends_when_nobody_competes_any_more() {
        let (claims, mut claim) = Claims::new();
        drop(claims);
        assert_eq!(claim.term_after(0).await, None);
    }
}

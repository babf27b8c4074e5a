//! Who may run a writing pgBackRest command on one repository: decisions about one coordination Lease.
//!
//! Nothing in pgBackRest stops two pods on one cloud repository, so every `backup`, `expire`, `annotate` and
//! `stanza-*` is run by the holder of the Lease only. Here is the pure part; whoever writes the Lease must send the
//! `resourceVersion` that it decided on, and decide again after a conflict.

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};

/// How long an agent's claim holds without renewal.
pub const AGENT_LEASE_SECONDS: i32 = 120;

/// Name of the Lease that guards a repository (`repo1`) of a cluster.
#[must_use]
pub fn name(cluster: &str, repository: &str) -> String {
    format!("{cluster}-{repository}-pgbackrest")
}

/// Who holds a Lease; its text form is `holderIdentity`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A backup's Job, entered by the controller; it holds until that backup is finished or gone.
    Backup {
        /// Name of the `PerconaPGBackup`.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Another Job of ours, entered by the controller just before it is made: the claim holds for its time, which is enough to
    /// make the Job, and then as long as the Job runs.
    Job {
        /// Name of the Job.
        name: String,
        /// Uid of the cluster.
        uid: String,
    },
    /// The agent of an instance, entered by itself; it must renew.
    Agent {
        /// The pod's name.
        pod: String,
        /// The pod's uid.
        uid: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup { name, uid } => write!(f, "backup/{name}/{uid}"),
            Self::Job { name, uid } => write!(f, "job/{name}/{uid}"),
            Self::Agent { pod, uid } => write!(f, "agent/{pod}/{uid}"),
        }
    }
}

/// A `holderIdentity` that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no holder that Holdfast enters")]
pub struct ForeignHolder(pub String);

impl ForeignHolder {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "foreign-holder"
    }
}

impl FromStr for Holder {
    type Err = ForeignHolder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let foreign = || ForeignHolder(text.to_owned());
        let mut parts = text.split('/');
        let (Some(kind), Some(name), Some(uid), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(foreign());
        };
        if name.is_empty() || uid.is_empty() {
            return Err(foreign());
        }
        match kind {
            "backup" => Ok(Self::Backup {
                name: name.to_owned(),
                uid: uid.to_owned(),
            }),
            "job" => Ok(Self::Job {
                name: name.to_owned(),
                uid: uid.to_owned(),
            }),
            "agent" => Ok(Self::Agent {
                pod: name.to_owned(),
                uid: uid.to_owned(),
            }),
            _ => Err(foreign()),
        }
    }
}

/// What matters of a Lease that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseView {
    /// `spec.holderIdentity`.
    pub holder: Option<String>,
    /// `spec.renewTime`.
    pub renewed_at: Option<DateTime<Utc>>,
    /// `spec.leaseDurationSeconds`.
    pub duration_seconds: Option<i32>,
}

impl LeaseView {
    /// When the claim ends unless it is renewed; `None` for one that does not expire.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        let duration = TimeDelta::seconds(i64::from(self.duration_seconds?));
        self.renewed_at?.checked_add_signed(duration)
    }
}

/// What is known of another holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs, or may still run.
    Alive,
    /// It is finished or does not exist: its claim means nothing.
    Gone,
    /// The asker cannot know, an agent for example that may not read backups.
    Unknown,
}

/// What to do with the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No such object: create it with our claim.
    Create,
    /// It is free, or its holder is gone: enter ourselves.
    Take {
        /// Who was evicted, for the Event.
        evicted: Option<String>,
    },
    /// It is ours and should be renewed now.
    Renew,
    /// It is ours; nothing to write.
    Held,
    /// Another one holds it.
    Wait {
        /// Its `holderIdentity`.
        holder: String,
        /// When its claim ends unless renewed; `None`: when it is finished.
        until: Option<DateTime<Utc>>,
    },
}

impl Decision {
    /// True when a command may run without any write to the Lease before.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held | Self::Renew)
    }
}

/// Decides. `liveness` is asked about the claim of a backup or a Job that is not ours only; an agent's claim ends by time
/// alone, since an agent that lost the API server may still be running its command.
pub fn decide(
    existing: Option<&LeaseView>,
    me: &Holder,
    liveness: impl FnOnce(&Holder) -> Liveness,
    now: DateTime<Utc>,
) -> Decision {
    let Some(lease) = existing else {
        return Decision::Create;
    };
    let Some(text) = lease.holder.as_deref().filter(|holder| !holder.is_empty()) else {
        return Decision::Take { evicted: None };
    };
    let until = lease.expires_at();
    let expired = until.is_some_and(|end| end <= now);
    let holder = text.parse::<Holder>();
    if holder.as_ref() == Ok(me) {
        return renew_or_hold(lease, me, now);
    }
    let ended = match &holder {
        Ok(backup @ Holder::Backup { .. }) => liveness(backup) == Liveness::Gone,
        Ok(job @ Holder::Job { .. }) => expired && liveness(job) == Liveness::Gone,
        Ok(Holder::Agent { .. }) | Err(_) => expired,
    };
    if ended {
        Decision::Take {
            evicted: Some(text.to_owned()),
        }
    } else {
        let until = if matches!(holder, Ok(Holder::Backup { .. })) {
            None
        } else {
            until
        };
        Decision::Wait {
            holder: text.to_owned(),
            until,
        }
    }
}

/// A backup's claim needs no renewal; others are renewed after a third of their time.
fn renew_or_hold(lease: &LeaseView, me: &Holder, now: DateTime<Utc>) -> Decision {
    if matches!(me, Holder::Backup { .. }) {
        return Decision::Held;
    }
    let third = TimeDelta::seconds(i64::from(lease.duration_seconds.unwrap_or(0)) / 3);
    match lease.renewed_at.and_then(|at| at.checked_add_signed(third)) {
        Some(due) if now < due => Decision::Held,
        _ => Decision::Renew,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn backup(name: &str) -> Holder {
        Holder::Backup {
            name: name.into(),
            uid: "u1".into(),
        }
    }

    fn agent(pod: &str) -> Holder {
        Holder::Agent {
            pod: pod.into(),
            uid: "u2".into(),
        }
    }

    fn held_by(holder: &Holder) -> LeaseView {
        let expiring = matches!(holder, Holder::Agent { .. });
        LeaseView {
            holder: Some(holder.to_string()),
            renewed_at: Some(at(0)),
            duration_seconds: expiring.then_some(AGENT_LEASE_SECONDS),
        }
    }

    fn never_asked(holder: &Holder) -> Liveness {
        panic!("asked about {holder}")
    }

    #[test]
    fn a_missing_or_released_lease_is_free() {
        assert_eq!(decide(None, &backup("b"), never_asked, at(0)), Decision::Create);
        let released = LeaseView {
            holder: Some(String::new()),
            ..held_by(&backup("a"))
        };
        assert_eq!(
            decide(Some(&released), &backup("b"), never_asked, at(0)),
            Decision::Take { evicted: None }
        );
    }

    #[test]
    fn a_backup_that_holds_it_goes_on_after_a_restart_of_the_controller() {
        assert_eq!(
            decide(Some(&held_by(&backup("b"))), &backup("b"), never_asked, at(9999)),
            Decision::Held
        );
    }

    #[test]
    fn a_backup_of_the_same_name_but_another_uid_is_another_backup() {
        let old = Holder::Backup {
            name: "b".into(),
            uid: "old".into(),
        };
        let decision = decide(Some(&held_by(&old)), &backup("b"), |_| Liveness::Gone, at(0));
        assert_eq!(
            decision,
            Decision::Take {
                evicted: Some("backup/b/old".into())
            }
        );
    }

    #[test]
    fn another_backup_is_waited_for_until_it_is_known_to_be_gone() {
        let lease = held_by(&backup("a"));
        for liveness in [Liveness::Alive, Liveness::Unknown] {
            let decision = decide(Some(&lease), &agent("p"), |_| liveness, at(99_999));
            assert_eq!(
                decision,
                Decision::Wait {
                    holder: "backup/a/u1".into(),
                    until: None
                }
            );
        }
    }

    #[test]
    fn an_agent_is_evicted_by_time_alone() {
        let lease = held_by(&agent("p"));
        assert_eq!(
            decide(Some(&lease), &backup("b"), never_asked, at(119)),
            Decision::Wait {
                holder: "agent/p/u2".into(),
                until: Some(at(120))
            }
        );
        assert_eq!(
            decide(Some(&lease), &backup("b"), never_asked, at(120)),
            Decision::Take {
                evicted: Some("agent/p/u2".into())
            }
        );
    }

    #[test]
    fn a_job_is_evicted_when_its_time_is_over_and_it_does_not_run() {
        let job = Holder::Job {
            name: "j".into(),
            uid: "u3".into(),
        };
        let lease = LeaseView {
            duration_seconds: Some(AGENT_LEASE_SECONDS),
            ..held_by(&job)
        };
        let ask = |liveness, seconds| decide(Some(&lease), &backup("b"), |_| liveness, at(seconds));
        assert!(matches!(ask(Liveness::Gone, 119), Decision::Wait { .. }));
        for running in [Liveness::Alive, Liveness::Unknown] {
            assert!(matches!(ask(running, 9999), Decision::Wait { .. }));
        }
        assert_eq!(
            ask(Liveness::Gone, 120),
            Decision::Take {
                evicted: Some("job/j/u3".into())
            }
        );
    }

    #[test]
    fn an_agent_renews_after_a_third_of_its_time() {
        let lease = held_by(&agent("p"));
        assert_eq!(
            decide(Some(&lease), &agent("p"), never_asked, at(39)),
            Decision::Held
        );
        assert_eq!(
            decide(Some(&lease), &agent("p"), never_asked, at(40)),
            Decision::Renew
        );
    }

    #[test]
    fn a_holder_that_nobody_knows_is_waited_for_while_it_does_not_expire() {
        let lease = LeaseView {
            holder: Some("somebody".into()),
            ..LeaseView::default()
        };
        assert_eq!(
            decide(Some(&lease), &backup("b"), never_asked, at(0)),
            Decision::Wait {
                holder: "somebody".into(),
                until: None
            }
        );
    }

    #[test]
    fn holders_keep_their_text_form() {
        let job = Holder::Job {
            name: "c-repo1-expire-1".into(),
            uid: "u3".into(),
        };
        for holder in [backup("daily"), agent("c-a-0"), job] {
            assert_eq!(holder.to_string().parse(), Ok(holder));
        }
        assert_eq!(
            "backup/x".parse::<Holder>(),
            Err(ForeignHolder("backup/x".into()))
        );
        assert_eq!(name("c", "repo1"), "c-repo1-pgbackrest");
    }
}

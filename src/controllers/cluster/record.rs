//! What was applied last, so that it is not applied again, and not even built.
//!
//! A cluster's objects follow from inputs: its specification, what the user's files say, what exists. While those are the same,
//! and every object still holds what was applied (`fleet::traces`), there is nothing to write. A line that says so is kept on an
//! object of the cluster: a controller that was restarted finds a thousand clusters in order without a write. Losing it, or
//! anything that does not fit, costs one more apply.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::dereference::Observed;
use super::validated::ValidatedCluster;
use crate::controllers::fleet::Fingerprint;

/// Certificates are looked at again after this time at the latest, and after half of it at the earliest: not all clusters at once.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// The line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Of the inputs, and of the objects as they were when all was applied.
    state: String,
    /// Of the document that the agents are to apply.
    pub revision: String,
    /// Until when it holds.
    until: DateTime<Utc>,
}

impl Record {
    /// Everything was applied: these inputs, these objects.
    pub fn new(inputs: Fingerprint, objects: Fingerprint, revision: &str, now: DateTime<Utc>) -> Self {
        let half = LONGEST / 2;
        let spread = inputs.spread(u64::try_from(half.num_seconds()).unwrap_or(1));
        Self {
            state: state(inputs, objects),
            revision: revision.to_owned(),
            until: now + half + TimeDelta::seconds(i64::try_from(spread).unwrap_or(0)),
        }
    }

    /// Reads a line.
    pub fn read(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let (state, revision, until) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            state: state.to_owned(),
            revision: revision.to_owned(),
            until: DateTime::from_timestamp(until.parse().ok()?, 0)?,
        })
    }

    /// Whether these inputs have been applied, to these objects.
    pub fn holds(&self, inputs: Fingerprint, objects: Fingerprint, now: DateTime<Utc>) -> bool {
        // A clock that was set back far says nothing about certificates.
        self.state == state(inputs, objects) && now < self.until && self.until - now <= LONGEST
    }

    /// When it ends to hold.
    pub fn until(&self) -> DateTime<Utc> {
        self.until
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.state, self.revision, self.until.timestamp())
    }
}

fn state(inputs: Fingerprint, objects: Fingerprint) -> String {
    format!("{inputs}{objects}")
}

/// All that the objects of a cluster follow from, but for what is kept in the objects themselves. `build`: which operator this is.
/// `address`: of the Service in front of the leader.
pub fn inputs(
    build: &str,
    cluster: &ValidatedCluster,
    observed: &Observed,
    address: Option<&str>,
) -> Fingerprint {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    };
    add(build.as_bytes());
    add(cluster.uid.as_bytes());
    let names = &cluster.names;
    for part in [&names.namespace, &names.cluster, &names.dns_suffix] {
        add(part.as_bytes());
    }
    add(&serde_json::to_vec(&observed.cluster.spec).unwrap_or_default());
    add(format!("{:?}", cluster.images).as_bytes());
    for instance in &cluster.instances {
        add(instance.name.as_bytes());
        add(&[u8::from(instance.running), u8::from(instance.led_last)]);
    }
    add(format!("{:?}", cluster.stopped).as_bytes());
    for (source, data) in &observed.sources {
        add(source.describe().as_bytes());
        for (name, value) in &**data {
            add(name.as_bytes());
            add(value);
        }
    }
    if let Some(backups) = &cluster.backups {
        for cleared in &backups.cleared {
            add(cleared.as_bytes());
        }
        for volume in &backups.volumes {
            add(volume.claim.as_bytes());
        }
        add(&[u8::from(backups.repo_host.running)]);
    }
    add(address.unwrap_or_default().as_bytes());
    Fingerprint::from_hash(hash)
}

/// One object as it was applied last: what was sent, and which fields were ours then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub content: Fingerprint,
    pub fields: Fingerprint,
}

/// What this process has applied itself: of a cluster that changes, only the objects are sent that change.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, HashMap<Fingerprint, Sent>>>);

impl Memory {
    /// How an object of a cluster was applied last.
    pub fn get(&self, uid: &str, object: Fingerprint) -> Option<Sent> {
        self.lock().get(uid)?.get(&object).copied()
    }

    /// Remembers it.
    pub fn keep(&self, uid: &str, object: Fingerprint, sent: Sent) {
        self.lock()
            .entry(uid.to_owned())
            .or_default()
            .insert(object, sent);
    }

    /// Forgets a cluster.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<Fingerprint, Sent>>> {
        // A panic elsewhere leaves it as whole as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 3600 * hours, 0).unwrap()
    }

    fn of(text: &str) -> Fingerprint {
        Fingerprint::of(text.as_bytes())
    }

    #[test]
    fn a_record_holds_for_the_same_inputs_and_objects_and_for_a_day_at_most() {
        let record = Record::new(of("inputs"), of("objects"), "r1", at(0));
        let read = Record::read(&record.to_string()).unwrap();
        assert_eq!(read, record);
        assert!(read.holds(of("inputs"), of("objects"), at(1)));
        assert!(!read.holds(of("other"), of("objects"), at(1)));
        assert!(!read.holds(of("inputs"), of("other"), at(1)));
        assert!(read.holds(of("inputs"), of("objects"), at(11)));
        assert!(!read.holds(of("inputs"), of("objects"), at(25)));
        assert!(!read.holds(of("inputs"), of("objects"), at(-48)));
    }

    #[test]
    fn clusters_end_to_hold_at_times_of_their_own() {
        let until = |name: &str| Record::new(of(name), of("objects"), "r", at(0)).until();
        let all: std::collections::BTreeSet<_> = ["a", "b", "c", "d"].map(until).into();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|until| (at(12)..at(24)).contains(until)));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for line in ["", "x", "x y", "x y z", "x y 99999999999999999999"] {
            assert_eq!(Record::read(line), None, "{line}");
        }
    }
}

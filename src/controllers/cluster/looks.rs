//! The latest look at each repository, and when the next is due. Derived state only: after a restart everything is looked at again.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::repositories::{Content, Look, Trouble};
use crate::api::Reason;

/// While a repository is not well it is looked at this often, where there are few of them.
const UNHEALTHY_EVERY: TimeDelta = TimeDelta::seconds(20);
/// Where there are many, all of them together are looked at no oftener than this: a store that is away must not keep the
/// operator busy, however many clusters have their repositories there.
const UNHEALTHY_PACE: TimeDelta = TimeDelta::milliseconds(500);
/// A repository is looked at this often in any case.
const UNHEALTHY_AT_LEAST: TimeDelta = TimeDelta::minutes(10);
/// And while it is well, this often.
const HEALTHY_EVERY: TimeDelta = TimeDelta::minutes(5);
/// A look that is being taken has ended by then, and the next one counts from its end.
const TAKES: TimeDelta = TimeDelta::seconds(10);
/// Pauses are longer by up to one part in so many: those that were looked at together are not looked at together again.
const SPREAD: i32 = 8;

/// Where a look came from: another cluster object, repository or set of options gives another key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// UID of the cluster.
    pub cluster: String,
    /// `repo1` to `repo4`.
    pub repo: String,
    /// Hash over everything the access depends on.
    pub access: String,
}

impl Key {
    fn place(&self) -> (String, String) {
        (self.cluster.clone(), self.repo.clone())
    }
}

/// Latest looks.
#[derive(Debug, Default)]
pub struct Looks {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// By uid of the cluster and name of the repository: with a hash over what the access depended on.
    looks: HashMap<(String, String), (String, Look)>,
    /// Those that are being taken.
    begun: HashSet<Key>,
    /// How many of the looks found trouble.
    unhealthy: i32,
}

/// A look that is being taken; only one at a time of one repository.
#[derive(Debug)]
pub struct Begun {
    known: Arc<Mutex<Known>>,
    key: Key,
}

impl Looks {
    /// The latest look at a repository of a cluster, whatever its options were.
    #[must_use]
    pub fn known(&self, cluster: &str, repo: &str) -> Option<Look> {
        let known = lock(&self.known);
        let (_, look) = known.looks.get(&(cluster.to_owned(), repo.to_owned()))?;
        Some(look.clone())
    }

    /// The latest look, however old.
    #[must_use]
    pub fn latest(&self, key: &Key) -> Option<Look> {
        let known = lock(&self.known);
        let (access, look) = known.looks.get(&key.place())?;
        (*access == key.access).then(|| look.clone())
    }

    /// Whether a look is too old at `now`.
    #[must_use]
    pub fn is_due(&self, key: &Key, look: &Look, now: DateTime<Utc>) -> bool {
        now >= look.at + self.pause(key, look)
    }

    /// When the next look is to be taken, where the latest is this one and those that are due are being taken.
    #[must_use]
    pub fn next(&self, key: &Key, look: &Look, now: DateTime<Utc>) -> DateTime<Utc> {
        let pause = self.pause(key, look);
        if look.at + pause > now {
            look.at + pause
        } else {
            now + pause + TAKES
        }
    }

    /// Begins a look, unless one is being taken.
    #[must_use]
    pub fn begin(&self, key: Key) -> Option<Begun> {
        lock(&self.known).begun.insert(key.clone()).then(|| Begun {
            known: self.known.clone(),
            key,
        })
    }

    /// Has the next look at every repository of a cluster taken anew.
    pub fn forget(&self, cluster: &str) {
        let mut known = lock(&self.known);
        let mut gone = 0;
        known.looks.retain(|(of, _), (_, look)| {
            gone += i32::from(of == cluster && look.found.is_err());
            of != cluster
        });
        known.unhealthy -= gone;
    }

    fn pause(&self, key: &Key, look: &Look) -> TimeDelta {
        let pause = if look.found.is_ok() {
            HEALTHY_EVERY
        } else {
            let unhealthy = lock(&self.known).unhealthy;
            (UNHEALTHY_PACE * unhealthy).clamp(UNHEALTHY_EVERY, UNHEALTHY_AT_LEAST)
        };
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let part = i32::try_from(hasher.finish() % 100).unwrap_or(0);
        pause + pause / SPREAD * part / 100
    }
}

impl Begun {
    /// Keeps the look, instead of one with other options of the same repository. True when it found something else than the
    /// one before.
    pub fn keep(self, look: &Look) -> bool {
        let mut known = lock(&self.known);
        known.unhealthy += i32::from(look.found.is_err());
        let place = self.key.place();
        let mut look = look.clone();
        let same = |(access, _): &&(String, Look)| *access == self.key.access;
        if let Some((_, before)) = known.looks.get(&place).filter(same) {
            look.found = unless_as_before(look.found, &before.found);
        }
        let found = look.found.clone();
        let Some((access, before)) = known.looks.insert(place, (self.key.access.clone(), look)) else {
            return true;
        };
        known.unhealthy -= i32::from(before.found.is_err());
        access != self.key.access || before.found != found
    }
}

/// How a store cannot be reached differs from try to try (no answer, no route, refused), and is no news: a status would be
/// written for each of them, of every cluster that has its backups there.
fn unless_as_before(
    found: Result<Content, Trouble>,
    before: &Result<Content, Trouble>,
) -> Result<Content, Trouble> {
    let is_unreachable = |trouble: &Trouble| trouble.reason == Reason::EndpointUnreachable;
    match (&found, before) {
        (Err(now), Err(earlier)) if is_unreachable(now) && is_unreachable(earlier) => Err(earlier.clone()),
        _ => found,
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        lock(&self.known).begun.remove(&self.key);
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    // A panic elsewhere leaves it as whole as it was: every change is a single one.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::cluster::repositories::tests::{at, holds, refused};

    fn key(cluster: &str, access: &str) -> Key {
        Key {
            cluster: cluster.to_owned(),
            repo: "repo1".to_owned(),
            access: access.to_owned(),
        }
    }

    fn take(looks: &Looks, key: Key, look: &Look) -> bool {
        looks.begin(key).unwrap().keep(look)
    }

    #[test]
    fn how_a_store_cannot_be_reached_is_no_news_and_whether_it_can_is() {
        let looks = Looks::default();
        let key = |access: &str| Key {
            cluster: "u".to_owned(),
            repo: "repo1".to_owned(),
            access: access.to_owned(),
        };
        let unreachable = |how: &str| {
            let mut look = refused();
            look.found = Err(Trouble {
                reason: Reason::EndpointUnreachable,
                message: how.to_owned(),
                what: how.to_owned(),
            });
            look
        };
        let keep = |access: &str, look: &Look| looks.begin(key(access)).unwrap().keep(look);
        assert!(keep("a", &unreachable("timed out")));
        assert!(!keep("a", &unreachable("no route")));
        assert_eq!(looks.latest(&key("a")), Some(unreachable("timed out")));
        assert!(keep("a", &refused()));
        assert!(keep("a", &unreachable("no route")));
        assert!(keep("b", &unreachable("timed out")), "another address");
    }

    #[test]
    fn a_look_is_good_for_long_only_when_all_is_well() {
        let looks = Looks::default();
        let is_due = |access: &str, second| {
            let key = key("u", access);
            let look = looks.latest(&key);
            look.is_none_or(|look| looks.is_due(&key, &look, at(second)))
        };
        assert!(take(&looks, key("u", "a"), &holds(None)));
        assert!(!is_due("a", 299) && is_due("a", 340));
        assert!(is_due("b", 1));
        assert!(take(&looks, key("u", "b"), &refused()));
        assert!(is_due("a", 1), "the options are others now");
        assert!(!is_due("b", 19) && is_due("b", 23));
        assert!(!take(&looks, key("u", "b"), &refused()), "no news");
        looks.forget("u");
        assert!(is_due("b", 0));
    }

    #[test]
    fn many_repositories_that_are_not_well_are_looked_at_less_often_each() {
        let looks = Looks::default();
        for cluster in 0..1000 {
            take(&looks, key(&cluster.to_string(), "a"), &refused());
        }
        let key = key("7", "a");
        let look = looks.latest(&key).unwrap();
        assert!(!looks.is_due(&key, &look, at(499)) && looks.is_due(&key, &look, at(570)));
        let next = looks.next(&key, &look, at(10));
        assert!(next >= at(500) && next <= at(570));
        assert!(looks.next(&key, &look, at(600)) >= at(1110));
        for cluster in 10..1000 {
            looks.forget(&cluster.to_string());
        }
        assert!(looks.is_due(&key, &look, at(23)));
    }

    #[test]
    fn the_latest_look_is_known_to_those_who_do_not_know_the_options() {
        let looks = Looks::default();
        take(&looks, key("u", "a"), &holds(None));
        take(&looks, key("u", "b"), &refused());
        assert_eq!(looks.known("u", "repo1"), Some(refused()));
        assert_eq!(looks.known("u", "repo2"), None);
    }

    #[test]
    fn one_repository_is_looked_at_once_at_a_time() {
        let looks = Looks::default();
        let begun = looks.begin(key("u", "a")).unwrap();
        assert!(looks.begin(key("u", "a")).is_none());
        drop(begun);
        assert!(looks.begin(key("u", "a")).is_some());
    }
}

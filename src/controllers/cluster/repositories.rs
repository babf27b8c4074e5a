//! What is known of each repository, and what follows from it. Pure but for the cache, which holds derived state only:
//! after a restart everything is looked up again.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::Reason;

/// While a repository is not well it is looked at this often.
const UNHEALTHY_EVERY: TimeDelta = TimeDelta::seconds(20);
/// And while it is well, this often.
const HEALTHY_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What one look at a repository showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// What is in it, or why that cannot be told.
    pub found: Result<Content, Trouble>,
}

/// What a repository holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// System identifier of the stanza's newest database; nothing when there is no stanza.
    pub system_identifier: Option<String>,
    /// How many backups it holds.
    pub backups: usize,
}

/// Why a repository cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Public word.
    pub reason: Reason,
    /// What exactly; names no secret.
    pub message: String,
}

/// A repository as status and stanza creation see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `repo1` to `repo4`.
    pub repo: String,
    /// The stanza may be created in it, or is there and ours.
    pub cleared: bool,
    /// The stanza is there and ours.
    pub stanza: bool,
    /// It holds no backup.
    pub empty: bool,
    /// What is to be said of it.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
}

/// Decides about one repository. `own` is the system identifier of this cluster's database, once it is known.
#[must_use]
pub fn judge(repo: &str, look: Option<&Look>, own: Option<&str>) -> Verdict {
    let verdict = |cleared, stanza, empty, reason, message: String| Verdict {
        repo: repo.to_owned(),
        cleared,
        stanza,
        empty,
        reason,
        message,
    };
    let Some(look) = look else {
        return verdict(
            false,
            false,
            false,
            Reason::InProgress,
            format!("{repo} is being looked at"),
        );
    };
    match &look.found {
        Err(trouble) => verdict(false, false, false, trouble.reason, trouble.message.clone()),
        Ok(content) => match (&content.system_identifier, own) {
            (None, _) => verdict(
                true,
                false,
                content.backups == 0,
                Reason::StanzaMissing,
                format!("{repo} can be reached and holds no stanza yet"),
            ),
            (Some(theirs), Some(own)) if theirs == own => verdict(
                true,
                true,
                content.backups == 0,
                Reason::AsSpecified,
                format!("{repo} can be reached and belongs to this cluster"),
            ),
            (Some(theirs), Some(own)) => verdict(
                false,
                false,
                false,
                Reason::SystemIdentifierMismatch,
                format!(
                    "{repo} belongs to the database with system identifier {theirs}; this cluster's is {own}. \
                     Nothing is written to it. Give this cluster a path (repoN-path) or bucket of its own, restore \
                     from that repository if those are the data you want, or remove the old repository yourself"
                ),
            ),
            (Some(_), None) => verdict(
                false,
                false,
                false,
                Reason::InProgress,
                format!("{repo} holds a stanza; whose it is can be told once the database runs"),
            ),
        },
    }
}

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

/// Latest looks.
#[derive(Debug, Default)]
pub struct Looks {
    looks: Mutex<HashMap<Key, Look>>,
}

impl Looks {
    /// The look that is still good at `now`, if there is one.
    pub fn fresh(&self, key: &Key, now: DateTime<Utc>) -> Option<Look> {
        self.with(|looks| looks.get(key).filter(|look| now < due(look)).cloned())
    }

    /// Keeps a look, and forgets those of other options of the same repository.
    pub fn keep(&self, key: Key, look: Look) {
        self.with(|looks| {
            looks.retain(|other, _| other.cluster != key.cluster || other.repo != key.repo);
            looks.insert(key, look);
        });
    }

    /// Has the next look at every repository of a cluster taken anew.
    pub fn forget(&self, cluster: &str) {
        self.with(|looks| looks.retain(|key, _| key.cluster != cluster));
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Key, Look>) -> T) -> T {
        // A panic elsewhere leaves the map as whole as it was: every change is a single one.
        act(&mut self
            .looks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// When a repository is to be looked at again.
#[must_use]
pub fn due(look: &Look) -> DateTime<Utc> {
    look.at
        + if look.found.is_ok() {
            HEALTHY_EVERY
        } else {
            UNHEALTHY_EVERY
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn holds(system_identifier: Option<&str>) -> Look {
        let content = Content {
            system_identifier: system_identifier.map(str::to_owned),
            backups: 1,
        };
        Look {
            at: at(0),
            found: Ok(content),
        }
    }

    fn refused() -> Look {
        let trouble = Trouble {
            reason: Reason::CredentialsRefused,
            message: "403".to_owned(),
        };
        Look {
            at: at(0),
            found: Err(trouble),
        }
    }

    #[test]
    fn only_an_empty_repository_or_ones_own_may_be_given_a_stanza() {
        let cleared = |look: Option<&Look>, own| judge("repo1", look, own).cleared;
        assert!(cleared(Some(&holds(None)), None));
        assert!(cleared(Some(&holds(Some("7"))), Some("7")));
        assert!(!cleared(Some(&holds(Some("7"))), Some("8")));
        assert!(!cleared(Some(&holds(Some("7"))), None));
        assert!(!cleared(Some(&refused()), Some("7")));
        assert!(!cleared(None, Some("7")));
    }

    #[test]
    fn a_foreign_repository_is_named_with_both_identifiers_and_the_ways_out() {
        let verdict = judge("repo2", Some(&holds(Some("77"))), Some("88"));
        assert_eq!(verdict.reason, Reason::SystemIdentifierMismatch);
        for word in ["repo2", "77", "88", "restore", "path"] {
            assert!(verdict.message.contains(word), "{word}");
        }
    }

    #[test]
    fn a_look_is_good_for_long_only_when_all_is_well() {
        let looks = Looks::default();
        let key = |access: &str| Key {
            cluster: "u".to_owned(),
            repo: "repo1".to_owned(),
            access: access.to_owned(),
        };
        looks.keep(key("a"), holds(None));
        assert!(looks.fresh(&key("a"), at(299)).is_some());
        assert!(looks.fresh(&key("a"), at(300)).is_none());
        assert!(looks.fresh(&key("b"), at(1)).is_none());
        looks.keep(key("b"), refused());
        assert!(looks.fresh(&key("a"), at(1)).is_none());
        assert!(looks.fresh(&key("b"), at(19)).is_some());
        assert!(looks.fresh(&key("b"), at(20)).is_none());
        looks.keep(key("b"), holds(None));
        looks.forget("u");
        assert!(looks.fresh(&key("b"), at(0)).is_none());
    }
}

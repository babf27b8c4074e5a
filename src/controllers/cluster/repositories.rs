//! What a look at a repository showed, and what follows from it. Pure.

use chrono::{DateTime, Utc};

use crate::api::Reason;

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
    /// The stanza's newest database; nothing when there is no stanza.
    pub database: Option<Database>,
    /// How many backups it holds.
    pub backups: usize,
}

/// Whose backups and WAL a repository holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Its system identifier.
    pub system_identifier: String,
    /// Major version of PostgreSQL, `18`.
    pub version: String,
}

/// Why a repository cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Public word.
    pub reason: Reason,
    /// What exactly, with the name of the repository, what it means and what to do; names no secret.
    pub message: String,
    /// What exactly, and no more.
    pub what: String,
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
    /// The stanza's newest database, ours or not.
    pub database: Option<Database>,
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
        database: look
            .and_then(|look| look.found.as_ref().ok())
            .and_then(|content| content.database.clone()),
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
        Ok(content) => match (
            content
                .database
                .as_ref()
                .map(|database| &database.system_identifier),
            own,
        ) {
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
                content.backups == 0,
                Reason::InProgress,
                format!("{repo} holds a stanza; whose it is can be told once the database runs"),
            ),
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    pub fn holds(system_identifier: Option<&str>) -> Look {
        let content = Content {
            database: system_identifier.map(|system_identifier| Database {
                system_identifier: system_identifier.to_owned(),
                version: "18".to_owned(),
            }),
            backups: 1,
        };
        Look {
            at: at(0),
            found: Ok(content),
        }
    }

    pub fn refused() -> Look {
        let trouble = Trouble {
            reason: Reason::CredentialsRefused,
            message: "repo1: 403".to_owned(),
            what: "403".to_owned(),
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
}

//! Which of several repositories a restore takes, where the user names none.

use std::fmt;

use super::choose::Choice;
use super::refusal::Refusal;
use super::target::{Stop, Target};

/// What one repository has to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// `repo1` to `repo4`.
    pub repository: &'a str,
    /// What it would serve the target with.
    pub found: Result<Choice, Refusal>,
    /// Bytes that a restore of that backup reads from it.
    pub bytes: u64,
}

/// Why a repository was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No other serves the target.
    Only,
    /// It goes further.
    Furthest,
    /// Its backup is the nearest to the target: the least WAL is replayed.
    Nearest,
    /// The least is read from it.
    Smallest,
    /// It is as good as others, and comes first.
    First,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Only => "no other repository serves the target",
            Self::Furthest => "it reaches further than the others",
            Self::Nearest => "its backup is the nearest to the target, so the least WAL is replayed",
            Self::Smallest => "the least has to be read from it",
            Self::First => "it is as good as the others, and the first of them",
        })
    }
}

/// Takes the best of those that serve the target. Nothing: none does.
#[must_use]
pub fn best<'a>(offers: &[Offer<'a>], target: &Target) -> Option<(&'a str, Why)> {
    let serve: Vec<(&Offer<'a>, &Choice)> = offers
        .iter()
        .filter_map(|offer| Some((offer, offer.found.as_ref().ok()?)))
        .collect();
    let [(only, _)] = serve.as_slice() else {
        return best_of(serve, target);
    };
    Some((only.repository, Why::Only))
}

fn best_of<'a>(mut left: Vec<(&Offer<'a>, &Choice)>, target: &Target) -> Option<(&'a str, Why)> {
    if target.stop == Stop::Latest {
        let furthest = left.iter().map(|(_, choice)| choice.latest).max()?;
        left.retain(|(_, choice)| choice.latest == furthest);
        if let [(one, _)] = left.as_slice() {
            return Some((one.repository, Why::Furthest));
        }
    }
    let nearest = left.iter().map(|(_, choice)| choice.stopped).max()?;
    left.retain(|(_, choice)| choice.stopped == nearest);
    if let [(one, _)] = left.as_slice() {
        return Some((one.repository, Why::Nearest));
    }
    let smallest = left.iter().map(|(offer, _)| offer.bytes).min()?;
    left.retain(|(offer, _)| offer.bytes == smallest);
    match left.as_slice() {
        [(one, _)] => Some((one.repository, Why::Smallest)),
        [(first, _), ..] => Some((first.repository, Why::First)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_219_200, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn offer(repository: &str, stopped: i64, latest: i64, bytes: u64) -> Offer<'_> {
        Offer {
            repository,
            found: Ok(Choice {
                backup: "20261121-013455F".parse().unwrap(),
                timeline: 1,
                first_segment: None,
                last_segment: "000000010000000000000007".parse().unwrap(),
                stopped: at(stopped),
                latest: Some(at(latest)),
                position: None,
                passes_through: false,
                by_position: None,
                certain: true,
            }),
            bytes,
        }
    }

    fn none(repository: &str) -> Offer<'_> {
        Offer {
            repository,
            found: Err(Refusal::NoBackup),
            bytes: 0,
        }
    }

    #[test]
    fn a_repository_is_taken_for_a_reason() {
        let time = Target::of(Stop::Time(at(50)));
        let offers = [none("repo1"), offer("repo2", 10, 60, 5)];
        assert_eq!(best(&offers, &time), Some(("repo2", Why::Only)));
        let offers = [offer("repo1", 10, 90, 5), offer("repo2", 40, 60, 9)];
        assert_eq!(best(&offers, &time), Some(("repo2", Why::Nearest)));
        assert_eq!(best(&offers, &Target::default()), Some(("repo1", Why::Furthest)));
        let offers = [offer("repo1", 10, 60, 9), offer("repo2", 10, 60, 5)];
        assert_eq!(best(&offers, &time), Some(("repo2", Why::Smallest)));
        let offers = [offer("repo1", 10, 60, 5), offer("repo2", 10, 60, 5)];
        assert_eq!(best(&offers, &time), Some(("repo1", Why::First)));
        assert_eq!(best(&[none("repo1")], &time), None);
        assert_eq!(best(&[], &time), None);
    }
}

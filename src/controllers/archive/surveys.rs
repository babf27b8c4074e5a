//! What is known of each repository between two reconciles: the last good picture, and the last trouble.
//!
//! All of it can be had again from the repository. Looks at one repository never overlap; those at others do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::Reason;
use crate::pgbackrest::access::RepositoryAccess;
use crate::pgbackrest::check::Problem;
use crate::pgbackrest::repository::Repository;
use crate::survey::{KnownRepository, Picture, Terms};

/// A repository is looked at this often.
pub const EVERY: TimeDelta = TimeDelta::seconds(30);
/// One look may take this long; the first one at an archive of a million segments takes minutes. The next one goes on
/// where it was stopped.
const PATIENCE: Duration = Duration::from_mins(5);

/// Why a repository could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub reason: Reason,
    pub message: String,
}

/// What the last looks at a repository came to.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// The last picture that could be had.
    pub picture: Option<Arc<Picture>>,
    /// Why the last look failed, if it did.
    pub trouble: Option<Trouble>,
}

/// What is known of one repository.
#[derive(Debug, Default)]
struct Surveyed {
    news: News,
    looked_at: Option<DateTime<Utc>>,
    known: KnownRepository,
    destination: String,
}

impl Surveyed {
    fn is_due(&self, now: DateTime<Utc>, changed: Option<DateTime<Utc>>) -> bool {
        let Some(looked_at) = self.looked_at else {
            return true;
        };
        now - looked_at >= EVERY || looked_at > now || changed.is_some_and(|changed| changed >= looked_at)
    }

    async fn look(&mut self, access: &RepositoryAccess, terms: &Terms) {
        let look = async {
            let repository = Repository::open(access)
                .await
                .map_err(|error| Problem::from(&error))?;
            self.known
                .look(&repository, terms)
                .await
                .map_err(|error| Problem::from(&error))
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(picture)) => {
                self.news = News {
                    picture: Some(Arc::new(picture)),
                    trouble: None,
                };
            }
            Ok(Err(problem)) => {
                self.news.trouble = Some(Trouble {
                    reason: problem.reason(),
                    message: problem.what,
                });
            }
            Err(_) => {
                let message = format!("reading it took longer than {} s", PATIENCE.as_secs());
                self.news.trouble = Some(Trouble {
                    reason: Reason::StoreThrottled,
                    message,
                });
            }
        }
    }
}

type Slot = Arc<tokio::sync::Mutex<Surveyed>>;

/// What is known of all repositories, by UID of the cluster and name of the repository.
#[derive(Debug, Default)]
pub struct Surveys {
    slots: Mutex<HashMap<(String, String), Slot>>,
}

impl Surveys {
    /// Looks at a repository if that is due, and gives what is known of it. `changed`: when it is known to have been
    /// written to last.
    pub async fn survey(
        &self,
        cluster: &str,
        repo: &str,
        access: &RepositoryAccess,
        terms: &Terms,
        changed: Option<DateTime<Utc>>,
    ) -> News {
        let slot = self.slot(cluster, repo);
        let mut surveyed = slot.lock().await;
        let destination = access.destination();
        // Another place is another repository.
        if surveyed.destination != destination {
            *surveyed = Surveyed {
                destination,
                ..Surveyed::default()
            };
        }
        if surveyed.is_due(terms.now, changed) {
            Box::pin(surveyed.look(access, terms)).await;
            surveyed.looked_at = Some(terms.now);
        }
        surveyed.news.clone()
    }

    /// Forgets a cluster that is gone.
    pub fn forget(&self, cluster: &str) {
        self.with(|slots| slots.retain(|(uid, _), _| uid != cluster));
    }

    fn slot(&self, cluster: &str, repo: &str) -> Slot {
        let key = (cluster.to_owned(), repo.to_owned());
        self.with(|slots| slots.entry(key).or_default().clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<(String, String), Slot>) -> T) -> T {
        act(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_look_is_due_at_first_then_now_and_then_and_when_something_was_written() {
        let mut surveyed = Surveyed::default();
        assert!(surveyed.is_due(at(0), None));
        surveyed.looked_at = Some(at(0));
        assert!(!surveyed.is_due(at(29), None));
        assert!(surveyed.is_due(at(30), None));
        assert!(surveyed.is_due(at(1), Some(at(0))));
        assert!(!surveyed.is_due(at(1), Some(at(-1))));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_up_no_look() {
        let surveyed = Surveyed {
            looked_at: Some(at(3600)),
            ..Surveyed::default()
        };
        assert!(surveyed.is_due(at(0), None));
    }
}

//! What is known of each repository between two reconciles: the last good picture, and the last trouble.
//!
//! All of it can be had again from the repository; the catalog spares that after a restart, and is never waited for.
//! Looks at one repository never overlap; those at others do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::Reason;
use crate::catalog::{Catalog, RepositoryPlace, RepositoryRecord};
use crate::pgbackrest::access::RepositoryAccess;
use crate::pgbackrest::check::Problem;
use crate::pgbackrest::repository::{Repository, RepositoryError};
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
    /// Where the repository is, as in `status.destination`.
    pub destination: String,
    /// The picture was taken just now, after whoever asks had read the objects of backups.
    pub fresh: bool,
}

/// What is known of one repository.
#[derive(Debug, Default)]
struct Surveyed {
    news: News,
    looked_at: Option<DateTime<Utc>>,
    known: KnownRepository,
    record: RepositoryRecord,
    destination: String,
}

impl Surveyed {
    fn is_due(&self, now: DateTime<Utc>, changed: Option<DateTime<Utc>>) -> bool {
        let Some(looked_at) = self.looked_at else {
            return true;
        };
        now - looked_at >= EVERY || looked_at > now || changed.is_some_and(|changed| changed >= looked_at)
    }

    /// What the catalog kept of the repository, from before this process.
    async fn remember(&mut self, catalog: &Catalog, place: &RepositoryPlace) {
        match catalog.load(place).await {
            Ok(Some(record)) => {
                self.known = record.known.clone();
                self.news.picture = record.picture.clone().map(Arc::new);
                self.record = record;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%place, %error, "the catalog is not read: the repository is listed as a whole");
            }
        }
    }

    async fn look(&mut self, access: &RepositoryAccess, terms: &Terms) {
        let look = async {
            let repository = Repository::open(access).await?;
            self.known.look(&repository, terms).await
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(picture)) => {
                self.record.looked(&self.known, &picture);
                self.news.picture = Some(Arc::new(picture));
                self.news.trouble = None;
            }
            Ok(Err(error)) => self.failed(&error, terms.now),
            Err(_) => {
                let message = format!("reading it took longer than {} s", PATIENCE.as_secs());
                self.news.trouble = Some(Trouble {
                    reason: Reason::StoreThrottled,
                    message,
                });
            }
        }
    }

    fn failed(&mut self, error: &RepositoryError, now: DateTime<Utc>) {
        self.record.failed(&self.known, error, now);
        let problem = Problem::from(error);
        self.news.trouble = Some(Trouble {
            reason: problem.reason(),
            message: problem.what,
        });
    }
}

type Slot = Arc<tokio::sync::Mutex<Surveyed>>;

/// What is known of all repositories, by UID of the cluster and name of the repository.
pub struct Surveys {
    catalog: Catalog,
    slots: Mutex<HashMap<(String, String), Slot>>,
}

impl Surveys {
    /// With nothing known but what the catalog keeps.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            slots: Mutex::default(),
        }
    }

    /// Looks at a repository if that is due, and gives what is known of it. `changed`: when it is known to have been
    /// written to last.
    pub async fn survey(
        &self,
        uid: &str,
        place: &RepositoryPlace,
        access: &RepositoryAccess,
        terms: &Terms,
        changed: Option<DateTime<Utc>>,
    ) -> News {
        let slot = self.slot(uid, &place.repository);
        let mut surveyed = slot.lock().await;
        // Another place is another repository.
        if surveyed.destination != place.location {
            *surveyed = Surveyed {
                destination: place.location.clone(),
                ..Surveyed::default()
            };
            surveyed.remember(&self.catalog, place).await;
        }
        let due = surveyed.is_due(terms.now, changed);
        if due {
            Box::pin(surveyed.look(access, terms)).await;
            surveyed.looked_at = Some(terms.now);
            if let Err(error) = self.catalog.save(place, &surveyed.record, terms.now).await {
                tracing::debug!(%place, %error, "the catalog does not keep what was read");
            }
        }
        News {
            destination: surveyed.destination.clone(),
            fresh: due,
            ..surveyed.news.clone()
        }
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

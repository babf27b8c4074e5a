//! What is known of each repository between two reconciles: the last good picture, and the last trouble.
//!
//! All of it can be had again from the repository; the catalog spares that after a restart, and is never waited for.
//! Looks at one repository never overlap; those at others do.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::status::lag;
use crate::agent::report::LastWrite;
use crate::api::Reason;
use crate::catalog::{Catalog, RepositoryPlace, RepositoryRecord};
use crate::pgbackrest::access::RepositoryAccess;
use crate::pgbackrest::check::Problem;
use crate::pgbackrest::repository::{Repository, RepositoryError};
use crate::survey::{KnownRepository, Picture, Terms};

/// A repository that WAL goes to is looked at this often.
const EVERY: TimeDelta = TimeDelta::seconds(30);
/// One that nothing new is known to go to, this often: it may be changed by hand, and that has to be told within two minutes.
const QUIET: TimeDelta = TimeDelta::seconds(60);
/// All of them together are looked at no oftener than this: a fleet costs no more than so much.
const PACE: TimeDelta = TimeDelta::milliseconds(50);
/// And those that cannot be read, no oftener than this.
const TROUBLED_PACE: TimeDelta = TimeDelta::milliseconds(250);
/// A repository is looked at this often in any case.
const AT_LEAST: TimeDelta = TimeDelta::minutes(10);
/// One look may take this long; the first one at an archive of a million segments takes minutes. The next one goes on
/// where it was stopped.
const PATIENCE: Duration = Duration::from_mins(5);

/// Why a repository could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Public word.
    pub reason: Reason,
    /// What was found.
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
    /// When to look again, where nothing happens before.
    pub again: Option<DateTime<Utc>>,
}

impl News {
    /// There is no stanza yet, and nothing is known from before.
    #[must_use]
    pub fn awaits_stanza(&self) -> bool {
        let missing = |trouble: &Trouble| trouble.reason == Reason::StanzaMissing;
        self.picture.is_none() && self.trouble.as_ref().is_some_and(missing)
    }
}

/// What is known to have happened to a repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct Happened<'a> {
    /// When it was written to last, as far as is known.
    pub changed: Option<DateTime<Utc>>,
    /// What the database wrote last.
    pub last_write: LastWrite<'a>,
}

/// What is known of one repository.
#[derive(Debug, Default)]
struct Surveyed {
    news: News,
    looked_at: Option<DateTime<Utc>>,
    known: KnownRepository,
    record: RepositoryRecord,
    destination: String,
    /// What the database had written to when it was looked at last.
    last_written: Option<String>,
}

/// Behind the UID of a cluster: the repository that it is to begin from, which may have the name of one of its own.
pub const SOURCE: &str = "-source";

/// How many repositories there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    all: i32,
    /// Of them, those that cannot be read.
    troubled: i32,
}

impl Surveyed {
    /// When it is due, where it was looked at before.
    fn due(&self, happened: &Happened<'_>, count: Count) -> Option<DateTime<Utc>> {
        let looked_at = self.looked_at?;
        let pause = if self.news.trouble.is_some() {
            (TROUBLED_PACE * count.troubled).max(EVERY)
        } else if self.is_moving(happened) {
            EVERY
        } else {
            QUIET
        };
        Some(looked_at + pause.max(PACE * count.all).min(AT_LEAST))
    }

    fn is_due(&self, now: DateTime<Utc>, happened: &Happened<'_>, count: Count) -> bool {
        let (Some(looked_at), Some(due)) = (self.looked_at, self.due(happened, count)) else {
            return true;
        };
        let changed = happened.changed.is_some_and(|changed| changed >= looked_at);
        now >= due || looked_at > now || changed
    }

    /// The database has written since, what it wrote has not arrived, or what is missing may still arrive.
    fn is_moving(&self, happened: &Happened<'_>) -> bool {
        let Some(picture) = &self.news.picture else {
            return true;
        };
        self.last_written.as_deref() != happened.last_write.segment
            || lag(picture, happened.last_write, picture.looked_at).is_some_and(|lag| lag > TimeDelta::zero())
            || !picture.recovery.gaps_in_grace.is_empty()
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

#[derive(Default)]
struct Known {
    /// By UID of the cluster and name of the repository.
    slots: HashMap<(String, String), Slot>,
    /// Those of them that cannot be read.
    troubled: HashSet<(String, String)>,
}

/// What is known of all repositories.
pub struct Surveys {
    catalog: Catalog,
    known: Mutex<Known>,
}

impl Surveys {
    /// With nothing known but what the catalog keeps.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            known: Mutex::default(),
        }
    }

    /// Looks at a repository if that is due, and gives what is known of it.
    pub async fn survey(
        &self,
        uid: &str,
        place: &RepositoryPlace,
        access: &RepositoryAccess,
        terms: &Terms,
        happened: &Happened<'_>,
    ) -> News {
        let slot = self.slot(uid, &place.repository);
        let mut surveyed = slot.lock().await;
        self.settle(&mut surveyed, place).await;
        let due = surveyed.is_due(terms.now, happened, self.count());
        if due {
            Box::pin(surveyed.look(access, terms)).await;
            surveyed.looked_at = Some(terms.now);
            surveyed.last_written = happened.last_write.segment.map(str::to_owned);
            self.troubled(uid, &place.repository, surveyed.news.trouble.is_some());
            if let Err(error) = self.catalog.save(place, &surveyed.record, terms.now).await {
                tracing::debug!(%place, %error, "the catalog does not keep what was read");
            }
        }
        News {
            destination: surveyed.destination.clone(),
            again: surveyed.due(happened, self.count()),
            fresh: due,
            ..surveyed.news.clone()
        }
    }

    /// Looks at a repository as it is not now: nothing of it is remembered.
    pub async fn once(access: &RepositoryAccess, terms: &Terms) -> News {
        let mut surveyed = Surveyed::default();
        Box::pin(surveyed.look(access, terms)).await;
        News {
            destination: access.destination(),
            fresh: true,
            ..surveyed.news
        }
    }

    /// What is known of a repository of which it is known that it cannot be read now. It is looked at as soon as that has passed.
    pub async fn remembered(&self, uid: &str, place: &RepositoryPlace, trouble: Trouble) -> News {
        let slot = self.slot(uid, &place.repository);
        let mut surveyed = slot.lock().await;
        self.settle(&mut surveyed, place).await;
        surveyed.looked_at = None;
        surveyed.news.trouble = Some(trouble);
        News {
            destination: surveyed.destination.clone(),
            again: None,
            fresh: false,
            ..surveyed.news.clone()
        }
    }

    /// Another place is another repository.
    async fn settle(&self, surveyed: &mut Surveyed, place: &RepositoryPlace) {
        if surveyed.destination != place.location {
            *surveyed = Surveyed {
                destination: place.location.clone(),
                ..Surveyed::default()
            };
            surveyed.remember(&self.catalog, place).await;
        }
    }

    /// Forgets a cluster that is gone.
    ///
    /// With what it was to begin from.
    pub fn forget(&self, cluster: &str) {
        let is = |uid: &str| uid.strip_suffix(SOURCE).unwrap_or(uid) == cluster;
        self.with(|known| {
            known.slots.retain(|(uid, _), _| !is(uid));
            known.troubled.retain(|(uid, _)| !is(uid));
        });
    }

    fn slot(&self, cluster: &str, repo: &str) -> Slot {
        let key = (cluster.to_owned(), repo.to_owned());
        self.with(|known| known.slots.entry(key).or_default().clone())
    }

    fn troubled(&self, cluster: &str, repo: &str, is: bool) {
        let key = (cluster.to_owned(), repo.to_owned());
        self.with(|known| {
            if is {
                known.troubled.insert(key)
            } else {
                known.troubled.remove(&key)
            }
        });
    }

    fn count(&self) -> Count {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        self.with(|known| Count {
            all: number(known.slots.len()),
            troubled: number(known.troubled.len()),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn known() -> Surveyed {
        let news = News {
            picture: Some(Arc::new(crate::controllers::archive::status::tests::nothing())),
            ..News::default()
        };
        Surveyed {
            news,
            looked_at: Some(at(0)),
            ..Surveyed::default()
        }
    }

    fn is_due(surveyed: &Surveyed, second: i64, happened: &Happened<'_>) -> bool {
        let few = Count { all: 1, troubled: 1 };
        surveyed.is_due(at(second), happened, few)
    }

    #[test]
    fn a_look_is_due_at_first_then_now_and_then_and_when_something_was_written() {
        let nothing = Happened::default();
        assert!(is_due(&Surveyed::default(), 0, &nothing));
        let surveyed = known();
        assert!(!is_due(&surveyed, 59, &nothing));
        assert!(is_due(&surveyed, 60, &nothing));
        let changed = |second| Happened {
            changed: Some(at(second)),
            ..nothing
        };
        assert!(is_due(&surveyed, 1, &changed(0)));
        assert!(!is_due(&surveyed, 1, &changed(-1)));
    }

    #[test]
    fn a_database_that_writes_has_its_repository_looked_at_more_often() {
        let mut surveyed = known();
        let written = Happened {
            last_write: LastWrite {
                segment: Some("000000010000000000000005"),
                commit: None,
            },
            ..Happened::default()
        };
        assert!(!is_due(&surveyed, 29, &written));
        assert!(is_due(&surveyed, 30, &written));
        surveyed.last_written = written.last_write.segment.map(str::to_owned);
        assert!(!is_due(&surveyed, 59, &written));
    }

    #[test]
    fn a_fleet_is_looked_at_at_its_own_pace_and_what_cannot_be_read_less_often() {
        let mut surveyed = known();
        let due = |surveyed: &Surveyed, all, troubled| {
            let due = surveyed.due(&Happened::default(), Count { all, troubled });
            (due.unwrap() - at(0)).num_seconds()
        };
        assert_eq!(due(&surveyed, 1000, 0), 60);
        assert_eq!(due(&surveyed, 4000, 0), 200);
        surveyed.news.trouble = Some(Trouble {
            reason: Reason::EndpointUnreachable,
            message: "no route".to_owned(),
        });
        assert_eq!(due(&surveyed, 10, 1), 30);
        assert_eq!(due(&surveyed, 1000, 1000), 250);
        assert_eq!(due(&surveyed, 9000, 9000), 600);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_up_no_look() {
        let mut surveyed = known();
        surveyed.looked_at = Some(at(3600));
        assert!(is_due(&surveyed, 0, &Happened::default()));
    }
}

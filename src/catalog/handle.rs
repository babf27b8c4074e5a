//! The one thing that others use: it answers within its bounds, or says that it did not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Shared, PoisonError},
    time::Instant,
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::{sync::Mutex, time::timeout};

use super::{
    Bounds, CatalogError, CatalogMetrics, CatalogPlace, Health, History, PastDrill, Replacement,
    RepositoryPlace, RepositoryRecord,
    connection::Connection,
    damaged, drills, history,
    repositories::{self, Texts},
};

/// The catalog. Cheap to clone. Nothing is opened before it is needed.
///
/// One piece of work at a time goes over one connection. Every method returns within [`Bounds`], whatever the database
/// does, and the error is what it skipped its work for: the caller goes on.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    place: CatalogPlace,
    bounds: Bounds,
    metrics: CatalogMetrics,
    /// Taken out while it is at work: what is given up in the middle is closed, not used again.
    connection: Mutex<Option<Connection>>,
    health: Shared<Health>,
    /// After a failure.
    left_alone_until: Shared<Option<Instant>>,
    /// Fingerprints of the pictures that are kept: one that is as it was need not be written again.
    pictures: Shared<HashMap<RepositoryPlace, u64>>,
}

/// A piece of work. Boxed, since the compiler cannot see that an async closure may move to another thread.
type Working<'c, T> = BoxFuture<'c, Result<T, CatalogError>>;
type Work<'a, T> = dyn for<'c> Fn(&'c mut Connection) -> Working<'c, T> + Send + Sync + 'a;

/// What a piece of work is called in metrics and logs.
type Operation = &'static str;

impl Catalog {
    /// A catalog at that place.
    #[must_use]
    pub fn new(place: CatalogPlace, bounds: Bounds, metrics: CatalogMetrics) -> Self {
        Self(Arc::new(Inner {
            place,
            bounds,
            metrics,
            connection: Mutex::new(None),
            health: Shared::default(),
            left_alone_until: Shared::default(),
            pictures: Shared::default(),
        }))
    }

    /// What was kept of a repository. `None`: nothing, so it has to be listed as a whole.
    pub async fn load(&self, place: &RepositoryPlace) -> Result<Option<RepositoryRecord>, CatalogError> {
        self.work("load", &|connection: &mut Connection| {
            let place = place.clone();
            Box::pin(async move { repositories::load(connection, &place).await })
        })
        .await
    }

    /// Keeps what is known of a repository, and notes in its history what changed. A record without a picture leaves
    /// the picture that is kept.
    pub async fn save(
        &self,
        place: &RepositoryPlace,
        record: &RepositoryRecord,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let texts = Arc::new(Texts::of(record)?);
        let picture = Arc::new(record.picture.clone());
        let fingerprint = texts.fingerprint();
        let kept = self.0.pictures().remove(place);
        let is_as_it_was = fingerprint.is_some() && fingerprint == kept;
        self.work("save", &|connection: &mut Connection| {
            let (place, texts, picture) = (place.clone(), texts.clone(), picture.clone());
            Box::pin(async move {
                connection.begin().await?;
                let refreshed =
                    is_as_it_was && repositories::refresh(connection, &place, &texts, now).await?;
                if !refreshed {
                    repositories::save(connection, &place, &texts, now).await?;
                }
                if let Some(picture) = &*picture {
                    if !refreshed {
                        history::note(connection, &place, picture, now).await?;
                    }
                    history::note_sizes(connection, &place, picture, now).await?;
                }
                connection.commit().await
            })
        })
        .await?;
        if let Some(fingerprint) = fingerprint {
            self.0.pictures().insert(place.clone(), fingerprint);
        }
        Ok(())
    }

    /// What there was.
    pub async fn history(&self, place: &RepositoryPlace) -> Result<History, CatalogError> {
        self.work("history", &|connection: &mut Connection| {
            let place = place.clone();
            Box::pin(async move { history::read(connection, &place).await })
        })
        .await
    }

    /// Notes what a rehearsal came to.
    pub async fn drilled(&self, drill: &PastDrill) -> Result<(), CatalogError> {
        self.work("drilled", &|connection: &mut Connection| {
            let drill = drill.clone();
            Box::pin(async move {
                connection.begin().await?;
                drills::note(connection, &drill).await?;
                connection.commit().await
            })
        })
        .await
    }

    /// What the rehearsals of a cluster came to, in the order of time.
    pub async fn drills(&self, namespace: &str, cluster: &str) -> Result<Vec<PastDrill>, CatalogError> {
        self.work("drills", &|connection: &mut Connection| {
            let (namespace, cluster) = (namespace.to_owned(), cluster.to_owned());
            Box::pin(async move { drills::read(connection, &namespace, &cluster).await })
        })
        .await
    }

    /// All repositories of which something is kept, to find those that are no more.
    pub async fn repositories(&self) -> Result<Vec<RepositoryPlace>, CatalogError> {
        self.work("repositories", &|connection: &mut Connection| {
            Box::pin(async move { repositories::all(connection).await })
        })
        .await
    }

    /// Removes a repository with its history.
    pub async fn forget(&self, place: &RepositoryPlace) -> Result<(), CatalogError> {
        self.0.pictures().remove(place);
        self.work("forget", &|connection: &mut Connection| {
            let place = place.clone();
            Box::pin(async move {
                connection.begin().await?;
                repositories::forget(connection, &place).await?;
                connection.commit().await
            })
        })
        .await
    }

    /// Waits for the work that goes on and lets go of the database, for an orderly end. What comes later opens it again.
    pub async fn close(&self) {
        let turn = timeout(self.0.bounds.work, self.0.connection.lock()).await;
        if let Some(connection) = turn.ok().and_then(|mut slot| slot.take()) {
            let closing: BoxFuture<'_, _> = Box::pin(connection.close());
            let _ = timeout(self.0.bounds.work, closing).await;
        }
    }

    /// How the catalog itself is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health().clone()
    }

    async fn work<T: Send>(&self, operation: Operation, work: &Work<'_, T>) -> Result<T, CatalogError> {
        let inner = &self.0;
        let until = *inner.left_alone_until();
        let result = if until.is_some_and(|until| Instant::now() < until) {
            Err(CatalogError::LeftAlone)
        } else {
            match inner.attempt(work).await {
                Err(error) if error.calls_for_a_new_file() && inner.replace(&error).await => {
                    inner.attempt(work).await
                }
                result => result,
            }
        };
        match &result {
            Ok(_) => inner.worked(),
            Err(error) => inner.failed(operation, error),
        }
        result
    }
}

impl Inner {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pictures(&self) -> std::sync::MutexGuard<'_, HashMap<RepositoryPlace, u64>> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left_alone_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.left_alone_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self) -> Result<Connection, CatalogError> {
        let opening: Working<'_, Connection> = Box::pin(Connection::open(&self.place, &self.bounds));
        timeout(self.bounds.open, opening)
            .await
            .map_err(|_| CatalogError::TooSlow)?
    }

    /// Opens the catalog if need be, and works on it.
    async fn attempt<T: Send>(&self, work: &Work<'_, T>) -> Result<T, CatalogError> {
        let turn = timeout(self.bounds.work, self.connection.lock()).await;
        let mut slot = turn.map_err(|_| CatalogError::TooSlow)?;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        let result = timeout(self.bounds.work, work(&mut connection)).await;
        match result {
            Ok(Ok(value)) => {
                *slot = Some(connection);
                Ok(value)
            }
            // The file is moved next, and must not be open then.
            Ok(Err(error)) if error.calls_for_a_new_file() => {
                let closing: BoxFuture<'_, _> = Box::pin(connection.close());
                let _ = timeout(self.bounds.work, closing).await;
                Err(error)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(CatalogError::TooSlow),
        }
    }

    /// Moves a damaged file aside. False where there is none, or it cannot be moved.
    async fn replace(&self, error: &CatalogError) -> bool {
        let CatalogPlace::File(path) = &self.place else {
            return false;
        };
        let slot = self.connection.lock().await;
        // Another piece of work may have replaced it in the meantime, and opened the new one.
        if slot.is_some() {
            return true;
        }
        let now = Utc::now();
        let moving: BoxFuture<'_, _> = Box::pin(damaged::move_aside(path, now));
        match moving.await {
            Ok(moved_to) => {
                tracing::warn!(
                    file = %path.display(), moved_to = %moved_to.display(), %error,
                    "the catalog's file cannot be used and is begun anew: only its history is lost"
                );
                self.metrics.replaced();
                self.health().replacement = Some(Replacement {
                    at: now,
                    moved_to,
                    error: error.clone(),
                });
                true
            }
            Err(failure) => {
                tracing::warn!(file = %path.display(), %error, %failure, "the catalog's file cannot be used, nor moved aside");
                false
            }
        }
    }

    fn worked(&self) {
        *self.left_alone_until() = None;
        self.metrics.in_order(true);
        if self.health().worked() {
            tracing::info!(catalog = %self.place, "the catalog works again");
        }
    }

    fn failed(&self, operation: Operation, error: &CatalogError) {
        self.metrics.skipped(operation, error.category());
        if matches!(error, CatalogError::LeftAlone) {
            self.health().skipped += 1;
            return;
        }
        *self.left_alone_until() = Instant::now().checked_add(self.bounds.pause);
        self.metrics.in_order(false);
        if self.health().failed(error, Utc::now()) {
            tracing::warn!(
                catalog = %self.place, operation, %error,
                "the catalog cannot be used: work goes on without it, and history has a hole"
            );
        }
    }
}

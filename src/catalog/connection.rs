//! One connection to either database, with the same statements for both.
//!
//! A connection that failed, or whose work was given up, is not used again: what it was doing is undone by closing it.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Row as _, SqliteConnection,
    postgres::PgRow,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{Bounds, CatalogError, CatalogPlace, migrations::migrator};

type Result<T> = std::result::Result<T, CatalogError>;

/// A parameter, `$1` and on.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    MaybeNumber(Option<i64>),
    MaybeText(Option<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::MaybeText(text)
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::MaybeNumber(number)
    }
}

/// A row that was found. Columns are counted from 0.
pub(super) trait Columns {
    fn text(&self, column: usize) -> Result<String>;
    fn number(&self, column: usize) -> Result<i64>;
    fn maybe_text(&self, column: usize) -> Result<Option<String>>;
    fn maybe_number(&self, column: usize) -> Result<Option<i64>>;
}

macro_rules! columns {
    ($row:ty, $of:path) => {
        impl Columns for $row {
            fn text(&self, column: usize) -> Result<String> {
                self.try_get(column).map_err($of)
            }

            fn number(&self, column: usize) -> Result<i64> {
                self.try_get(column).map_err($of)
            }

            fn maybe_text(&self, column: usize) -> Result<Option<String>> {
                self.try_get(column).map_err($of)
            }

            fn maybe_number(&self, column: usize) -> Result<Option<i64>> {
                self.try_get(column).map_err($of)
            }
        }
    };
}

columns!(SqliteRow, CatalogError::of_sqlite);
columns!(PgRow, CatalogError::of_postgres);

/// An open catalog whose schema is up to date.
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection, Duration),
}

/// The same words for both; they are of different types.
macro_rules! query {
    ($sql:expr, $values:expr) => {
        $values
            .into_iter()
            .fold(sqlx::query($sql), |query, value| match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::MaybeNumber(number) => query.bind(number),
                Value::MaybeText(text) => query.bind(text),
            })
    };
}

impl Connection {
    /// Opens the catalog, looks whether it is whole, and brings its schema up to date.
    pub(super) async fn open(place: &CatalogPlace, bounds: &Bounds) -> Result<Self> {
        match place {
            CatalogPlace::File(path) => {
                if let Some(directory) = path.parent() {
                    let made = tokio::fs::create_dir_all(directory).await;
                    made.map_err(|error| CatalogError::Unreachable(error.to_string()))?;
                }
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    // Below the bound for a whole piece of work, so that the reason is known.
                    .busy_timeout(bounds.work / 2);
                let opened = options.disable_statement_logging().connect().await;
                let connection = Self::Sqlite(opened.map_err(CatalogError::of_sqlite)?);
                connection.made_ready().await
            }
            CatalogPlace::Postgres(options) => {
                let opened = options
                    .as_ref()
                    .clone()
                    .disable_statement_logging()
                    .connect()
                    .await;
                let opened = opened.map_err(CatalogError::of_postgres)?;
                Self::Postgres(opened, bounds.work).made_ready().await
            }
        }
    }

    /// Closes it where it is not ready: a file may be moved aside next, and must not be open then.
    async fn made_ready(mut self) -> Result<Self> {
        let mut ready = self.check().await;
        if ready.is_ok() {
            ready = self.migrate().await;
        }
        match ready {
            Ok(()) => Ok(self),
            Err(error) => {
                self.close().await;
                Err(error)
            }
        }
    }

    /// A damaged file can be opened all the same, and fails when the damage is met.
    async fn check(&mut self) -> Result<()> {
        if matches!(self, Self::Postgres(..)) {
            return Ok(());
        }
        let found = self
            .rows("PRAGMA quick_check(1)", vec![], |row| row.text(0))
            .await?;
        if found != ["ok"] {
            return Err(CatalogError::Damaged(found.join(", ")));
        }
        // Not as options of the connection: it would then be dropped, not closed, where the file cannot be read.
        for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"] {
            self.rows(pragma, vec![], |_| Ok(())).await?;
        }
        Ok(())
    }

    async fn migrate(&mut self) -> Result<()> {
        // Not `run`, whose bound the compiler cannot see to hold for a future that moves to another thread.
        let migrator = migrator();
        match self {
            Self::Sqlite(connection) => {
                let done = migrator.run_direct(None, connection, false).await;
                done.map_err(|error| CatalogError::of_migration(error, CatalogError::of_sqlite))
            }
            Self::Postgres(connection, _) => {
                let done = migrator.run_direct(None, connection, false).await;
                done.map_err(|error| CatalogError::of_migration(error, CatalogError::of_postgres))
            }
        }
    }

    /// Begins a piece of work that is done as a whole or not at all.
    pub(super) async fn begin(&mut self) -> Result<()> {
        match self {
            // A write that began as a read cannot wait for its turn.
            Self::Sqlite(_) => self.execute("BEGIN IMMEDIATE", vec![]).await?,
            Self::Postgres(_, bound) => {
                // Below the bound, so that the reason is known; a lock first, since waiting for it is a statement too.
                let settings = [
                    ("lock_timeout", *bound / 2),
                    ("statement_timeout", *bound * 3 / 4),
                ];
                self.execute("BEGIN", vec![]).await?;
                // For this piece of work only, since a pooler may stand between. The server then ends what we gave up.
                for (setting, bound) in settings {
                    let values = vec![setting.into(), bound.as_millis().to_string().into()];
                    self.rows("SELECT set_config($1, $2, true)", values, |_| Ok(()))
                        .await?;
                }
                0
            }
        };
        Ok(())
    }

    /// Ends a piece of work. Before, nothing of it is there.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.execute("COMMIT", vec![]).await.map(drop)
    }

    /// How many rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64> {
        match self {
            Self::Sqlite(connection) => {
                let done = query!(sql, values).execute(connection).await;
                done.map(|done| done.rows_affected())
                    .map_err(CatalogError::of_sqlite)
            }
            Self::Postgres(connection, _) => {
                let done = query!(sql, values).execute(connection).await;
                done.map(|done| done.rows_affected())
                    .map_err(CatalogError::of_postgres)
            }
        }
    }

    /// All rows that it finds.
    pub(super) async fn rows<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        read: impl Fn(&dyn Columns) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(connection) => {
                let rows = query!(sql, values).fetch_all(connection).await;
                let rows = rows.map_err(CatalogError::of_sqlite)?;
                rows.iter().map(|row| read(row)).collect()
            }
            Self::Postgres(connection, _) => {
                let rows = query!(sql, values).fetch_all(connection).await;
                let rows = rows.map_err(CatalogError::of_postgres)?;
                rows.iter().map(|row| read(row)).collect()
            }
        }
    }

    /// Waits until the database has let go of its file.
    pub(super) async fn close(self) {
        match self {
            Self::Sqlite(connection) => drop(connection.close().await),
            Self::Postgres(connection, _) => drop(connection.close().await),
        }
    }
}

//! Where the catalog is, and how long it may take.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;

/// Where the catalog is.
#[derive(Clone)]
pub enum CatalogPlace {
    /// A `SQLite` file; it is made where it is missing, and its directory too.
    File(PathBuf),
    /// A PostgreSQL database, as its URL says.
    Postgres(Box<PgConnectOptions>),
}

/// A text that names no place. It is not repeated, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Neither a path nor a URL of a database.
    #[error("the catalog must be an absolute path, or a URL that begins with sqlite: or postgres://")]
    Unknown,
    /// A URL that cannot be read.
    #[error("the catalog's PostgreSQL URL cannot be read")]
    Url,
}

impl PlaceError {
    /// For metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Url => "invalid-options",
        }
    }
}

impl CatalogPlace {
    /// Reads `/path/to/file`, `sqlite:/path/to/file` or `postgres://user:password@host/database?sslmode=verify-full`.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text).map_err(|_| PlaceError::Url)?;
            return Ok(Self::Postgres(Box::new(options.application_name("holdfast"))));
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = path.strip_prefix("//").unwrap_or(path);
        if Path::new(path).is_absolute() {
            Ok(Self::File(path.into()))
        } else {
            Err(PlaceError::Unknown)
        }
    }
}

impl fmt::Display for CatalogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(options) => write!(
                f,
                "postgres://{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

impl fmt::Debug for CatalogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CatalogPlace({self})")
    }
}

/// How long the catalog may take. What takes longer is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// To open it, and to bring it up to date.
    pub open: Duration,
    /// For anything else.
    pub work: Duration,
    /// After a failure, for so long nothing is asked of it.
    pub pause: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(5),
            work: Duration::from_secs(2),
            pause: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_known_by_their_form() {
        for text in ["/var/lib/x.db", "sqlite:/var/lib/x.db", "sqlite:///var/lib/x.db"] {
            assert_eq!(
                CatalogPlace::parse(text).unwrap().to_string(),
                "/var/lib/x.db",
                "{text}"
            );
        }
        let postgres = CatalogPlace::parse("postgres://u:geheim@h:5433/d?sslmode=require").unwrap();
        assert_eq!(postgres.to_string(), "postgres://h:5433/d");
        for text in ["", "x.db", "sqlite:x.db", "mysql://h/d", "postgres://h:x/d"] {
            assert!(CatalogPlace::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_password_is_in_no_text() {
        let postgres = CatalogPlace::parse("postgres://u:geheim@h/d").unwrap();
        assert!(!format!("{postgres} {postgres:?}").contains("geheim"));
    }
}

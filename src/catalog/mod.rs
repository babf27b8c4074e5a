//! What is known of every repository, kept across restarts: the folded archive, backups, windows, gaps, sizes, the
//! last listing, and whether the store took the credentials.
//!
//! The repository is the truth. A [`RepositoryRecord`] can be read from it again, so losing the catalog loses nothing
//! but [`History`] and [`PastDrill`]: which backups, gaps and rehearsals there were, and how sizes grew. With it, a restart lists only what is new.
//!
//! A catalog never stops anything: [`Catalog`] answers within its [`Bounds`] or says that it skipped what was asked.
//! A `SQLite` file that is damaged is moved aside and a new one begun; a database that does not answer is left alone
//! for a while. [`Health`] and metrics tell both.
//!
//! Nothing is decided here, and no secret is stored: where a repository is, is kept; how it is opened, is not.

mod connection;
mod damaged;
mod drills;
mod error;
mod growth;
mod handle;
mod health;
mod history;
mod metrics;
mod migrations;
mod record;
mod repositories;
mod settings;

pub use drills::PastDrill;
pub use error::CatalogError;
pub use growth::{Growth, SizeSample, growth};
pub use handle::Catalog;
pub use health::{Health, Replacement, Standing};
pub use history::{History, PastBackup, PastGap};
pub use metrics::CatalogMetrics;
pub use record::{Credentials, CredentialsState, Failure, RepositoryRecord, Sizes};
pub use repositories::RepositoryPlace;
pub use settings::{Bounds, CatalogPlace, PlaceError};

#[cfg(test)]
mod tests;

//! What is applied inside PostgreSQL, object by object.
//!
//! Invariants: look first, change only what differs, drop nothing but what PgBouncer no longer needs. Each object
//! stands for itself: one that cannot be applied becomes a [`Problem`] and the next one is tried.

pub mod attributes;
pub mod connection;
pub mod database;
pub mod extension;
pub mod grant;
pub mod pgbouncer;
pub mod quote;
pub mod replication;
pub mod role;

use crate::agent::report::Problem;
use connection::SqlError;

/// Names that Holdfast and upstream keep for themselves.
pub const RESERVED_PREFIX: &str = "_crunchy";

/// Collects what could not be applied.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Keeps the problem of one object; returns whether there was none.
    pub fn note<T>(&mut self, what: &str, object: &str, result: Result<T, SqlError>) -> bool {
        match result {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(what, object, code = error.code(), %error, "not applied");
                self.0.push(Problem {
                    what: what.to_owned(),
                    code: error.code().to_owned(),
                    message: format!("{object}: {error}"),
                });
                false
            }
        }
    }
}

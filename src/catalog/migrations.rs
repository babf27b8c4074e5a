//! The schema, and how it came to be. Compiled in.

use sqlx::migrate::Migrator;

/// Not sqlx' own name, since a PostgreSQL database can be shared with others who use it.
const TABLE: &str = "holdfast_migrations";

/// Brings a database of any older version up to date. A newer one is left as it is: migrations only add.
pub(super) fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("src/catalog/migrations");
    migrator.dangerous_set_table_name(TABLE);
    migrator.set_ignore_missing(true);
    migrator
}

//! Extensions: created when missing, never dropped.

use tokio_postgres::Client;

use super::connection::SqlError;
use super::quote;

/// Creates the extension in the connected database; returns whether it was created.
pub async fn ensure(client: &Client, name: &str) -> Result<bool, SqlError> {
    let there = client
        .query_opt(
            "SELECT 1 FROM pg_catalog.pg_extension WHERE extname = $1",
            &[&name],
        )
        .await?;
    if there.is_some() || (name == "pg_cron" && !is_for_pg_cron(client).await?) {
        return Ok(false);
    }
    // Its objects go to the first schema of search_path, which must not be pg_catalog, unless it names one itself.
    // Statements sent together are one transaction, so the setting ends with it.
    client
        .batch_execute(&format!(
            "SET LOCAL search_path = public; CREATE EXTENSION IF NOT EXISTS {}",
            quote::identifier(name)
        ))
        .await
        .map_err(SqlError::from)
        .map(|()| true)
}

/// `pg_cron` can live in one database only, which `cron.database_name` names.
async fn is_for_pg_cron(client: &Client) -> Result<bool, SqlError> {
    let row = client
        .query_one(
            "SELECT pg_catalog.current_database() = coalesce(pg_catalog.current_setting('cron.database_name', true), 'postgres')",
            &[],
        )
        .await?;
    Ok(row.try_get(0)?)
}

//! Databases: created when missing, listed, never dropped.

use tokio_postgres::Client;

use super::connection::SqlError;
use super::quote;

/// Creates a database unless it is there; returns whether it was created.
pub async fn ensure(client: &Client, name: &str) -> Result<bool, SqlError> {
    let there = client
        .query_opt(
            "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1",
            &[&name],
        )
        .await?;
    if there.is_some() {
        return Ok(false);
    }
    client
        .batch_execute(&format!("CREATE DATABASE {}", quote::identifier(name)))
        .await?;
    Ok(true)
}

/// All databases that can be connected to, `template1` included; -2 marks one whose removal was interrupted.
pub async fn connectable(client: &Client) -> Result<Vec<String>, SqlError> {
    let rows = client
        .query(
            "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY datname",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

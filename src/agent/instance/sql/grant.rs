//! What users may do: all on their databases, a schema of their own, schema `public` when asked for.

use tokio_postgres::Client;

use super::connection::SqlError;
use super::quote;

/// `GRANT ALL ON DATABASE`, unless the role itself (not by way of PUBLIC) already has all of it.
pub async fn database(client: &Client, role: &str, database: &str) -> Result<bool, SqlError> {
    let row = client
        .query_one(
            "SELECT count(DISTINCT a.privilege_type) = 3 \
             FROM pg_catalog.pg_database d, pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a, \
             pg_catalog.pg_authid r WHERE d.datname = $1 AND r.rolname = $2 AND a.grantee = r.oid \
             AND a.privilege_type IN ('CREATE', 'TEMPORARY', 'CONNECT')",
            &[&database, &role],
        )
        .await?;
    if row.try_get(0)? {
        return Ok(false);
    }
    let (database, role) = (quote::identifier(database), quote::identifier(role));
    client
        .batch_execute(&format!("GRANT ALL PRIVILEGES ON DATABASE {database} TO {role}"))
        .await?;
    Ok(true)
}

/// A schema named after the role and owned by it, in the connected database. One that is there is left as it is.
pub async fn own_schema(client: &Client, role: &str) -> Result<bool, SqlError> {
    let there = client
        .query_opt(
            "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
            &[&role],
        )
        .await?;
    if there.is_some() {
        return Ok(false);
    }
    let role = quote::identifier(role);
    client
        .batch_execute(&format!("CREATE SCHEMA {role} AUTHORIZATION {role}"))
        .await?;
    Ok(true)
}

/// All privileges on schema `public` of the connected database; nothing where that schema was removed.
pub async fn public_schema(client: &Client, role: &str) -> Result<bool, SqlError> {
    let row = client
        .query_opt(
            "SELECT pg_catalog.has_schema_privilege($1, n.oid, 'CREATE') AND pg_catalog.has_schema_privilege($1, n.oid, 'USAGE') \
             FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public'",
            &[&role],
        )
        .await?;
    match row {
        None => Ok(false),
        Some(row) if row.try_get(0)? => Ok(false),
        Some(_) => {
            let role = quote::identifier(role);
            client
                .batch_execute(&format!("GRANT ALL PRIVILEGES ON SCHEMA public TO {role}"))
                .await?;
            Ok(true)
        }
    }
}

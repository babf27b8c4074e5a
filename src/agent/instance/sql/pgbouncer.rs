//! PgBouncer's access: a role of its own and a function that looks up the verifiers of those who log in through it.
//!
//! Invariants: the function answers for roles that can log in and are neither superuser nor replication nor itself;
//! only PgBouncer's role may call it; it cannot be led astray by a caller's `search_path`; nobody but a superuser owns it.

use tokio_postgres::Client;

use super::attributes::Attributes;
use super::connection::SqlError;
use super::quote;
use super::role;

/// The role as whom PgBouncer asks.
pub const ROLE: &str = "_crunchypgbouncer";

/// Makes the role exist with this verifier, and with no attribute it does not need.
pub async fn ensure_role(client: &Client, verifier: &str) -> Result<bool, SqlError> {
    let wanted = ["SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"]
        .into_iter()
        .fold(
            Attributes::default().with("LOGIN", true),
            |attributes, keyword| attributes.with(keyword, false),
        );
    role::ensure(client, ROLE, &wanted, verifier).await
}

/// Makes schema and function exist in the connected database as they shall be.
pub async fn ensure_function(client: &Client, expose_superusers: bool) -> Result<bool, SqlError> {
    let body = body(expose_superusers);
    let row = client.query_one(IS_RIGHT, &[&body, &ROLE]).await?;
    if row.try_get(0)? {
        return Ok(false);
    }
    client.batch_execute(&definition(&body)).await?;
    Ok(true)
}

/// Removes the function and the schema from the connected database; objects that others put there stay.
pub async fn remove_function(client: &Client) -> Result<(), SqlError> {
    client
        .batch_execute("DROP FUNCTION IF EXISTS pgbouncer.get_auth(text)")
        .await?;
    let alone = client
        .query_opt(
            "SELECT 1 FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgbouncer' AND NOT EXISTS \
             (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid)",
            &[],
        )
        .await?;
    if alone.is_some() {
        client.batch_execute("DROP SCHEMA pgbouncer").await?;
    } else {
        let role = quote::identifier(ROLE);
        client
            .batch_execute(&format!(
                "DO $$ BEGIN IF pg_catalog.to_regnamespace('pgbouncer') IS NOT NULL THEN \
                 REVOKE ALL ON SCHEMA pgbouncer FROM {role}; END IF; END $$"
            ))
            .await?;
    }
    Ok(())
}

/// Whether the role is there.
pub async fn role_exists(client: &Client) -> Result<bool, SqlError> {
    Ok(client
        .query_opt("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1", &[&ROLE])
        .await?
        .is_some())
}

/// Drops the role. The functions have to be gone from every database.
pub async fn remove_role(client: &Client) -> Result<(), SqlError> {
    Ok(client
        .batch_execute(&format!("DROP ROLE IF EXISTS {}", quote::identifier(ROLE)))
        .await?)
}

fn body(expose_superusers: bool) -> String {
    let superusers = if expose_superusers {
        ""
    } else {
        " AND NOT rolsuper"
    };
    format!(
        "SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin{superusers} \
         AND NOT rolreplication AND rolname <> {} AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())",
        quote::literal(ROLE)
    )
}

/// Compares everything that matters, so that a weakened function is put right and a right one is left alone.
const IS_RIGHT: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p \
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_authid o ON o.oid = p.proowner \
    JOIN pg_catalog.pg_authid s ON s.oid = n.nspowner \
    WHERE n.nspname = 'pgbouncer' AND p.proname = 'get_auth' AND p.oid = pg_catalog.to_regprocedure('pgbouncer.get_auth(text)') \
    AND p.prosrc = $1 AND p.prosecdef AND o.rolsuper AND s.rolsuper \
    AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp'] AND p.proargnames[2:3] = ARRAY['username', 'password'] \
    AND pg_catalog.has_schema_privilege($2, n.oid, 'USAGE') AND pg_catalog.has_function_privilege($2, p.oid, 'EXECUTE') \
    AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a \
        WHERE a.grantee = 0))";

/// Statements sent together are one transaction, so that PgBouncer never meets a half-made function.
fn definition(body: &str) -> String {
    let (role, body) = (quote::identifier(ROLE), quote::literal(body));
    format!(
        "CREATE SCHEMA IF NOT EXISTS pgbouncer; ALTER SCHEMA pgbouncer OWNER TO CURRENT_USER; \
         REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC; GRANT USAGE ON SCHEMA pgbouncer TO {role}; \
         DROP FUNCTION IF EXISTS pgbouncer.get_auth(text); \
         CREATE FUNCTION pgbouncer.get_auth(login text) RETURNS TABLE(username text, password text) \
         LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {body}; \
         REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC; \
         GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO {role}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superusers_are_left_out_unless_exposed() {
        assert!(body(false).contains("AND NOT rolsuper"));
        assert!(!body(true).contains("rolsuper"));
    }

    #[test]
    fn the_function_is_pinned_and_closed_to_others() {
        let definition = definition(&body(false));
        assert!(definition.contains("SECURITY DEFINER SET search_path = pg_catalog, pg_temp"));
        assert!(definition.contains("REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC"));
    }
}

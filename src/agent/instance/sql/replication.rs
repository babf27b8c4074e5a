//! The role of replicas and of `pg_rewind`. Patroni makes it when it bootstraps; an adopted directory may lack it.

use tokio_postgres::Client;

use super::attributes::Attributes;
use super::connection::SqlError;
use super::quote;
use super::role;

/// The role that replicas log in as, by client certificate.
pub const ROLE: &str = "_crunchyrepl";

/// What `pg_rewind` calls on the server that it copies from, as its documentation lists.
const REWIND: [&str; 4] = [
    "pg_catalog.pg_ls_dir(text, boolean, boolean)",
    "pg_catalog.pg_stat_file(text, boolean)",
    "pg_catalog.pg_read_binary_file(text)",
    "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
];

/// Makes the role exist, able to log in, to replicate and to rewind. Functions belong to a database: call it
/// connected to `postgres`, which is where Patroni lets `pg_rewind` connect.
pub async fn ensure(client: &Client) -> Result<bool, SqlError> {
    let wanted = Attributes::default()
        .with("LOGIN", true)
        .with("REPLICATION", true);
    let mut changed = role::ensure(client, ROLE, &wanted, "").await?;
    for function in REWIND {
        let row = client
            .query_one(
                "SELECT pg_catalog.has_function_privilege($1, $2::pg_catalog.text, 'EXECUTE')",
                &[&ROLE, &function],
            )
            .await?;
        if !row.try_get::<_, bool>(0)? {
            let role = quote::identifier(ROLE);
            client
                .batch_execute(&format!("GRANT EXECUTE ON FUNCTION {function} TO {role}"))
                .await?;
            changed = true;
        }
    }
    Ok(changed)
}

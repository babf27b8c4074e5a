//! Applies the desired document to the local PostgreSQL, which must be the writable primary.
//!
//! Stages in order: databases, users, grants, pgbouncer, replication, extensions. A stage looks before it changes, so
//! running all of them again is cheap and harmless; whatever fails is reported and does not stop the others.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::sql::attributes::Attributes;
use super::sql::connection::{Socket, SqlError};
use super::sql::{Problems, RESERVED_PREFIX, database, extension, grant, pgbouncer, replication, role};
use crate::agent::desired::{Desired, DesiredUser};
use crate::agent::report::Problem;

/// The superuser may be named as a user to give it a password; it has everything else.
const SUPERUSER: &str = "postgres";

/// Applies everything and returns what could not be applied.
pub async fn apply(socket: &Socket, client: &Client, desired: &Desired) -> Vec<Problem> {
    let mut problems = Problems::default();
    for name in &desired.databases {
        let result = database::ensure(client, name).await;
        problems.note("databases", name, result);
    }
    for user in &desired.users {
        let result = apply_user(client, user).await;
        problems.note("users", &user.name, result);
    }
    for (user, name) in user_databases(desired) {
        let result = grant::database(client, &user.name, name).await;
        problems.note("grants", &format!("{} on {name}", user.name), result);
    }
    if let Some(pgbouncer) = &desired.pgbouncer {
        let result = pgbouncer::ensure_role(client, &pgbouncer.verifier).await;
        problems.note("pgbouncer", pgbouncer::ROLE, result);
    }
    let result = replication::ensure(client).await;
    problems.note("replication", replication::ROLE, result);
    apply_in_databases(socket, client, desired, &mut problems).await;
    problems.0
}

async fn apply_user(client: &Client, user: &DesiredUser) -> Result<bool, SqlError> {
    if user.name.is_empty() || user.name.starts_with(RESERVED_PREFIX) {
        return Err(SqlError::ours("reserved", "the name is kept for the operator"));
    }
    // Somebody who may not log in says NOLOGIN: a later mention wins.
    let wanted = Attributes::parse(&format!("LOGIN {}", user.options))
        .map_err(|error| SqlError::ours("options", error.to_string()))?;
    role::ensure(client, &user.name, &wanted, &user.verifier).await
}

/// Users with each of their databases; the superuser needs no grants.
fn user_databases(desired: &Desired) -> impl Iterator<Item = (&DesiredUser, &str)> {
    desired
        .users
        .iter()
        .filter(|user| user.name != SUPERUSER)
        .flat_map(|user| user.databases.iter().map(move |name| (user, name.as_str())))
}

/// What has to be done while connected to each database.
async fn apply_in_databases(socket: &Socket, client: &Client, desired: &Desired, problems: &mut Problems) {
    let names = match database::connectable(client).await {
        Ok(names) => names,
        Err(error) => {
            problems.note::<()>("databases", "list of databases", Err(error));
            return;
        }
    };
    let removal = match (&desired.pgbouncer, pgbouncer::role_exists(client).await) {
        (None, Ok(there)) => there,
        (None, Err(error)) => problems.note::<()>("pgbouncer", pgbouncer::ROLE, Err(error)),
        (Some(_), _) => false,
    };
    let mut removed = removal;
    for name in &names {
        let schemas = schemas_in(desired, name);
        let public = public_in(desired, name);
        let idle = schemas.is_empty() && public.is_empty() && desired.extensions.is_empty();
        if idle && desired.pgbouncer.is_none() && !removal {
            continue;
        }
        let there = match socket.connect(name).await {
            Ok(there) => there,
            Err(error) => {
                problems.note::<()>("databases", name, Err(error));
                removed = false;
                continue;
            }
        };
        for user in schemas {
            let result = grant::own_schema(&there, user).await;
            problems.note("grants", &format!("schema {user} in {name}"), result);
        }
        for user in public {
            let result = grant::public_schema(&there, user).await;
            problems.note("grants", &format!("{user} on schema public in {name}"), result);
        }
        if let Some(pgbouncer) = &desired.pgbouncer {
            let result = pgbouncer::ensure_function(&there, pgbouncer.expose_superusers).await;
            problems.note("pgbouncer", &format!("get_auth in {name}"), result);
        } else if removal {
            let result = pgbouncer::remove_function(&there).await;
            removed &= problems.note("pgbouncer", &format!("get_auth in {name}"), result);
        }
        for wanted in &desired.extensions {
            let result = extension::ensure(&there, wanted).await;
            problems.note("extensions", &format!("{wanted} in {name}"), result);
        }
    }
    if removed {
        let result = pgbouncer::remove_role(client).await;
        problems.note("pgbouncer", pgbouncer::ROLE, result);
    }
}

fn schemas_in<'a>(desired: &'a Desired, database: &str) -> BTreeSet<&'a str> {
    user_databases(desired)
        .filter(|(_, name)| desired.create_user_schema && *name == database)
        .map(|(user, _)| user.name.as_str())
        .collect()
}

fn public_in<'a>(desired: &'a Desired, database: &str) -> BTreeSet<&'a str> {
    user_databases(desired)
        .filter(|(user, name)| user.grant_public_schema_access && *name == database)
        .map(|(user, _)| user.name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, public: bool) -> DesiredUser {
        DesiredUser {
            name: name.into(),
            databases: vec!["app".into(), "other".into()],
            grant_public_schema_access: public,
            ..DesiredUser::default()
        }
    }

    #[test]
    fn schemas_and_grants_are_for_the_users_of_a_database_but_not_for_the_superuser() {
        let users = vec![user("app", false), user("postgres", true), user("reader", true)];
        let desired = Desired {
            users,
            create_user_schema: true,
            ..Desired::default()
        };
        assert_eq!(schemas_in(&desired, "app"), BTreeSet::from(["app", "reader"]));
        assert_eq!(public_in(&desired, "app"), BTreeSet::from(["reader"]));
        assert!(schemas_in(&desired, "template1").is_empty());
        let without = Desired {
            create_user_schema: false,
            ..desired
        };
        assert!(schemas_in(&without, "app").is_empty());
    }
}

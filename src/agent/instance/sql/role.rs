//! Roles: created when missing, attributes and password set when they differ, never dropped.

use tokio_postgres::Client;

use super::attributes::{Attributes, FLAGS};
use super::connection::SqlError;
use super::quote;

/// Makes the role exist with these attributes and this verifier (empty: password left alone).
/// Returns whether anything was changed.
pub async fn ensure(
    client: &Client,
    name: &str,
    wanted: &Attributes,
    verifier: &str,
) -> Result<bool, SqlError> {
    if !verifier.is_empty() && !is_verifier(verifier) {
        return Err(SqlError::ours(
            "verifier",
            "the password verifier has no known form",
        ));
    }
    let Some(current) = Current::read(client, name, wanted.valid_until.as_deref()).await? else {
        client.batch_execute(&create(name, wanted, verifier)).await?;
        return Ok(true);
    };
    let Some(statement) = alter(name, wanted, verifier, &current) else {
        return Ok(false);
    };
    client.batch_execute(&statement).await?;
    Ok(true)
}

/// A role as `pg_authid` has it.
#[derive(Debug, Default)]
struct Current {
    attributes: Attributes,
    verifier: Option<String>,
    valid_until_holds: bool,
}

impl Current {
    async fn read(client: &Client, name: &str, valid_until: Option<&str>) -> Result<Option<Self>, SqlError> {
        let columns = FLAGS.map(|(_, column)| column).join(", ");
        let query = format!(
            "SELECT {columns}, rolconnlimit, rolpassword, \
             coalesce(rolvaliduntil, 'infinity') = $2::pg_catalog.text::pg_catalog.timestamptz \
             FROM pg_catalog.pg_authid WHERE rolname = $1"
        );
        let Some(row) = client.query_opt(&query, &[&name, &valid_until]).await? else {
            return Ok(None);
        };
        let mut flags = [None; FLAGS.len()];
        for (index, flag) in flags.iter_mut().enumerate() {
            *flag = Some(row.try_get(index)?);
        }
        let after = FLAGS.len();
        let attributes = Attributes::of_role(flags, row.try_get(after)?);
        let holds: Option<bool> = row.try_get(after + 2)?;
        Ok(Some(Self {
            attributes,
            verifier: row.try_get(after + 1)?,
            valid_until_holds: holds == Some(true),
        }))
    }
}

fn create(name: &str, wanted: &Attributes, verifier: &str) -> String {
    let mut clauses = wanted.clauses(&Attributes::default(), false);
    push_password(&mut clauses, verifier);
    format!("CREATE ROLE {} {}", quote::identifier(name), clauses.join(" "))
}

fn alter(name: &str, wanted: &Attributes, verifier: &str, current: &Current) -> Option<String> {
    let mut clauses = wanted.clauses(&current.attributes, current.valid_until_holds);
    if current.verifier.as_deref() != Some(verifier) {
        push_password(&mut clauses, verifier);
    }
    (!clauses.is_empty()).then(|| format!("ALTER ROLE {} {}", quote::identifier(name), clauses.join(" ")))
}

fn push_password(clauses: &mut Vec<String>, verifier: &str) {
    if !verifier.is_empty() {
        clauses.push(format!("PASSWORD {}", quote::literal(verifier)));
    }
}

/// Anything else PostgreSQL would take for a password in clear and hash.
fn is_verifier(text: &str) -> bool {
    text.starts_with("SCRAM-SHA-256$")
        || (text.len() == 35
            && text
                .strip_prefix("md5")
                .is_some_and(|hash| hash.chars().all(|c| c.is_ascii_hexdigit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_role_needs_no_statement_and_a_changed_verifier_only_that() {
        let wanted = Attributes::default().with("LOGIN", true);
        let current = Current {
            attributes: wanted.clone(),
            verifier: Some("SCRAM-SHA-256$a".into()),
            valid_until_holds: false,
        };
        assert_eq!(alter("app", &wanted, "SCRAM-SHA-256$a", &current), None);
        assert_eq!(alter("app", &wanted, "", &current), None);
        assert_eq!(
            alter("app", &wanted, "SCRAM-SHA-256$b", &current).unwrap(),
            r#"ALTER ROLE "app" PASSWORD 'SCRAM-SHA-256$b'"#
        );
    }

    #[test]
    fn a_new_role_gets_everything_in_one_statement() {
        let wanted = Attributes::parse("LOGIN CREATEDB").unwrap();
        assert_eq!(
            create("a\"b", &wanted, "SCRAM-SHA-256$a"),
            r#"CREATE ROLE "a""b" CREATEDB LOGIN PASSWORD 'SCRAM-SHA-256$a'"#
        );
    }

    #[test]
    fn a_password_in_clear_is_not_a_verifier() {
        assert!(is_verifier("SCRAM-SHA-256$4096:x") && is_verifier(&format!("md5{}", "0a".repeat(16))));
        assert!(!is_verifier("secret") && !is_verifier("md5secret"));
    }
}

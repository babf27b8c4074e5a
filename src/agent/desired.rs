//! What the controller wants inside PostgreSQL: the document `desired.json` of Secret `<cluster>-agent`.
//!
//! The controller writes it, the instance agent of the writable primary applies it. Every field has a
//! default, so that an agent and a controller of different versions understand each other. It holds SCRAM
//! verifiers and is therefore a Secret; its `Debug` output does not show them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of the Secret of a cluster that holds the document.
#[must_use]
pub fn secret_name(cluster: &str) -> String {
    format!("{cluster}-agent")
}

/// Key of the document in the Secret.
pub const SECRET_KEY: &str = "desired.json";

/// The whole document. Applied in the order of its fields.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Desired {
    /// Hash over everything below; the agent reports the one it has fully applied.
    pub revision: String,
    /// Databases to create. None is ever dropped.
    pub databases: Vec<String>,
    /// Roles that can log in. None is ever dropped.
    pub users: Vec<DesiredUser>,
    /// Whether each user gets a schema of its own name in each of its databases.
    pub create_user_schema: bool,
    /// PgBouncer's own role and its lookup function; absent removes both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgbouncer: Option<DesiredPgBouncer>,
    /// Extensions to create in every database, `template1` included. None is ever dropped.
    pub extensions: Vec<String>,
    /// Patroni's dynamic configuration as it shall be as a whole; null leaves it alone.
    pub dynamic_configuration: serde_json::Value,
    /// The stanza and the repositories in which the agent may create it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stanza: Option<DesiredStanza>,
}

/// One role that can log in.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DesiredUser {
    /// Role name, not quoted.
    pub name: String,
    /// SCRAM verifier as in `pg_authid.rolpassword`; empty leaves the password alone.
    pub verifier: String,
    /// Databases on which the role gets all privileges.
    pub databases: Vec<String>,
    /// `ALTER ROLE` attributes as the user wrote them (`CREATEDB CONNECTION LIMIT 5`).
    pub options: String,
    /// Whether the role may also create objects in schema `public` of its databases.
    pub grant_public_schema_access: bool,
}

impl fmt::Debug for DesiredUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesiredUser")
            .field("name", &self.name)
            .field("databases", &self.databases)
            .field("options", &self.options)
            .field("grant_public_schema_access", &self.grant_public_schema_access)
            .finish_non_exhaustive()
    }
}

/// PgBouncer's access to PostgreSQL.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DesiredPgBouncer {
    /// SCRAM verifier of role `_crunchypgbouncer`.
    pub verifier: String,
    /// Whether superusers may log in through PgBouncer.
    pub expose_superusers: bool,
}

impl fmt::Debug for DesiredPgBouncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesiredPgBouncer")
            .field("expose_superusers", &self.expose_superusers)
            .finish_non_exhaustive()
    }
}

/// The stanza of the cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DesiredStanza {
    /// Always `db` so far.
    pub name: String,
    /// Only those that the controller's identity check has cleared.
    pub repos: Vec<DesiredRepository>,
    /// UID of the cluster's object, which Leases of its repositories end with; empty where it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_uid: String,
    /// Keys of the repositories that WAL is kept from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suspended: Vec<u8>,
}

/// One repository in which the stanza shall exist.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DesiredRepository {
    /// `repo1` … `repo4`.
    pub name: String,
    /// pgBackRest's key of it: 1 … 4.
    pub key: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_a_document() {
        let desired: Desired = serde_json::from_str("{}").unwrap();
        assert_eq!(desired, Desired::default());
    }

    #[test]
    fn the_written_document_is_read_back_equal() {
        let json = r#"{"revision":"r1","databases":["app"],
            "users":[{"name":"app","verifier":"SCRAM-SHA-256$x","databases":["app"],"options":"CREATEDB"}],
            "createUserSchema":true,"pgbouncer":{"verifier":"SCRAM-SHA-256$y"},"extensions":["pgaudit"],
            "dynamicConfiguration":{"ttl":30},"stanza":{"name":"db","repos":[{"name":"repo1","key":1}]}}"#;
        let desired: Desired = serde_json::from_str(json).unwrap();
        assert_eq!(desired.users[0].options, "CREATEDB");
        assert_eq!(desired.stanza.as_ref().unwrap().repos[0].key, 1);
        let again: Desired = serde_json::from_str(&serde_json::to_string(&desired).unwrap()).unwrap();
        assert_eq!(again, desired);
    }

    #[test]
    fn verifiers_do_not_show_in_debug_output() {
        let user = DesiredUser {
            name: "app".into(),
            verifier: "SCRAM-SHA-256$x".into(),
            ..Default::default()
        };
        let pgbouncer = DesiredPgBouncer {
            verifier: "SCRAM-SHA-256$y".into(),
            expose_superusers: false,
        };
        assert!(!format!("{user:?} {pgbouncer:?}").contains("SCRAM"));
    }
}

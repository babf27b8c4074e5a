//! Secrets of application users: the keys applications mount, the password kept, the verifier always the password's.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Secret;
use rand::seq::IndexedRandom as _;

use super::Held;
use super::certificates::secret;
use super::metadata::labelled;
use crate::controllers::cluster::names::{LABEL_ROLE, LABEL_USER};
use crate::controllers::cluster::validated::{User, ValidatedCluster};
use crate::controllers::cluster::verifier;

/// A user with its Secret, and what the agent needs of it.
pub struct BuiltUser {
    /// The Secret.
    pub secret: Secret,
    /// SCRAM verifier of the password in it.
    pub verifier: String,
    /// The user it is for.
    pub user: User,
}

/// Builds the Secret of every user.
pub fn build(cluster: &ValidatedCluster, held: &Held) -> Vec<BuiltUser> {
    cluster
        .users
        .iter()
        .map(|user| build_one(cluster, held, user))
        .collect()
}

fn build_one(cluster: &ValidatedCluster, held: &Held, user: &User) -> BuiltUser {
    let password = held
        .text(&user.secret, "password")
        .unwrap_or_else(|| new_password(user.alphanumeric));
    let verifier = verifier::ensure(held.text(&user.secret, "verifier"), &password);
    let names = &cluster.names;
    let primary = Address {
        host: names.service_host(&names.primary()),
        port: cluster.port,
    };
    let mut secret = secret(
        cluster,
        user.secret.clone(),
        "pguser",
        [
            ("user", user.name.clone()),
            ("password", password.clone()),
            ("verifier", verifier.clone()),
            ("host", primary.host.clone()),
            ("port", primary.port.to_string()),
        ],
    );
    let mut add = |key: &str, value: String| {
        secret
            .data
            .get_or_insert_default()
            .insert(key.to_owned(), k8s_openapi::ByteString(value.into_bytes()));
    };
    let database = user.databases.first();
    if let Some(database) = database {
        add("dbname", database.clone());
        add("uri", primary.uri(&user.name, &password, database));
        add("jdbc-uri", primary.jdbc(&user.name, &password, database, ""));
    }
    if let Some(pooler) = cluster.pooler.as_ref().filter(|pooler| pooler.replicas > 0) {
        let pooler = Address {
            host: names.service_host(&names.pgbouncer()),
            port: pooler.port,
        };
        add("pgbouncer-host", pooler.host.clone());
        add("pgbouncer-port", pooler.port.to_string());
        if let Some(database) = database {
            add("pgbouncer-uri", pooler.uri(&user.name, &password, database));
            // Prepared statements of the driver do not survive transaction pooling.
            add(
                "pgbouncer-jdbc-uri",
                pooler.jdbc(&user.name, &password, database, "&prepareThreshold=0"),
            );
        }
    }
    secret.metadata = labelled(
        labelled(secret.metadata, LABEL_ROLE, "pguser"),
        LABEL_USER,
        &user.name,
    );
    // An edit between our reading and our writing must not be lost: such a write is refused, and tried again.
    secret.metadata.resource_version = held
        .secrets
        .get(&user.secret)
        .and_then(|held| held.version.clone());
    BuiltUser {
        secret,
        verifier,
        user: user.clone(),
    }
}

struct Address {
    host: String,
    port: i32,
}

impl Address {
    fn uri(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgresql://{}:{}@{}:{}/{}",
            escape(user),
            escape(password),
            self.host,
            self.port,
            escape(database)
        )
    }

    fn jdbc(&self, user: &str, password: &str, database: &str, rest: &str) -> String {
        format!(
            "jdbc:postgresql://{}:{}/{}?password={}&user={}{rest}",
            self.host,
            self.port,
            escape(database),
            escape(password),
            escape(user)
        )
    }
}

/// Percent-encodes everything but the characters that no part of a URI gives a meaning to.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Length upstream uses: about 140 bits.
const PASSWORD_LENGTH: usize = 24;
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Without quotes, backslash, space and what shells expand.
const SIGNS: &[u8] = b"()*+,-./:;<=>?@[]^_{|}";

/// A new password from the process's random source.
pub fn new_password(alphanumeric: bool) -> String {
    let alphabet: Vec<u8> = if alphanumeric {
        LETTERS.to_vec()
    } else {
        [LETTERS, SIGNS].concat()
    };
    let mut rng = rand::rng();
    (0..PASSWORD_LENGTH)
        .filter_map(|_| alphabet.choose(&mut rng).copied().map(char::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{escape, new_password};

    #[test]
    fn what_has_a_meaning_in_a_uri_is_escaped() {
        assert_eq!(escape("a/b@c:d ü"), "a%2Fb%40c%3Ad%20%C3%BC");
    }

    #[test]
    fn passwords_are_long_and_differ() {
        assert_eq!(new_password(false).len(), 24);
        assert_ne!(new_password(true), new_password(true));
        assert!(new_password(true).chars().all(|c| c.is_ascii_alphanumeric()));
    }
}

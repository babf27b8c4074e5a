//! The document that the agent beside the primary applies: users, databases, the stanza, Patroni's configuration.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::BuildError;
use super::metadata::owned;
use super::users::BuiltUser;
use crate::agent::desired::{
    Desired, DesiredPgBouncer, DesiredRepository, DesiredStanza, DesiredUser, SECRET_KEY,
};
use crate::controllers::cluster::names::STANZA;
use crate::controllers::cluster::validated::ValidatedCluster;

/// The Secret with the document. Its revision is a hash of everything else in it.
pub fn build(
    cluster: &ValidatedCluster,
    users: &[BuiltUser],
    pooler_verifier: Option<String>,
    dynamic: &Value,
) -> Result<(Secret, String), BuildError> {
    let mut desired = Desired {
        revision: String::new(),
        databases: cluster.databases(),
        users: users.iter().map(desired_user).collect(),
        create_user_schema: cluster.create_user_schema,
        pgbouncer: pooler_verifier.map(|verifier| DesiredPgBouncer {
            verifier,
            expose_superusers: cluster
                .pooler
                .as_ref()
                .is_some_and(|pooler| pooler.expose_superusers),
        }),
        extensions: cluster.extensions.create.clone(),
        dynamic_configuration: dynamic.clone(),
        stanza: cluster.backups.as_ref().map(|backups| DesiredStanza {
            name: STANZA.to_owned(),
            repos: backups
                .repos
                .iter()
                .filter(|repo| backups.cleared.contains(&repo.name))
                .map(|repo| DesiredRepository {
                    name: repo.name.clone(),
                    key: repo.key,
                })
                .collect(),
            cluster_uid: cluster.uid.clone(),
            suspended: backups.suspended().map(|repo| repo.key).collect(),
        }),
    };
    desired.revision = hex::encode(Sha256::digest(render(&desired)?))
        .chars()
        .take(16)
        .collect();
    let text = render(&desired)?;
    let secret = Secret {
        metadata: owned(cluster, cluster.names.agent(), "pg"),
        data: Some([(SECRET_KEY.to_owned(), ByteString(text))].into()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    Ok((secret, desired.revision))
}

fn desired_user(built: &BuiltUser) -> DesiredUser {
    let user = &built.user;
    DesiredUser {
        name: user.name.clone(),
        verifier: built.verifier.clone(),
        databases: user.databases.clone(),
        options: user.options.clone(),
        grant_public_schema_access: user.grant_public_schema_access,
    }
}

fn render(desired: &Desired) -> Result<Vec<u8>, BuildError> {
    serde_json::to_vec(desired).map_err(|error| BuildError::Render {
        what: SECRET_KEY,
        message: error.to_string(),
    })
}

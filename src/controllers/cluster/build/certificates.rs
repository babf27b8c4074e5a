//! The Secrets with certificates. Keys and names of the Secrets are those applications mount; what is still good stays.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::metadata::{labelled, lasting};
use super::{BuildError, Held, repo_host};
use crate::controllers::cluster::engine::{AUTHORITY_KEY, CLIENT_CERTIFICATE_KEY, CLIENT_KEY_KEY};
use crate::controllers::cluster::names::{LABEL_INSTANCE, LABEL_INSTANCE_SET, Names, REPLICATION_USER};
use crate::controllers::cluster::validated::{Instance, ValidatedCluster};
use crate::pki::{Authority, LeafProfile, Pair, Usage};

/// What the other builders need of the certificates.
pub struct Certificates {
    /// Every Secret that holds one, but the pooler's.
    pub secrets: Vec<Secret>,
    /// Signs the pooler's.
    pub authority: Authority,
    /// The clock of this build.
    pub now: DateTime<Utc>,
}

/// Builds the authority and every leaf but the pooler's.
pub fn build(
    cluster: &ValidatedCluster,
    held: &Held,
    now: DateTime<Utc>,
) -> Result<Certificates, BuildError> {
    let names = &cluster.names;
    let existing = |secret: &str, certificate: &str, key: &str| {
        Pair::from_bytes(held.value(secret, certificate), held.value(secret, key))
    };
    let authority = Authority::ensure(existing(&names.ca_secret(), "root.crt", "root.key"), now)?;
    let ca = authority.certificate().to_owned();
    let mut secrets = vec![secret(
        cluster,
        names.ca_secret(),
        "pg",
        [
            ("root.crt", ca.clone()),
            ("root.key", authority.pair().key.clone()),
        ],
    )];

    let servers = authority.ensure_leaf(
        existing(&names.cluster_cert(), "tls.crt", "tls.key"),
        &servers_profile(cluster),
        now,
    )?;
    let replication = authority.ensure_leaf(
        existing(&names.replication_cert(), "tls.crt", "tls.key"),
        &LeafProfile {
            common_name: REPLICATION_USER.to_owned(),
            dns_names: vec![REPLICATION_USER.to_owned()],
            usage: Usage::Client,
        },
        now,
    )?;
    for (name, pair) in [
        (names.cluster_cert(), servers),
        (names.replication_cert(), replication),
    ] {
        secrets.push(secret(
            cluster,
            name,
            "pg",
            [
                ("tls.crt", pair.certificate),
                ("tls.key", pair.key),
                ("ca.crt", ca.clone()),
            ],
        ));
    }
    if cluster.backups.is_some() {
        let client_name = cluster.pgbackrest_client();
        let client = authority.ensure_leaf(
            existing(&names.pgbackrest(), CLIENT_CERTIFICATE_KEY, CLIENT_KEY_KEY),
            &LeafProfile {
                dns_names: vec![],
                common_name: client_name,
                usage: Usage::Client,
            },
            now,
        )?;
        let mut own = secret(
            cluster,
            names.pgbackrest(),
            "pgbackrest",
            [
                (AUTHORITY_KEY, ca.clone()),
                (CLIENT_CERTIFICATE_KEY, client.certificate),
                (CLIENT_KEY_KEY, client.key),
            ],
        );
        if let Some(server) = repo_host(cluster, held, &authority, now)? {
            own.data.get_or_insert_default().extend([
                (
                    repo_host::CERTIFICATE_KEY.to_owned(),
                    ByteString(server.certificate.into_bytes()),
                ),
                (repo_host::KEY_KEY.to_owned(), ByteString(server.key.into_bytes())),
            ]);
        }
        secrets.push(own);
        for instance in &cluster.instances {
            secrets.push(instance_secret(cluster, held, &authority, instance, now)?);
        }
    }
    Ok(Certificates {
        secrets,
        authority,
        now,
    })
}

/// The certificate of the repository host, where there is one.
fn repo_host(
    cluster: &ValidatedCluster,
    held: &Held,
    authority: &Authority,
    now: DateTime<Utc>,
) -> Result<Option<Pair>, BuildError> {
    if cluster
        .backups
        .as_ref()
        .is_none_or(|backups| backups.volumes.is_empty())
    {
        return Ok(None);
    }
    let (names, secret) = (&cluster.names, cluster.names.pgbackrest());
    let existing = Pair::from_bytes(
        held.value(&secret, repo_host::CERTIFICATE_KEY),
        held.value(&secret, repo_host::KEY_KEY),
    );
    let profile = LeafProfile {
        common_name: short_common_name(&names.repo_host()),
        // The name as instances write it in `repoN-host`: pgBackRest compares literally.
        dns_names: vec![names.pod_host(&names.repo_host())],
        usage: Usage::Server,
    };
    Ok(Some(authority.ensure_leaf(existing, &profile, now)?))
}

fn instance_secret(
    cluster: &ValidatedCluster,
    held: &Held,
    authority: &Authority,
    instance: &Instance,
    now: DateTime<Utc>,
) -> Result<Secret, BuildError> {
    let name = Names::instance_certs(&instance.name);
    let (certificate, key) = ("pgbackrest-server.crt", "pgbackrest-server.key");
    let pair = authority.ensure_leaf(
        Pair::from_bytes(held.value(&name, certificate), held.value(&name, key)),
        &LeafProfile {
            common_name: short_common_name(&instance.name),
            // The name as backup Jobs write it in `pgN-host`: pgBackRest compares literally.
            dns_names: vec![cluster.names.pod_host(&instance.name)],
            usage: Usage::Server,
        },
        now,
    )?;
    let mut secret = secret(
        cluster,
        name,
        "pg",
        [
            ("pgbackrest.ca-roots", authority.certificate().to_owned()),
            (certificate, pair.certificate),
            (key, pair.key),
        ],
    );
    secret.metadata = labelled(secret.metadata, LABEL_INSTANCE, &instance.name);
    if let Some(set) = cluster.set_of(instance) {
        secret.metadata = labelled(secret.metadata, LABEL_INSTANCE_SET, &set.name);
    }
    // This one is of no use without its instance.
    secret.metadata.owner_references = Some(vec![cluster.owner.clone()]);
    Ok(secret)
}

/// One certificate for all servers: clients reach them by Service and by Pod name. Patroni is client and server with it.
fn servers_profile(cluster: &ValidatedCluster) -> LeafProfile {
    let names = &cluster.names;
    let pods = names.pods();
    let mut dns_names: Vec<String> = [names.primary(), names.ha(), names.replicas(), pods.clone()]
        .iter()
        .flat_map(|service| names.service_dns(service))
        .collect();
    dns_names.extend(
        names
            .service_dns(&pods)
            .into_iter()
            .map(|name| format!("*.{name}")),
    );
    dns_names.push("localhost".to_owned());
    LeafProfile {
        common_name: short_common_name(&names.primary()),
        dns_names,
        usage: Usage::Both,
    }
}

/// Common names end at 64 characters; what matters is in the alternative names.
pub fn short_common_name(name: &str) -> String {
    name.chars().take(64).collect()
}

/// A Secret that outlives the cluster.
pub fn secret<const N: usize>(
    cluster: &ValidatedCluster,
    name: String,
    component: &str,
    data: [(&str, String); N],
) -> Secret {
    let data: BTreeMap<_, _> = data
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
        .collect();
    Secret {
        metadata: lasting(cluster, name, component),
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

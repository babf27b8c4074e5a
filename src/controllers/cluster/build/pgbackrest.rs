//! What every pod with pgBackRest in it mounts: its files, its certificates, and the configuration they come from.

use k8s_openapi::api::core::v1::{ConfigMap, Volume, VolumeMount, VolumeProjection};

use super::metadata::owned;
use super::pod::{from_config_map, from_secret, projected, read_only};
use crate::controllers::cluster::engine::{AUTHORITY_KEY, CLIENT_CERTIFICATE_KEY, CLIENT_KEY_KEY};
use crate::controllers::cluster::validated::{Backups, ValidatedCluster};
use crate::pgbackrest::configuration::{CONFIGURATION_DIRECTORY, INCLUDE_DIRECTORY, TLS_DIRECTORY};

/// Mounts of pgBackRest's configuration and certificates. The empty main file is mounted over whatever the image
/// brings; the directory below it is a volume of its own, since a volume cannot be mounted inside a projected one.
pub fn mounts() -> Vec<VolumeMount> {
    let main = format!("{CONFIGURATION_DIRECTORY}/pgbackrest.conf");
    vec![
        VolumeMount {
            sub_path: Some("pgbackrest.conf".to_owned()),
            ..read_only("pgbackrest-main", &main)
        },
        read_only("pgbackrest-config", INCLUDE_DIRECTORY),
        read_only("pgbackrest-tls", TLS_DIRECTORY),
    ]
}

/// The volumes for [`mounts`]: `files` of our `ConfigMap`, by key and name in the include directory, behind the user's, and
/// the certificate of a server, where there is one.
pub fn volumes(
    cluster: &ValidatedCluster,
    backups: &Backups,
    files: &[(&str, &str)],
    server: Option<VolumeProjection>,
) -> Vec<Volume> {
    let names = &cluster.names;
    let config = names.pgbackrest_config();
    let mut included = backups.configuration.clone();
    // Last, so that it is read last: pgBackRest reads the directory in name order, and `~` sorts behind letters.
    included.push(from_config_map(config.clone(), files));
    let mut certificates = vec![from_secret(
        names.pgbackrest(),
        &[
            (AUTHORITY_KEY, "ca.crt"),
            (CLIENT_CERTIFICATE_KEY, "client.crt"),
            (CLIENT_KEY_KEY, "client.key"),
        ],
    )];
    certificates.extend(server);
    vec![
        projected(
            "pgbackrest-main",
            vec![from_config_map(config, &[("pgbackrest.conf", "pgbackrest.conf")])],
        ),
        projected("pgbackrest-config", included),
        projected("pgbackrest-tls", certificates),
    ]
}

/// `ConfigMap` with pgBackRest's files, and the empty main file that hides the image's.
pub fn config_map(cluster: &ValidatedCluster) -> ConfigMap {
    let mut data = cluster
        .backups
        .as_ref()
        .map(|backups| backups.files.clone())
        .unwrap_or_default();
    data.insert("pgbackrest.conf".to_owned(), String::new());
    ConfigMap {
        metadata: owned(cluster, cluster.names.pgbackrest_config(), "pgbackrest"),
        data: Some(data),
        ..ConfigMap::default()
    }
}

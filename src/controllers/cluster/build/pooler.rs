//! `PgBouncer` in its plain form: a Deployment, its configuration, its certificate. A changed configuration rolls its
//! Pods, never below the wanted number.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, ContainerPort, PodSpec, PodTemplateSpec, Probe, Secret, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sha2::{Digest as _, Sha256};

use super::certificates::{Certificates, secret, short_common_name};
use super::metadata::{annotations, labelled, labels, owned, with};
use super::pod::{
    around, container_security, empty_dir, from_config_map, from_secret, mount, projected, read_only,
};
use super::users::new_password;
use super::{BuildError, Held};
use crate::controllers::cluster::names::{LABEL_CLUSTER, LABEL_ROLE, PGBOUNCER_USER};
use crate::controllers::cluster::validated::{Pooler, ValidatedCluster};
use crate::controllers::cluster::verifier;
use crate::pki::{LeafProfile, Pair, Usage};

const ADMIN_USER: &str = "_crunchypgbounceradmin";
const DIRECTORY: &str = "/etc/pgbouncer";

/// The pooler's objects.
pub struct BuiltPooler {
    pub config_map: ConfigMap,
    pub secret: Secret,
    pub deployment: Deployment,
    /// SCRAM verifier of the role with which it looks up others.
    pub verifier: String,
}

/// Nothing when the cluster has no pooler.
pub fn build(
    cluster: &ValidatedCluster,
    held: &Held,
    certificates: &Certificates,
) -> Result<Option<BuiltPooler>, BuildError> {
    let Some(pooler) = cluster.pooler.as_ref().filter(|pooler| pooler.replicas > 0) else {
        return Ok(None);
    };
    let names = &cluster.names;
    let name = names.pgbouncer();
    let password = held
        .text(&name, "pgbouncer-password")
        .unwrap_or_else(|| new_password(true));
    let admin = held
        .text(&name, "pgbouncer-admin-password")
        .unwrap_or_else(|| new_password(true));
    let verifier = verifier::ensure(held.text(&name, "pgbouncer-verifier"), &password);
    let (certificate, key) = ("pgbouncer-frontend.crt", "pgbouncer-frontend.key");
    let pair = certificates.authority.ensure_leaf(
        Pair::from_bytes(held.value(&name, certificate), held.value(&name, key)),
        &LeafProfile {
            common_name: short_common_name(&name),
            dns_names: names.service_dns(&name),
            usage: Usage::Server,
        },
        certificates.now,
    )?;
    let users = format!("\"{ADMIN_USER}\" \"{admin}\"\n\"{PGBOUNCER_USER}\" \"{password}\"\n");
    let ini = configuration(cluster, pooler);
    let fingerprint = Sha256::new()
        .chain_update(&ini)
        .chain_update(&verifier)
        .chain_update(&pair.certificate)
        .finalize();
    let mut secret = secret(
        cluster,
        name.clone(),
        "pgbouncer",
        [
            ("pgbouncer-users.txt", users),
            ("pgbouncer-password", password),
            ("pgbouncer-verifier", verifier.clone()),
            ("pgbouncer-admin-password", admin),
            (
                "pgbouncer-frontend.ca-roots",
                certificates.authority.certificate().to_owned(),
            ),
            (certificate, pair.certificate),
            (key, pair.key),
        ],
    );
    secret.metadata = labelled(secret.metadata, LABEL_ROLE, "pgbouncer");
    let config_map = ConfigMap {
        metadata: labelled(owned(cluster, name, "pgbouncer"), LABEL_ROLE, "pgbouncer"),
        data: Some([("pgbouncer.ini".to_owned(), ini)].into()),
        ..ConfigMap::default()
    };
    let deployment = deployment(cluster, pooler, &hex::encode(fingerprint));
    Ok(Some(BuiltPooler {
        config_map,
        secret,
        deployment,
        verifier,
    }))
}

fn configuration(cluster: &ValidatedCluster, pooler: &Pooler) -> String {
    let file = |name: &str| format!("{DIRECTORY}/tls/{name}");
    let mut settings: BTreeMap<String, String> = [
        ("admin_users", ADMIN_USER.to_owned()),
        ("auth_file", format!("{DIRECTORY}/users.txt")),
        (
            "auth_query",
            "SELECT username, password from pgbouncer.get_auth($1)".to_owned(),
        ),
        ("auth_type", "scram-sha-256".to_owned()),
        ("auth_user", PGBOUNCER_USER.to_owned()),
        ("client_tls_ca_file", file("ca.crt")),
        ("client_tls_cert_file", file("tls.crt")),
        ("client_tls_key_file", file("tls.key")),
        ("client_tls_sslmode", "require".to_owned()),
        ("ignore_startup_parameters", "extra_float_digits".to_owned()),
        ("listen_addr", "*".to_owned()),
        ("listen_port", pooler.port.to_string()),
        // The probes only connect; that is not worth a line each time.
        ("log_disconnections", "0".to_owned()),
        // After a failover the new primary is asked again after a second, not after the default fifteen.
        ("server_login_retry", "1".to_owned()),
        ("server_tls_ca_file", file("ca.crt")),
        ("server_tls_sslmode", "verify-full".to_owned()),
        ("unix_socket_dir", String::new()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    for (key, value) in &pooler.global {
        match key.as_str() {
            "conffile" => {}
            // Others may be administrators too; ours stays one.
            "admin_users" => {
                settings.insert(key.clone(), format!("{ADMIN_USER},{value}"));
            }
            _ => {
                settings.insert(key.clone(), value.clone());
            }
        }
    }
    let databases = if pooler.databases.is_empty() {
        BTreeMap::from([(
            "*".to_owned(),
            format!("host={} port={}", cluster.names.primary(), cluster.port),
        )])
    } else {
        pooler.databases.clone()
    };
    let mut ini = String::from("; Written by Holdfast. Changes made here are lost.\n");
    for (section, entries) in [
        ("pgbouncer", &settings),
        ("databases", &databases),
        ("users", &pooler.users),
    ] {
        if !entries.is_empty() {
            let _ = writeln!(ini, "\n[{section}]");
            for (key, value) in entries {
                let _ = writeln!(ini, "{key} = {value}");
            }
        }
    }
    ini
}

fn deployment(cluster: &ValidatedCluster, pooler: &Pooler, fingerprint: &str) -> Deployment {
    let names = &cluster.names;
    let name = names.pgbouncer();
    let selector = LabelSelector {
        match_labels: Some(
            [(LABEL_CLUSTER, names.cluster.as_str()), (LABEL_ROLE, "pgbouncer")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        match_expressions: None,
    };
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels(
                cluster,
                "pgbouncer",
                &[(LABEL_ROLE, "pgbouncer")],
                Some(&pooler.metadata),
            )),
            annotations: annotations(
                cluster,
                &pooler.metadata,
                &[("holdfast.dev/configuration", fingerprint)],
            ),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(cluster, pooler, &selector)),
    };
    Deployment {
        metadata: labelled(
            with(owned(cluster, name, "pgbouncer"), &pooler.metadata),
            LABEL_ROLE,
            "pgbouncer",
        ),
        spec: Some(DeploymentSpec {
            replicas: Some(if cluster.paused { 0 } else { pooler.replicas }),
            selector,
            template,
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: None,
                }),
            }),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod(cluster: &ValidatedCluster, pooler: &Pooler, selector: &LabelSelector) -> PodSpec {
    let name = cluster.names.pgbouncer();
    let volumes = vec![
        empty_dir("tmp"),
        projected(
            "pgbouncer-config",
            vec![
                from_config_map(name.clone(), &[("pgbouncer.ini", "pgbouncer.ini")]),
                from_secret(
                    name,
                    &[
                        ("pgbouncer-users.txt", "users.txt"),
                        ("pgbouncer-frontend.ca-roots", "tls/ca.crt"),
                        ("pgbouncer-frontend.crt", "tls/tls.crt"),
                        ("pgbouncer-frontend.key", "tls/tls.key"),
                    ],
                ),
            ],
        ),
    ];
    around(
        container(cluster, pooler),
        volumes,
        cluster,
        &pooler.pod,
        selector,
    )
}

fn container(cluster: &ValidatedCluster, pooler: &Pooler) -> Container {
    let settings = &pooler.pod;
    let mut mounts = vec![read_only("pgbouncer-config", DIRECTORY), mount("tmp", "/tmp")];
    mounts.extend(settings.mounts.iter().cloned());
    Container {
        name: "pgbouncer".to_owned(),
        image: Some(cluster.images.pgbouncer.clone()),
        image_pull_policy: cluster.images.pull_policy.clone(),
        command: Some(vec!["pgbouncer".to_owned(), format!("{DIRECTORY}/pgbouncer.ini")]),
        env: (!settings.env.is_empty()).then(|| settings.env.clone()),
        env_from: (!settings.env_from.is_empty()).then(|| settings.env_from.clone()),
        ports: Some(vec![ContainerPort {
            name: Some("pgbouncer".to_owned()),
            container_port: pooler.port,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        resources: settings.resources.clone(),
        security_context: Some(container_security()),
        liveness_probe: Some(probe(pooler.port, 10, 6)),
        readiness_probe: Some(probe(pooler.port, 5, 3)),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// Whether it accepts connections. It must not ask the server behind: during a failover clients wait in the pooler,
/// which is what it is for.
fn probe(port: i32, period: i32, failures: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(port),
            host: None,
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

//! The clusters: one instance, one S3 repository with two schedules, pgBouncer.

use futures::{StreamExt as _, stream};
use holdfast::api::PerconaPGCluster;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use super::server::Server;

/// Where the clusters' repositories are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// An S3 server that answers.
    S3,
    /// An address at which nobody answers.
    Nowhere,
}

/// As many at once create the clusters.
const AT_ONCE: usize = 8;

pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use tests/scale/control-plane"))
}

/// The namespace, and what the clusters in it name.
pub async fn prepare(server: &Server, namespace: &str) {
    let configuration = format!(
        "[global]\nrepo1-s3-key={}\nrepo1-s3-key-secret={}\nrepo1-storage-ca-file=/etc/pgbackrest/conf.d/ca.crt\n",
        variable("S3_ACCESS_KEY"),
        variable("S3_SECRET_KEY"),
    );
    let authority = std::fs::read_to_string(variable("S3_CA_FILE")).unwrap();
    let objects = [
        (
            "/api/v1/namespaces".to_owned(),
            json!({"metadata": {"name": namespace}}),
        ),
        (
            format!("/api/v1/namespaces/{namespace}/secrets"),
            json!({"metadata": {"name": "store"}, "stringData": {"s3.conf": configuration, "ca.crt": authority}}),
        ),
    ];
    for (path, object) in objects {
        server.post(&path, &object).await;
    }
}

pub fn name(number: usize) -> String {
    format!("c{number:04}")
}

pub fn cluster(name: &str, store: Store) -> PerconaPGCluster {
    let endpoint = match store {
        Store::S3 => variable("S3_ENDPOINT"),
        Store::Nowhere => "198.51.100.9:9000".to_owned(),
    };
    let volume = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let repository = json!({
        "name": "repo1",
        "s3": {"bucket": variable("S3_BUCKET"), "endpoint": endpoint, "region": "us-east-1"},
        "schedules": {"full": "0 1 * * 0", "incremental": "0 1 * * 1-6"},
    });
    let spec = json!({
        "postgresVersion": 18,
        "instances": [{"name": "main", "replicas": 1, "dataVolumeClaimSpec": volume}],
        "proxy": {"pgBouncer": {"replicas": 1}},
        "backups": {"pgbackrest": {
            "configuration": [{"secret": {"name": "store"}}],
            "global": {"repo1-path": format!("/{name}"), "repo1-s3-uri-style": "path", "repo1-retention-full": "2"},
            "repos": [repository],
        }},
    });
    serde_json::from_value(cluster_object(name, &spec)).unwrap()
}

fn cluster_object(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster", "metadata": {"name": name}, "spec": spec})
}

/// Creates clusters, each in its namespace, as fast as the server takes them.
pub async fn create(server: &Server, clusters: Vec<(String, PerconaPGCluster)>) {
    stream::iter(clusters)
        .for_each_concurrent(AT_ONCE, |(namespace, cluster)| async move {
            let api: Api<PerconaPGCluster> = Api::namespaced(server.client.clone(), &namespace);
            api.create(&PostParams::default(), &cluster).await.unwrap();
        })
        .await;
}

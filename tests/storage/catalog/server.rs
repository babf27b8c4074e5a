//! A PostgreSQL server in a pod.

use serde_json::json;

use crate::{
    engine::{Namespace, kubectl_works},
    stores::unique,
};

const PASSWORD: &str = "a-password-of-the-test";

const SCRIPT: &str = r#"
set -eu
echo "$PASSWORD" >/tmp/password
initdb -D /pgdata/pg -U postgres -A scram-sha-256 --pwfile=/tmp/password >/dev/null
echo 'host all all all scram-sha-256' >>/pgdata/pg/pg_hba.conf
exec postgres -D /pgdata/pg -c 'listen_addresses=*' -c unix_socket_directories=/tmp
"#;

pub struct Server {
    address: String,
    _namespace: Namespace,
}

impl Server {
    /// Waits until it takes connections.
    pub fn start() -> Self {
        let name = unique("catalog-test");
        let namespace = Namespace(name.clone());
        kubectl_works(&["create", "namespace", &name], None);
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "catalog" }, "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": { "runAsUser": 26, "runAsGroup": 26, "fsGroup": 26 },
            "containers": [{
                "name": "postgres", "image": "localhost/holdfast-postgres:18", "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", SCRIPT],
                "env": [{ "name": "PASSWORD", "value": PASSWORD }],
                "readinessProbe": { "exec": { "command": ["pg_isready", "-q", "-h", "localhost"] }, "periodSeconds": 1 },
                "volumeMounts": [{ "name": "data", "mountPath": "/pgdata" }],
            }],
            "volumes": [{ "name": "data", "emptyDir": {} }],
        } });
        kubectl_works(&["apply", "-n", &name, "-f", "-"], Some(&pod.to_string()));
        kubectl_works(
            &[
                "wait",
                "-n",
                &name,
                "pod/catalog",
                "--for=condition=Ready",
                "--timeout=120s",
            ],
            None,
        );
        let address = kubectl_works(
            &["get", "-n", &name, "pod/catalog", "-o=jsonpath={.status.podIP}"],
            None,
        );
        Self {
            address,
            _namespace: namespace,
        }
    }

    pub fn url(&self) -> String {
        self.url_as("postgres", PASSWORD)
    }

    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!(
            "postgres://{user}:{password}@{}:5432/postgres?sslmode=disable",
            self.address
        )
    }
}

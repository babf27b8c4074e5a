//! An independent witness: pgBackRest itself, in a pod that has nothing to do with the product.

use holdfast::api::PerconaPGBackup;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, LogParams};
use serde_json::{Value, json};

use super::backup::status;
use super::{Cluster, Scenario, minutes};

impl Scenario {
    /// The backups that `pgbackrest info --output=json` shows in the repository.
    pub async fn info(&self, cluster: &Cluster) -> Vec<Value> {
        let output = self.pgbackrest(cluster, &["--output=json", "info"]).await;
        let stanzas: Vec<Value> =
            serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
        let cipher = if cluster.cipher.is_some() {
            "aes-256-cbc"
        } else {
            "none"
        };
        assert_eq!(stanzas[0]["cipher"], cipher, "{output}");
        stanzas[0]["backup"].as_array().cloned().unwrap_or_default()
    }

    /// Runs pgBackRest by hand, against the bucket.
    pub async fn pgbackrest(&self, cluster: &Cluster, arguments: &[&str]) -> String {
        let command: Vec<&str> = ["pgbackrest", "--stanza=db"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let (ended_well, logs) = self.by_hand(cluster, &command).await;
        assert!(ended_well, "pgbackrest {arguments:?}: {logs}");
        logs
    }

    /// Runs a script of a restore by hand, as [`Scenario::by_hand`] does, with what `recovery.sh` defines.
    pub async fn recovery_by_hand(
        &self,
        cluster: &Cluster,
        script: &str,
        arguments: &[&str],
    ) -> (bool, String) {
        let script = format!("{}\n{script}", include_str!("recovery.sh"));
        let command = [&["bash", "-c", &script, "by-hand"], arguments].concat();
        self.by_hand(cluster, &command).await
    }

    /// Runs a command in a pod that has PostgreSQL, pgBackRest, the configuration for the bucket and an empty `/pgdata`;
    /// whether it ended well, and what it said.
    pub async fn by_hand(&self, cluster: &Cluster, command: &[&str]) -> (bool, String) {
        let name = format!("witness-{:08x}", rand::random::<u32>());
        let options: Vec<String> = cluster
            .options()
            .iter()
            .filter(|(key, _)| !key.ends_with("-storage-ca-file"))
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        let stores: Vec<String> = (1..=if cluster.second.is_some() { 2 } else { 1 })
            .map(|key| {
                let endpoint = if key == 1 {
                    &cluster.endpoint
                } else {
                    &self.stores.s3()
                };
                format!(
                    "repo{key}-type=s3\nrepo{key}-s3-bucket={}\nrepo{key}-s3-endpoint={endpoint}\nrepo{key}-s3-region={}\n\
                     repo{key}-storage-ca-file=/etc/pgbackrest/ca.crt\n",
                    cluster.bucket,
                    self.stores.of("S3_REGION"),
                )
            })
            .collect();
        let ini = format!(
            "{}{}log-level-file=off\n{}",
            cluster.secret_options(),
            stores.concat(),
            options.concat()
        );
        let secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
            "stringData": { "pgbackrest.conf": ini, "ca.crt": self.stores.ca() },
        }))
        .unwrap();
        self.apply(&secret).await;
        let pod: Pod = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "e2e": "witness" } },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": { "runAsNonRoot": true, "runAsUser": 26, "fsGroup": 26, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{
                    "name": "pgbackrest", "image": image(), "command": command,
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                    "volumeMounts": [
                        { "name": "configuration", "mountPath": "/etc/pgbackrest" },
                        { "name": "data", "mountPath": "/pgdata" },
                    ],
                }],
                "volumes": [
                    { "name": "configuration", "secret": { "secretName": name, "defaultMode": 0o440 } },
                    { "name": "data", "emptyDir": {} },
                ],
            },
        }))
        .unwrap();
        self.apply(&pod).await;
        let ended = self
            .until(&name, "ended", minutes(10), |pod: &Pod| {
                ["Succeeded", "Failed"].contains(&phase(pod))
            })
            .await;
        let logs = self
            .api::<Pod>()
            .logs(&name, &LogParams::default())
            .await
            .unwrap();
        let _ = self.api::<Pod>().delete(&name, &DeleteParams::default()).await;
        let _ = self.api::<Secret>().delete(&name, &DeleteParams::default()).await;
        (phase(&ended) == "Succeeded", logs)
    }

    /// The status of a backup says what pgBackRest sees in the repository, which holds it exactly once.
    pub async fn is_as_pgbackrest_sees_it(&self, cluster: &Cluster, backup: &PerconaPGBackup) -> Value {
        let all = self.info(cluster).await;
        let name = backup.metadata.name.clone().unwrap();
        let mine: Vec<&Value> = all
            .iter()
            .filter(|seen| seen["annotation"]["percona.com/backup-name"] == name.as_str())
            .collect();
        assert_eq!(mine.len(), 1, "backups named {name} in the repository: {all:#?}");
        let (seen, status) = (mine[0], status(backup));
        assert_eq!(seen["label"].as_str(), status.backup_name.as_deref());
        assert_eq!(seen["type"].as_str(), status.backup_type.as_deref());
        assert_eq!(seen["info"]["delta"].as_i64(), status.size);
        assert_eq!(
            seen["annotation"]["percona.com/backup-job-name"].as_str(),
            status.job_name.as_deref()
        );
        assert_eq!(seen["error"], false);
        seen.clone()
    }
}

/// The image with PostgreSQL and pgBackRest.
pub fn image() -> String {
    std::env::var("RELATED_IMAGE_POSTGRES_18").unwrap_or_else(|_| "localhost/holdfast-postgres:18".to_owned())
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("")
}

//! A cluster with a repository of each kind, as a user writes it; two of them are encrypted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast::api::PerconaPGCluster;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::{Cluster, Scenario, condition, kubectl_exec, minutes};

/// On S3, on a volume, on Azure, on GCS.
pub const REPOSITORIES: [&str; 4] = ["repo1", "repo2", "repo3", "repo4"];

/// The cluster as a user writes it, two of its repositories encrypted.
pub struct Four<'a> {
    pub scenario: &'a Scenario,
    pub cluster: Cluster,
    pub instances: i32,
    /// `schedules` by repository.
    pub schedules: BTreeMap<&'static str, Value>,
    /// The key with which S3 is spoken to.
    pub s3_secret: String,
    passphrase: String,
}

impl<'a> Four<'a> {
    pub fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            cluster: Cluster::plain("app", scenario),
            instances: 1,
            schedules: BTreeMap::new(),
            s3_secret: scenario.stores.of("S3_SECRET_KEY").to_owned(),
            passphrase: format!("passphrase-{:016x}", rand::random::<u64>()),
        }
    }

    /// Creates the cluster with these repositories, or changes it to them.
    pub async fn apply(&self, repositories: &[&str]) {
        let (scenario, stores) = (self.scenario, self.scenario.stores);
        let mut ini = "[global]\n".to_owned();
        for (option, value) in [
            ("repo1-s3-key", stores.of("S3_ACCESS_KEY")),
            ("repo1-s3-key-secret", &self.s3_secret),
            ("repo1-cipher-pass", &self.passphrase),
            ("repo3-azure-account", stores.of("AZURE_ACCOUNT")),
            ("repo3-azure-key", stores.of("AZURE_KEY")),
            ("repo4-gcs-key", &format!("Bearer {}", stores.of("GCS_TOKEN"))),
        ] {
            writeln!(ini, "{option}={value}").unwrap();
        }
        if repositories.contains(&"repo2") {
            writeln!(ini, "repo2-cipher-pass={}", self.passphrase).unwrap();
        }
        let secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "app-stores" },
            "stringData": { "stores.conf": ini, "ca.crt": stores.ca() },
        }))
        .unwrap();
        scenario.apply(&secret).await;
        let mut all = [
            json!({ "name": "repo1", "s3": {
                "bucket": stores.of("S3_BUCKET"), "endpoint": stores.s3(), "region": stores.of("S3_REGION") } }),
            json!({ "name": "repo2", "volume": { "volumeClaimSpec": {
                "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } } }),
            json!({ "name": "repo3", "azure": { "container": stores.of("AZURE_CONTAINER") } }),
            json!({ "name": "repo4", "gcs": { "bucket": stores.of("GCS_BUCKET") } }),
        ];
        for repository in &mut all {
            if let Some(schedules) = self.schedules.get(repository["name"].as_str().unwrap()) {
                repository["schedules"] = schedules.clone();
            }
        }
        let wanted: Vec<&Value> = all
            .iter()
            .filter(|repository| repositories.contains(&repository["name"].as_str().unwrap()))
            .collect();
        let cluster: PerconaPGCluster = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": { "name": "app", "finalizers": ["percona.com/delete-pvc"] },
            "spec": {
                "postgresVersion": 18, "imagePullPolicy": "IfNotPresent",
                "instances": [{ "name": "a", "replicas": self.instances, "dataVolumeClaimSpec": {
                    "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
                "backups": { "pgbackrest": {
                    "configuration": [{ "secret": { "name": "app-stores" } }],
                    "global": self.global(repositories),
                    "repos": wanted,
                } },
            },
        }))
        .unwrap();
        scenario.apply(&cluster).await;
    }

    fn global(&self, repositories: &[&str]) -> BTreeMap<String, String> {
        let stores = self.scenario.stores;
        let server = |kind: &str| {
            let part = |part: &str| stores.of(&format!("{kind}_{part}")).to_owned();
            format!("{}:{}", part("HOST"), part("PORT"))
        };
        let mut global: BTreeMap<String, String> = [
            ("repo1-cipher-type", "aes-256-cbc".to_owned()),
            ("repo1-s3-uri-style", "path".to_owned()),
            ("repo2-cipher-type", "aes-256-cbc".to_owned()),
            ("repo3-azure-endpoint", server("AZURE")),
            ("repo3-azure-uri-style", "path".to_owned()),
            ("repo4-gcs-endpoint", server("GCS")),
            ("repo4-gcs-key-type", "token".to_owned()),
        ]
        .map(|(option, value)| (option.to_owned(), value))
        .into();
        for repository in repositories {
            global.insert(format!("{repository}-retention-full"), "9".to_owned());
            if *repository != "repo2" {
                let path = format!("{}/{repository}", self.scenario.store_path());
                global.insert(format!("{repository}-path"), path);
                let authority = "/etc/pgbackrest/conf.d/ca.crt".to_owned();
                global.insert(format!("{repository}-storage-ca-file"), authority);
            }
        }
        global
    }

    /// Waits until a condition is so, and returns its message.
    pub async fn is(&self, kind: &str, wanted: (&str, &str)) -> String {
        let find = |cluster: &PerconaPGCluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let found = condition(&status.conditions, kind)?;
            ((found.0, found.1) == wanted).then(|| found.2.to_owned())
        };
        let what = format!("{kind}={} for {}", wanted.0, wanted.1);
        let cluster = self
            .scenario
            .until("app", &what, minutes(3), |cluster| find(cluster).is_some())
            .await;
        find(&cluster).unwrap()
    }

    /// Waits until what is said of missing WAL holds.
    pub async fn until_wal_continuous(&self, what: &str, holds: impl Fn((&str, &str, &str)) -> bool) {
        let told = |cluster: &PerconaPGCluster| {
            let status = cluster.status.clone().unwrap_or_default();
            condition(&status.conditions, "WALContinuous").is_some_and(&holds)
        };
        self.scenario.until("app", what, minutes(2), told).await;
    }

    /// What `pgbackrest info` says of one repository, in the pod that can see them all.
    pub async fn info(&self, repository: &str) -> Value {
        let key = format!("--repo={}", repository.trim_start_matches("repo"));
        let command = ["pgbackrest", "--stanza=db", &key, "--output=json", "info"];
        let output = kubectl_exec(
            &self.scenario.namespace,
            "app-repo-host-0",
            "pgbackrest",
            &command,
            "",
        )
        .await
        .unwrap();
        let stanzas: Vec<Value> =
            serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
        let encrypted = ["repo1", "repo2"].contains(&repository);
        assert_eq!(
            stanzas[0]["cipher"],
            if encrypted { "aes-256-cbc" } else { "none" }
        );
        stanzas[0].clone()
    }
}

//! A cluster as a user writes it, with one S3 repository.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast::api::cluster::status::ClusterState;
use holdfast::api::{ConditionType, PerconaPGCluster};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::wait::condition;
use super::{Scenario, Stores, minutes, seconds};

/// What the user asks for. Fields are changed by a scenario, and applied again.
#[derive(Clone)]
pub struct Cluster {
    pub name: String,
    pub instances: i32,
    pub poolers: i32,
    pub bucket: String,
    pub endpoint: String,
    pub path: String,
    pub key: String,
    pub key_secret: String,
    /// Passphrase; the repository is encrypted when there is one.
    pub cipher: Option<String>,
    /// More of pgBackRest's options, for `global`; an empty one takes an option away.
    pub more: BTreeMap<String, String>,
    /// `spec.backups.objectives.recoveryPoint`.
    pub recovery_point: Option<String>,
    /// `spec.backups.pgbackrest.jobs`.
    pub jobs: Value,
    /// `repo2`, in the same bucket.
    pub second: Option<Second>,
    /// `spec.dataSource`.
    pub data_source: Value,
    /// `spec.standby`.
    pub standby: Value,
    /// `spec.pause`.
    pub paused: bool,
    /// A volume for the WAL, and one for the tablespace `fast`.
    pub more_volumes: bool,
    stores: &'static Stores,
}

/// A second repository in the bucket of the first.
#[derive(Clone)]
pub struct Second {
    pub key_secret: String,
    pub suspended: bool,
}

impl Cluster {
    /// One instance, no pooler, a repository that is not encrypted.
    pub fn plain(name: &str, scenario: &Scenario) -> Self {
        let stores = scenario.stores;
        Self {
            name: name.to_owned(),
            instances: 1,
            poolers: 1,
            bucket: stores.of("S3_BUCKET").to_owned(),
            endpoint: stores.s3(),
            path: format!("{}/{name}/repo1", scenario.store_path()),
            key: stores.of("S3_ACCESS_KEY").to_owned(),
            key_secret: stores.of("S3_SECRET_KEY").to_owned(),
            cipher: None,
            more: BTreeMap::new(),
            recovery_point: None,
            jobs: json!({}),
            second: None,
            data_source: Value::Null,
            standby: Value::Null,
            paused: false,
            more_volumes: false,
            stores,
        }
    }

    /// The same with an encrypted repository.
    pub fn encrypted(name: &str, scenario: &Scenario) -> Self {
        Self {
            cipher: Some(format!("passphrase-{:016x}", rand::random::<u64>())),
            ..Self::plain(name, scenario)
        }
    }

    /// The same with a second repository.
    pub fn double(name: &str, scenario: &Scenario) -> Self {
        let plain = Self::plain(name, scenario);
        Self {
            second: Some(Second {
                key_secret: plain.key_secret.clone(),
                suspended: false,
            }),
            ..plain
        }
    }

    /// Path of the second repository.
    pub fn second_path(&self) -> String {
        self.path.replace("repo1", "repo2")
    }

    /// Name of the Secret with the credentials.
    pub fn secret_name(&self) -> String {
        format!("{}-s3", self.name)
    }

    /// pgBackRest's options that are not secret.
    pub fn options(&self) -> BTreeMap<String, String> {
        let mut options = BTreeMap::from(
            [
                ("repo1-path", self.path.as_str()),
                ("repo1-s3-uri-style", "path"),
                ("repo1-storage-ca-file", "/etc/pgbackrest/conf.d/ca.crt"),
                ("repo1-retention-full", "99"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        if self.second.is_some() {
            let own = |(key, value): (&String, &String)| (key.replace("repo1", "repo2"), value.clone());
            let second: Vec<_> = options.iter().map(own).collect();
            options.extend(second);
            options.insert("repo2-path".to_owned(), self.second_path());
        }
        options.extend(self.more.clone());
        options.retain(|_, value| !value.is_empty());
        if self.cipher.is_some() {
            options.insert("repo1-cipher-type".to_owned(), "aes-256-cbc".to_owned());
        }
        options
    }

    /// pgBackRest's options that are secret, as an ini file.
    pub fn secret_options(&self) -> String {
        let mut ini = format!(
            "[global]\nrepo1-s3-key={}\nrepo1-s3-key-secret={}\n",
            self.key, self.key_secret
        );
        if let Some(second) = &self.second {
            let (key, secret) = (&self.key, &second.key_secret);
            ini.extend(["repo2-s3-key=", key, "\nrepo2-s3-key-secret=", secret, "\n"]);
        }
        if let Some(cipher) = &self.cipher {
            ini.extend(["repo1-cipher-pass=", cipher, "\n"]);
        }
        ini
    }

    pub fn secret(&self) -> Secret {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": self.secret_name() },
        }))
        .map(|secret: Secret| Secret {
            string_data: Some(BTreeMap::from([
                ("s3.conf".to_owned(), self.secret_options()),
                ("ca.crt".to_owned(), self.stores.ca()),
            ])),
            ..secret
        })
        .unwrap()
    }

    /// `repo1` as `spec.dataSource.pgbackrest` names it.
    pub fn as_source(&self) -> Value {
        json!({ "pgbackrest": {
            "stanza": "db", "repo": self.repositories()[0], "global": self.options(),
            "configuration": [{ "secret": { "name": self.secret_name() } }],
        } })
    }

    fn repositories(&self) -> Value {
        let store = json!({
            "bucket": self.bucket, "endpoint": self.endpoint, "region": self.stores.of("S3_REGION"),
        });
        let first = json!({ "name": "repo1", "s3": store });
        match &self.second {
            None => json!([first]),
            Some(second) => {
                let mut store = store;
                store["endpoint"] = json!(self.stores.s3());
                json!([first, { "name": "repo2", "s3": store, "suspendArchiving": second.suspended }])
            }
        }
    }

    fn object(&self) -> Value {
        let claim =
            json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
        let mut instances = json!({ "name": "a", "replicas": self.instances, "dataVolumeClaimSpec": claim });
        if self.more_volumes {
            instances["walVolumeClaimSpec"] = claim.clone();
            instances["tablespaceVolumes"] = json!([{ "name": "fast", "dataVolumeClaimSpec": claim }]);
        }
        json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": { "name": self.name },
            "spec": {
                "postgresVersion": 18,
                "dataSource": self.data_source,
                "standby": self.standby,
                "pause": self.paused.then_some(true),
                "imagePullPolicy": "IfNotPresent",
                "instances": [instances],
                "proxy": { "pgBouncer": { "replicas": self.poolers } },
                "backups": { "objectives": { "recoveryPoint": self.recovery_point }, "pgbackrest": {
                    "configuration": [{ "secret": { "name": self.secret_name() } }],
                    "global": self.options(),
                    // None at all instead of an empty one: server-side apply makes null of what it empties.
                    "jobs": (self.jobs != json!({})).then_some(&self.jobs),
                    "repos": self.repositories(),
                } },
            },
        })
    }

    /// Applies the Secret and the cluster: the first time, and after every change of the fields.
    pub async fn create(&self, scenario: &Scenario) {
        scenario.apply(&self.secret()).await;
        let cluster: PerconaPGCluster = serde_json::from_value(self.object()).unwrap();
        scenario.apply(&cluster).await;
    }

    /// Makes the tablespace that has a volume.
    pub fn tablespace(&self) -> &'static str {
        assert!(self.more_volumes);
        "create tablespace fast location '/tablespaces/fast/data'"
    }

    /// Changes what none of the fields says.
    pub async fn change(&self, scenario: &Scenario, change: &Value) {
        scenario
            .api::<PerconaPGCluster>()
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap();
    }

    /// Pauses it, or lets it go on.
    pub async fn pause(&self, scenario: &Scenario, paused: bool) {
        self.change(scenario, &json!({ "spec": { "pause": paused } }))
            .await;
    }

    /// Waits until every part runs and a backup could be taken.
    pub async fn ready(&self, scenario: &Scenario, within: Duration) -> PerconaPGCluster {
        let cluster = scenario
            .until(&self.name, "ready", within, |cluster: &PerconaPGCluster| {
                let Some(status) = &cluster.status else {
                    return false;
                };
                let holds = |kind: ConditionType| {
                    condition(&status.conditions, kind.as_str()).is_some_and(|found| found.0 == "True")
                };
                status.state == Some(ClusterState::Ready)
                    && status.observed_generation == cluster.metadata.generation
                    && holds(ConditionType::ReadyForBackup)
                    && holds(ConditionType::UsersApplied)
            })
            .await;
        scenario.tell("the cluster is ready");
        cluster
    }

    /// Waits until it applies what another cluster writes, and its instances are ready.
    pub async fn follows(&self, scenario: &Scenario, reason: &str, within: Duration) -> String {
        let follows = self
            .says(scenario, "StandbyFollowing", ("True", reason), within)
            .await;
        let ready = |cluster: &PerconaPGCluster| {
            let status = cluster.status.as_ref();
            status.is_some_and(|status| status.state == Some(ClusterState::Ready))
        };
        scenario.until(&self.name, "ready", within, ready).await;
        follows
    }

    /// Waits until the repository's condition is False for that reason; returns the message.
    pub async fn repository_is_not_ready(
        &self,
        scenario: &Scenario,
        reason: &str,
        within: Duration,
    ) -> String {
        let kind = ConditionType::RepositoryReady.of_repository("repo1");
        self.says(scenario, &kind, ("False", reason), within).await
    }

    /// Waits until the cluster says that WAL is not archived, for that reason; returns the message.
    pub async fn archiving_fails(&self, scenario: &Scenario, reason: &str, within: Duration) -> String {
        let kind = ConditionType::ArchivingHealthy.as_str();
        self.says(scenario, kind, ("False", reason), within).await
    }

    /// Waits until the cluster says that WAL is archived.
    pub async fn archives(&self, scenario: &Scenario, within: Duration) {
        let kind = ConditionType::ArchivingHealthy.as_str();
        self.says(scenario, kind, ("True", "AsSpecified"), within).await;
    }

    /// Waits until a condition has a status and a reason; returns its message.
    pub async fn says(
        &self,
        scenario: &Scenario,
        kind: &str,
        wanted: (&str, &str),
        within: Duration,
    ) -> String {
        let found = |cluster: &PerconaPGCluster| {
            let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice());
            let found = condition(conditions.unwrap_or_default(), kind)?;
            ((found.0, found.1) == wanted).then(|| found.2.to_owned())
        };
        let what = format!("{kind}={} for {}", wanted.0, wanted.1);
        let cluster = scenario
            .until(&self.name, &what, within, |cluster| found(cluster).is_some())
            .await;
        found(&cluster).unwrap()
    }

    /// Selects the instance pods.
    pub fn instance_selector(&self) -> String {
        format!(
            "postgres-operator.crunchydata.com/cluster={},postgres-operator.crunchydata.com/data=postgres",
            self.name
        )
    }

    /// The primary's pod.
    pub async fn primary(&self, scenario: &Scenario) -> Pod {
        self.primary_but(scenario, None, seconds(90)).await
    }

    /// Deletes the primary's pod and waits until another instance leads; the pod of that one.
    pub async fn fail_over(&self, scenario: &Scenario) -> Pod {
        let dead = self.primary(scenario).await.name_any();
        scenario
            .api::<Pod>()
            // Asked to end, it hands over; one that is killed is back, and leads on, before its lease has run out.
            .delete(&dead, &DeleteParams::default())
            .await
            .unwrap();
        scenario.tell(&format!("deleted the primary {dead}"));
        let heir = self.primary_but(scenario, Some(&dead), minutes(2)).await;
        scenario.tell(&format!("{} is the primary", heir.name_any()));
        heir
    }

    async fn primary_but(&self, scenario: &Scenario, not: Option<&str>, within: Duration) -> Pod {
        let selector = format!(
            "{},postgres-operator.crunchydata.com/role=primary",
            self.instance_selector()
        );
        scenario
            .any(&selector, "running as primary", within, |pod: &Pod| {
                pod.metadata.deletion_timestamp.is_none() && Some(pod.name_any().as_str()) != not
            })
            .await
    }
}

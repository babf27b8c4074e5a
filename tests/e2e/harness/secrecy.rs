//! No secret's value is anywhere but in Secrets: every scenario ends with this search.

use std::collections::BTreeMap;

use base64::Engine as _;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;

use super::Scenario;
use super::programs::run;

/// Everything that people and programs with few rights can read.
const READABLE: &str = "pods,jobs,deployments,statefulsets,replicasets,services,endpoints,configmaps,leases,events,\
     serviceaccounts,roles,rolebindings,persistentvolumeclaims,pg,pg-backup,pg-restore";

impl Scenario {
    /// Searches objects and logs of the namespace, and the operator's log, for the value of any secret.
    pub async fn no_secret_has_leaked(&self) {
        let secrets = self.secret_values().await;
        let objects = [
            "-n",
            &self.namespace,
            "get",
            READABLE,
            "-o",
            "json",
            "--show-managed-fields",
        ];
        let mut places = vec![("objects".to_owned(), run("kubectl", &objects, "").await.unwrap())];
        let pods = [
            "-n",
            &self.namespace,
            "get",
            "pods",
            "-o",
            "name",
            "-l",
            "e2e!=witness",
        ];
        for pod in run("kubectl", &pods, "").await.unwrap().lines() {
            let arguments = [
                "-n",
                &self.namespace,
                "logs",
                pod,
                "--all-containers",
                "--tail=-1",
            ];
            // A pod that goes away in between has no log any more.
            places.push((
                pod.to_owned(),
                run("kubectl", &arguments, "").await.unwrap_or_default(),
            ));
        }
        let operator = super::operator::namespace();
        let arguments = [
            "-n",
            &operator,
            "logs",
            "-l",
            super::operator::SELECTOR,
            "--tail=-1",
        ];
        places.push((
            "the operator".to_owned(),
            run("kubectl", &arguments, "").await.unwrap_or_default(),
        ));
        for (place, text) in &places {
            for (whose, value) in &secrets {
                assert!(
                    !text.contains(value.as_str()),
                    "the value of {whose} is in {place}"
                );
            }
        }
    }

    /// What must be nowhere, by where it belongs: values as they are and in base64.
    async fn secret_values(&self) -> BTreeMap<String, String> {
        let secrets = self.api::<Secret>().list(&ListParams::default()).await.unwrap();
        let mut values = BTreeMap::new();
        for secret in secrets {
            let name = secret.name_any();
            for (key, value) in secret.data.clone().unwrap_or_default() {
                let Ok(text) = String::from_utf8(value.0) else {
                    continue;
                };
                for (part, found) in sensitive(&key, &text) {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(&found);
                    values.insert(format!("{name}/{key}{part} in base64"), encoded);
                    values.insert(format!("{name}/{key}{part}"), found);
                }
            }
        }
        values
    }
}

/// The parts of a Secret's value that are secret.
fn sensitive(key: &str, text: &str) -> Vec<(String, String)> {
    if text.contains("PRIVATE KEY") {
        // The first line of the body is enough to recognise it.
        return text
            .lines()
            .nth(1)
            .map(|line| (String::new(), line.to_owned()))
            .into_iter()
            .collect();
    }
    if std::path::Path::new(key)
        .extension()
        .is_some_and(|extension| extension == "conf")
    {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        return lines
            .filter(|(option, _)| ["-secret", "-pass"].iter().any(|end| option.ends_with(end)))
            .map(|(option, value)| (format!(" {option}"), value.to_owned()))
            .collect();
    }
    if ["password", "verifier"].iter().any(|word| key.contains(word)) && text.len() >= 12 {
        return vec![(String::new(), text.to_owned())];
    }
    Vec::new()
}

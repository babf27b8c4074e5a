//! The API server: what it holds and what it was asked.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use kube::client::Body;
use serde_json::Value;

/// Where objects of each kind are listed, in a namespace.
const KINDS: [(&str, &str); 12] = [
    ("configmaps", "/api/v1"),
    ("persistentvolumeclaims", "/api/v1"),
    ("secrets", "/api/v1"),
    ("serviceaccounts", "/api/v1"),
    ("services", "/api/v1"),
    ("deployments", "/apis/apps/v1"),
    ("statefulsets", "/apis/apps/v1"),
    ("endpointslices", "/apis/discovery.k8s.io/v1"),
    ("poddisruptionbudgets", "/apis/policy/v1"),
    ("rolebindings", "/apis/rbac.authorization.k8s.io/v1"),
    ("roles", "/apis/rbac.authorization.k8s.io/v1"),
    ("leases", "/apis/coordination.k8s.io/v1"),
];

/// Label of what the operator makes for a cluster.
const OURS: &str = "app.kubernetes.io%2Fmanaged-by%3Dholdfast";

/// So many objects of each kind.
pub type Counts = BTreeMap<&'static str, usize>;

pub struct Server {
    pub client: Client,
}

impl Server {
    pub async fn connect() -> Self {
        Self {
            client: Client::try_default().await.unwrap(),
        }
    }

    pub async fn post(&self, path: &str, object: &Value) {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(object).unwrap())
            .unwrap();
        self.client.request::<Value>(request).await.unwrap();
    }

    pub async fn get(&self, path: &str) -> Value {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        self.client.request(request).await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let request = request.map(|_| Vec::new());
        self.client.request_text(request).await.unwrap()
    }

    /// How many objects of each kind the operator has made in a namespace: of a small one, since each is read.
    pub async fn ours(&self, namespace: &str) -> Counts {
        let mut counts = Counts::new();
        for (kind, _) in self.objects(namespace).await {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    /// What the operator has made in a namespace, with its kind; what Kubernetes makes of it by itself is not among it.
    pub async fn objects(&self, namespace: &str) -> Vec<(&'static str, Value)> {
        let mut all = Vec::new();
        for (kind, group) in KINDS {
            let path = format!("{group}/namespaces/{namespace}/{kind}?labelSelector={OURS}");
            let mut list = self.get(&path).await;
            let items = list["items"].as_array_mut().unwrap().split_off(0);
            let ours = items.into_iter().filter(|object| {
                let labels = &object["metadata"]["labels"];
                labels["endpointslice.kubernetes.io/managed-by"] != "endpointslice-controller.k8s.io"
            });
            all.extend(ours.map(|object| (kind, object)));
        }
        all
    }

    /// Where objects of a kind are made.
    pub fn path(kind: &str, namespace: &str) -> String {
        let group = KINDS.iter().find(|(known, _)| *known == kind);
        format!("{}/namespaces/{namespace}/{kind}", group.unwrap().1)
    }

    /// How many objects of a kind there are. Costs the server next to nothing.
    pub async fn count(&self, kind: &str) -> usize {
        let group = KINDS
            .iter()
            .find(|(known, _)| *known == kind)
            .map_or("/api/v1", |(_, group)| group);
        let list = self.get(&format!("{group}/{kind}?limit=1")).await;
        let more = list["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
        list["items"].as_array().unwrap().len() + usize::try_from(more).unwrap()
    }

    /// The same when nobody makes any: a new namespace gets some by itself.
    pub async fn settled_count(&self, kind: &str) -> usize {
        let mut count = self.count(kind).await;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.count(kind).await;
            if now == count {
                return now;
            }
            count = now;
        }
    }

    /// Requests of the operator so far; those by verb and resource are of everybody, told to find out which.
    pub async fn requests(&self) -> Requests {
        let text = self.text("/metrics").await;
        let mut found = Requests::default();
        for line in text.lines() {
            let value = || {
                line.rsplit(' ')
                    .next()
                    .and_then(|value| value.parse::<f64>().ok())
                    .unwrap_or(0.0)
            };
            if line.starts_with("apiserver_flowcontrol_dispatched_requests_total{")
                && line.contains("\"holdfast\"")
            {
                found.operator += value();
            } else if line.starts_with("apiserver_request_total{") {
                let label = |name: &str| {
                    let begin = line.find(&format!("{name}=\""))? + name.len() + 2;
                    line[begin..].split('"').next()
                };
                let key = format!(
                    "{} {}",
                    label("verb").unwrap_or(""),
                    label("resource").unwrap_or("")
                );
                *found.by_everybody.entry(key).or_default() += value();
            }
        }
        found
    }
}

#[derive(Clone, Default)]
pub struct Requests {
    pub operator: f64,
    pub by_everybody: BTreeMap<String, f64>,
}

impl Requests {
    pub fn since(&self, before: &Self) -> f64 {
        self.operator - before.operator
    }

    /// The most frequent ones since then, for people.
    pub fn most(&self, before: &Self, of: f64) -> String {
        let mut all: Vec<(f64, &String)> = self
            .by_everybody
            .iter()
            .map(|(key, count)| (count - before.by_everybody.get(key).copied().unwrap_or(0.0), key))
            .filter(|(count, _)| count / of >= 0.05)
            .collect();
        all.sort_by(|one, other| other.0.total_cmp(&one.0));
        let told: Vec<String> = all
            .iter()
            .take(60)
            .map(|(count, key)| format!("{key} {:.2}", count / of))
            .collect();
        told.join(", ")
    }
}

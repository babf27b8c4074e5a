//! The reference of the time that a thousand clusters take: the same objects, written as they are by somebody who need not think,
//! and whom nobody has to tell how they are. What Kubernetes' own controllers make of them belongs to it, as it does to ours.

use std::time::Instant;

use futures::{StreamExt as _, stream};
use serde_json::{Map, Value};

use super::server::Server;

/// So many clusters are enough to tell.
const CLUSTERS: usize = 100;
/// Of all of them.
const NAMESPACE: &str = "reference";
/// As many clusters at once as the operator looks at.
const AT_ONCE: usize = 48;

/// Seconds that the objects of `n` clusters like the one in `sample` would take.
pub async fn seconds(server: &Server, sample: &str, n: usize) -> f64 {
    let objects = server.objects(sample).await;
    server
        .post(
            "/api/v1/namespaces",
            &serde_json::json!({"metadata": {"name": NAMESPACE}}),
        )
        .await;
    let before = server.settled_count("pods").await;
    let begun = Instant::now();
    stream::iter(0..CLUSTERS)
        .for_each_concurrent(AT_ONCE, |number| {
            let objects = &objects;
            async move {
                for (kind, object) in objects {
                    let path = Server::path(kind, NAMESPACE);
                    server
                        .post(&path, &another(object, sample, &format!("r{number:04}")))
                        .await;
                }
            }
        })
        .await;
    let written = begun.elapsed().as_secs_f64();
    while server.count("pods").await < before + 2 * CLUSTERS {
        assert!(begun.elapsed().as_secs() < 600, "Kubernetes makes no Pods");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "the reference: the objects of {CLUSTERS} clusters were written in {written:.1} s, and had their Pods after {seconds:.1} s"
    );
    seconds * n as f64 / CLUSTERS as f64
}

/// The same object of another cluster, which is not the operator's to look after.
fn another(object: &Value, sample: &str, name: &str) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().unwrap();
    fields.remove("status");
    // The server gives each Service an address of its own; one without says so.
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut)
        && spec.get("clusterIP").is_some_and(|address| address != "None")
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    let kept = ["name", "labels", "annotations"];
    let metadata = fields["metadata"].as_object().unwrap();
    let metadata: Map<String, Value> = kept
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), metadata.get(*field)?.clone())))
        .collect();
    fields.insert("metadata".to_owned(), Value::Object(metadata));
    let text = object
        .to_string()
        .replace(sample, name)
        .replace("postgres-operator.crunchydata.com/", "reference.example.com/")
        .replace(
            r#""app.kubernetes.io/managed-by":"holdfast""#,
            r#""app.kubernetes.io/managed-by":"nobody""#,
        );
    serde_json::from_str(&text).unwrap()
}

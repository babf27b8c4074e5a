//! Lets deleted claims of repositories go: Kubernetes keeps a claim while a Pod mounts it, also one that has ended long
//! ago. The Pods of finished backups are kept for their logs, until that stands in the way of what the user asked for.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

use super::names::{LABEL_CLUSTER, Names};
use crate::api::names::LABEL_PGBACKREST_REPO;
use crate::controllers::writer::{WriteError, Writer};

/// Deletes the ended Pods of backup Jobs that mount a claim which is being deleted. Nothing is read while there is none.
pub async fn claims(
    client: &Client,
    writer: &Writer,
    names: &Names,
    claims: &[PersistentVolumeClaim],
) -> Result<(), WriteError> {
    let deleted: BTreeSet<String> = claims
        .iter()
        .filter(|claim| claim.metadata.deletion_timestamp.is_some())
        .map(kube::ResourceExt::name_any)
        .collect();
    if deleted.is_empty() {
        return Ok(());
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &names.namespace);
    let of_jobs = format!("{LABEL_CLUSTER}={},{LABEL_PGBACKREST_REPO}", names.cluster);
    let pods = pods.list(&ListParams::default().labels(&of_jobs)).await?;
    for pod in pods.items.iter().filter(|pod| holds(pod, &deleted)) {
        tracing::info!(
            pod = pod.name_any(),
            "removing the Pod of an ended backup: it holds a deleted claim"
        );
        writer
            .delete::<Pod>(&names.namespace, &pod.name_any(), pod.uid().as_deref())
            .await?;
    }
    Ok(())
}

fn holds(pod: &Pod, claims: &BTreeSet<String>) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    matches!(phase, Some("Succeeded" | "Failed"))
        && pod.metadata.deletion_timestamp.is_none()
        && volumes
            .filter_map(|volume| volume.persistent_volume_claim.as_ref())
            .any(|source| claims.contains(&source.claim_name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_ended_pod_that_mounts_a_deleted_claim_is_in_the_way() {
        let pod = |phase: &str, claim: &str| -> Pod {
            let volumes = json!([{ "name": "repo2", "persistentVolumeClaim": { "claimName": claim } }]);
            serde_json::from_value(json!({
                "spec": { "containers": [], "volumes": volumes }, "status": { "phase": phase },
            }))
            .unwrap()
        };
        let deleted = BTreeSet::from(["app-repo2".to_owned()]);
        assert!(holds(&pod("Succeeded", "app-repo2"), &deleted));
        assert!(holds(&pod("Failed", "app-repo2"), &deleted));
        assert!(!holds(&pod("Running", "app-repo2"), &deleted));
        assert!(!holds(&pod("Succeeded", "app-repo3"), &deleted));
    }
}

//! The claims of repositories on volumes: which one belongs to which repository, and which are kept though their
//! repository is gone. Pure.
//!
//! A claim holds backups, so nothing here or elsewhere deletes one but the user's own `percona.com/delete-pvc`.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod};
use kube::ResourceExt as _;

use super::names::Names;
use super::status::is_ready;
use crate::api::PerconaPGClusterSpec;
use crate::api::names::{LABEL_PGBACKREST_REPO, LABEL_PGBACKREST_VOLUME};
use crate::api::repository::{Repository, Store, VolumeStore};

/// The volume of a repository, if it is on one.
#[must_use]
pub fn volume_of(repository: &Repository) -> Option<&VolumeStore> {
    match repository.store()? {
        Store::Volume(volume) => Some(volume),
        _ => None,
    }
}

/// The claim that holds a repository: one with its labels, or one of its name.
#[must_use]
pub fn find<'a>(
    names: &Names,
    repository: &str,
    claims: &'a [PersistentVolumeClaim],
) -> Option<&'a PersistentVolumeClaim> {
    let own = names.repository_claim(repository);
    let by_name = claims.iter().find(|claim| claim.name_any() == own);
    by_name.or_else(|| {
        claims
            .iter()
            .find(|claim| repository_of(claim) == Some(repository))
    })
}

/// Name of the claim that holds a repository, or will.
#[must_use]
pub fn claim_name(names: &Names, repository: &str, claims: &[PersistentVolumeClaim]) -> String {
    find(names, repository, claims)
        .map_or_else(|| names.repository_claim(repository), kube::ResourceExt::name_any)
}

/// The specification to apply: of an existing claim only the requested size can change, and what an apply leaves out
/// it removes.
#[must_use]
pub fn claim_spec(
    wanted: &PersistentVolumeClaimSpec,
    existing: Option<&PersistentVolumeClaim>,
) -> PersistentVolumeClaimSpec {
    match existing.and_then(|claim| claim.spec.as_ref()) {
        Some(existing) => PersistentVolumeClaimSpec {
            resources: wanted.resources.clone(),
            ..existing.clone()
        },
        None => wanted.clone(),
    }
}

/// Repositories whose volume is kept though the specification does not have it any more: name, claim.
#[must_use]
pub fn kept(
    names: &Names,
    spec: &PerconaPGClusterSpec,
    claims: &[PersistentVolumeClaim],
) -> Vec<(String, String)> {
    let used: Vec<String> = spec
        .backups
        .repositories()
        .iter()
        .filter(|repository| volume_of(repository).is_some())
        .map(|repository| claim_name(names, &repository.name, claims))
        .collect();
    let mut kept: Vec<(String, String)> = claims
        .iter()
        .filter(|claim| claim.metadata.deletion_timestamp.is_none())
        .filter_map(|claim| Some((repository_of(claim)?.to_owned(), claim.name_any())))
        .filter(|(_, claim)| !used.contains(claim))
        .collect();
    kept.sort();
    kept
}

fn repository_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    let labels = claim.metadata.labels.as_ref()?;
    labels.get(LABEL_PGBACKREST_VOLUME)?;
    labels.get(LABEL_PGBACKREST_REPO).map(String::as_str)
}

/// Why the repository host does not serve; nothing when it does.
#[must_use]
pub fn why_not_ready(names: &Names, pod: Option<&Pod>) -> Option<String> {
    let name = Names::pod(&names.repo_host());
    let Some(pod) = pod else {
        return Some(format!("Pod {name} is not there yet"));
    };
    if is_ready(pod) {
        return None;
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Some(format!("Pod {name} is being replaced"));
    }
    let status = pod.status.clone().unwrap_or_default();
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .and_then(|condition| condition.message.clone());
    if let Some(message) = unscheduled {
        return Some(format!("Pod {name} is not scheduled: {message}"));
    }
    let waiting = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten()
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref())
        .find_map(|waiting| {
            let reason = waiting.reason.as_deref()?;
            let message = waiting.message.as_deref().unwrap_or_default();
            (!matches!(reason, "PodInitializing" | "ContainerCreating"))
                .then(|| format!("{reason} {message}"))
        });
    Some(match waiting {
        Some(waiting) => format!("Pod {name}: {}", waiting.trim_end()),
        None => format!("Pod {name} is starting"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        Names {
            cluster: "app".to_owned(),
            namespace: "shop".to_owned(),
            dns_suffix: "cluster.local".to_owned(),
        }
    }

    fn claim(name: &str, repository: Option<&str>) -> PersistentVolumeClaim {
        let labels = repository
            .map(|repository| json!({ LABEL_PGBACKREST_VOLUME: "", LABEL_PGBACKREST_REPO: repository }));
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels },
            "spec": { "volumeName": format!("pv-{name}"), "storageClassName": "old",
                "resources": { "requests": { "storage": "1Gi" } } },
        }))
        .unwrap()
    }

    fn spec(repos: &serde_json::Value) -> PerconaPGClusterSpec {
        serde_json::from_value(json!({
            "postgresVersion": 18, "instances": [], "backups": { "pgbackrest": { "repos": repos } },
        }))
        .unwrap()
    }

    #[test]
    fn a_claim_is_found_by_its_name_and_else_by_its_labels() {
        let claims = [claim("moved", Some("repo2")), claim("app-repo1", None)];
        assert_eq!(claim_name(&names(), "repo1", &claims), "app-repo1");
        assert_eq!(claim_name(&names(), "repo2", &claims), "moved");
        assert_eq!(claim_name(&names(), "repo3", &claims), "app-repo3");
    }

    #[test]
    fn an_existing_claim_keeps_all_but_its_size() {
        let wanted: PersistentVolumeClaimSpec = serde_json::from_value(json!({
            "storageClassName": "new", "resources": { "requests": { "storage": "2Gi" } },
        }))
        .unwrap();
        let applied = claim_spec(&wanted, Some(&claim("app-repo1", None)));
        assert_eq!(applied.storage_class_name.as_deref(), Some("old"));
        assert_eq!(applied.volume_name.as_deref(), Some("pv-app-repo1"));
        assert_eq!(applied.resources, wanted.resources);
        assert_eq!(claim_spec(&wanted, None), wanted);
    }

    #[test]
    fn a_repository_that_was_removed_or_moved_to_a_cloud_leaves_its_claim() {
        let claims = [
            claim("app-repo1", Some("repo1")),
            claim("app-repo2", Some("repo2")),
            claim("app-a-x-pgdata", None),
        ];
        let volume = json!({ "name": "repo1", "volume": { "volumeClaimSpec": {} } });
        let cloud = json!({ "name": "repo2", "gcs": { "bucket": "b" } });
        let kept = |repos: serde_json::Value| {
            let kept = kept(&names(), &spec(&repos), &claims);
            kept.into_iter()
                .map(|(repository, _)| repository)
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(json!([volume, cloud])), ["repo2"]);
        assert_eq!(kept(json!([volume])), ["repo2"]);
        assert_eq!(kept(json!([cloud])), ["repo1", "repo2"]);
    }

    #[test]
    fn a_pod_that_does_not_serve_says_why() {
        let pod = |status: serde_json::Value| -> Pod {
            serde_json::from_value(json!({ "status": status })).unwrap()
        };
        let why = |pod: Option<&Pod>| why_not_ready(&names(), pod);
        assert!(why(None).unwrap().contains("app-repo-host-0 is not there"));
        let unbound = pod(
            json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "no volume" }] }),
        );
        assert!(why(Some(&unbound)).unwrap().ends_with("not scheduled: no volume"));
        let image = pod(
            json!({ "containerStatuses": [{ "name": "pgbackrest", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": { "waiting": { "reason": "ErrImagePull", "message": "no such image" } } }] }),
        );
        assert!(why(Some(&image)).unwrap().ends_with("ErrImagePull no such image"));
        let ready = pod(json!({ "conditions": [{ "type": "Ready", "status": "True" }] }));
        assert_eq!(why(Some(&ready)), None);
    }
}

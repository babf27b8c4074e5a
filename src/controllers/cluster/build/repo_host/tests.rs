use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use super::*;
use crate::controllers::cluster::build::tests::{SMALL, cluster, held};
use crate::controllers::cluster::build::{Built, Held, build};
use crate::pki::Pair;

/// Two repositories on volumes, and one that is not.
pub const VOLUMES: &str = "
apiVersion: pgv2.percona.com/v2
kind: PerconaPGCluster
metadata: { name: app, namespace: shop, uid: 1e53-11 }
spec:
  postgresVersion: 18
  instances:
    - name: a
      dataVolumeClaimSpec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
  backups:
    pgbackrest:
      metadata: { labels: { tier: backup } }
      global: { repo2-path: /pgbackrest/repo2/below }
      configuration: [{ secret: { name: cloud } }]
      repoHost:
        resources: { limits: { memory: 256Mi } }
        tolerations: [{ key: storage, operator: Exists }]
        securityContext: { fsGroup: 77, runAsUser: 78 }
      repos:
        - { name: repo1, s3: { bucket: b, endpoint: e, region: r } }
        - name: repo2
          volume: { volumeClaimSpec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } } }
        - name: repo4
          volume: { volumeClaimSpec: { accessModes: [ReadWriteOnce], storageClassName: slow, resources: { requests: { storage: 2Gi } } } }
";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn built(text: &str) -> Built {
    build(&cluster(text), &Held::default(), now()).unwrap()
}

fn host(built: &Built) -> Option<&StatefulSet> {
    built
        .stateful_sets
        .iter()
        .find(|set| set.name_any() == "app-repo-host")
}

fn certificates(built: &Built) -> &Secret {
    built
        .lasting_secrets
        .iter()
        .find(|secret| secret.name_any() == "app-pgbackrest")
        .unwrap()
}

#[test]
fn volumes_bring_this_pod_and_these_claims() {
    let built = built(VOLUMES);
    insta::assert_yaml_snapshot!("repo_host", host(&built).unwrap());
    let claims: Vec<_> = built
        .claims
        .iter()
        .filter(|claim| claim.labels().contains_key(LABEL_PGBACKREST_VOLUME))
        .collect();
    insta::assert_yaml_snapshot!("repo_claims", claims);
}

#[test]
fn a_cluster_in_clouds_only_has_none() {
    let built = built(SMALL);
    assert!(host(&built).is_none());
    let keys = certificates(&built).data.clone().unwrap();
    assert!(!keys.contains_key(CERTIFICATE_KEY));
    let config = |built: &Built| {
        let map = built
            .config_maps
            .iter()
            .find(|map| map.name_any() == "app-pgbackrest-config");
        map.unwrap().data.clone().unwrap()
    };
    assert!(!config(&built).contains_key(REPO_HOST_KEY));
    assert!(config(&self::built(VOLUMES)).contains_key(REPO_HOST_KEY));
}

#[test]
fn its_certificate_is_kept_while_it_is_good() {
    let first = built(VOLUMES);
    let again = |at| build(&cluster(VOLUMES), &held(&first), at).unwrap();
    let pair = |built: &Built| {
        let data = certificates(built).data.clone().unwrap();
        Pair::from_bytes(
            data.get(CERTIFICATE_KEY).map(|value| value.0.as_slice()),
            data.get(KEY_KEY).map(|value| value.0.as_slice()),
        )
        .unwrap()
    };
    assert_eq!(pair(&first), pair(&again(now())));
    let later = now() + TimeDelta::days(300);
    assert_ne!(pair(&first), pair(&again(later)));
    assert!(pair(&again(later)).is_fresh(later));
}

#[test]
fn it_stops_with_the_last_instance_of_a_paused_cluster() {
    let paused = VOLUMES.replace("spec:\n", "spec:\n  pause: true\n");
    let replicas = |text: &str| {
        let built = built(text);
        host(&built).unwrap().spec.as_ref().unwrap().replicas
    };
    assert_eq!(replicas(VOLUMES), Some(1));
    assert_eq!(replicas(&paused), Some(0));
}

//! The claims of the instances: data, WAL, tablespaces.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};

use super::super::metadata::{labels, lasting};
use crate::controllers::cluster::names::{
    ANNOTATION_AWAITS_DATA, LABEL_DATA, LABEL_INSTANCE, LABEL_INSTANCE_SET, LABEL_ROLE, Names,
};
use crate::controllers::cluster::validated::{Instance, InstanceSet, Stopped, ValidatedCluster};

/// Claims of every instance. They have no owner: data outlives the cluster unless a finalizer says otherwise.
pub fn claims(cluster: &ValidatedCluster) -> Vec<PersistentVolumeClaim> {
    let mut claims = Vec::new();
    for instance in &cluster.instances {
        let Some(set) = cluster.set_of(instance) else {
            continue;
        };
        claims.push(claim(
            cluster,
            set,
            instance,
            instance.data_claim.clone(),
            "pgdata",
            &set.data_claim,
        ));
        if let Some(wal) = &set.wal_claim {
            claims.push(claim(
                cluster,
                set,
                instance,
                instance.wal_claim.clone(),
                "pgwal",
                wal,
            ));
        }
        for (name, wanted) in &set.tablespaces {
            let own = Names::tablespace_claim(&instance.name, name);
            claims.push(claim(cluster, set, instance, own, "tablespace", wanted));
        }
    }
    claims
}

fn claim(
    cluster: &ValidatedCluster,
    set: &InstanceSet,
    instance: &Instance,
    name: String,
    role: &str,
    wanted: &PersistentVolumeClaimSpec,
) -> PersistentVolumeClaim {
    let labels = labels(
        cluster,
        "pg",
        &[
            (LABEL_INSTANCE_SET, &set.name),
            (LABEL_INSTANCE, &instance.name),
            (LABEL_DATA, "postgres"),
            (LABEL_ROLE, role),
        ],
        Some(&set.metadata),
    );
    // Of an existing claim only the requested size can change; the rest is repeated, since what an apply leaves out it removes.
    let spec = match instance.existing_claims.get(&name) {
        Some(existing) => PersistentVolumeClaimSpec {
            resources: wanted.resources.clone(),
            ..existing.clone()
        },
        None => wanted.clone(),
    };
    let mut metadata = lasting(cluster, name, "pg");
    metadata.labels = Some(labels);
    if cluster.stopped == Some(Stopped::AwaitsData) {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(ANNOTATION_AWAITS_DATA.to_owned(), "true".to_owned());
    }
    PersistentVolumeClaim {
        metadata,
        spec: Some(spec),
        status: None,
    }
}

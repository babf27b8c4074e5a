//! Claims of the instances: those that exist, those that are made, and those that are taken over (`spec.dataSource.volumes`).
//!
//! A claim is taken over once: it gets the labels of the first instance, and is known by them from then on, whatever the
//! specification says. An instance that has a claim of its own never gets another one.

use super::{Existence, InstanceSet, Refusal};
use crate::api::cluster::data_source::{VolumeSourceClaim, VolumesSource};
use crate::api::{PerconaPGClusterSpec, Reason};
use crate::controllers::cluster::instances;
use crate::controllers::cluster::names::Names;

/// The claims of one instance.
pub(super) struct Own {
    /// With its data.
    pub data: String,
    /// With its WAL.
    pub wal: String,
    /// Where in them what is taken over lies.
    pub adopted: Option<(Option<String>, Option<String>)>,
    prefix: String,
}

impl Own {
    /// Whether a claim is one of them.
    pub fn has(&self, claim: &str) -> bool {
        claim == self.data || claim == self.wal || claim.starts_with(&self.prefix)
    }
}

/// The claims of an instance.
pub(super) fn of(
    names: &Names,
    sets: &[InstanceSet],
    instance: &str,
    source: Option<&VolumesSource>,
    existence: &Existence,
) -> Own {
    let known = existence.volumes.get(instance).cloned().unwrap_or_default();
    let first = sets
        .first()
        .is_some_and(|set| instances::first(&names.cluster, &set.name) == instance);
    let source = source.filter(|_| first);
    let of = |volume: Option<&VolumeSourceClaim>, known: Option<String>, own: String| {
        let offered = volume.map(|volume| volume.pvc_name.clone());
        known.or(offered).unwrap_or(own)
    };
    let data = source.and_then(|source| source.pg_data_volume.as_ref());
    let wal = source.and_then(|source| source.pg_wal_volume.as_ref());
    let own = Own {
        data: of(data, known.data, Names::data_claim(instance)),
        wal: of(wal, known.wal, Names::wal_claim(instance)),
        adopted: None,
        prefix: format!("{instance}-"),
    };
    // Only of what was taken over, and not of what was there before.
    let taken = data.filter(|data| data.pvc_name == own.data);
    let directory = |volume: Option<&VolumeSourceClaim>| volume.and_then(|volume| volume.directory.clone());
    Own {
        adopted: taken.map(|data| (directory(Some(data)), directory(wal))),
        ..own
    }
}

/// What is named can be taken over, or is taken over already.
pub(super) fn check(spec: &PerconaPGClusterSpec, existence: &Existence) -> Result<(), Refusal> {
    let source = spec
        .data_source
        .as_ref()
        .and_then(|source| source.volumes.as_ref());
    let Some(source) = source else { return Ok(()) };
    let refused = |reason, what: String| Err(Refusal::new(reason, format!("spec.dataSource.volumes.{what}")));
    if source.pg_back_rest_volume.is_some() {
        let what = "pgBackRestVolume: repositories on volumes are not taken over; restore from it (dataSource.postgresCluster), or copy it to a store";
        return refused(Reason::NotSupported, what.to_owned());
    }
    let Some(data) = &source.pg_data_volume else {
        let what = "pgDataVolume: a cluster cannot begin without data";
        return refused(Reason::InvalidSpecification, what.to_owned());
    };
    for (field, volume) in [
        ("pgDataVolume", Some(data)),
        ("pgWALVolume", source.pg_wal_volume.as_ref()),
    ] {
        let Some(volume) = volume else { continue };
        let name = &volume.pvc_name;
        if volume
            .directory
            .as_deref()
            .is_some_and(|directory| !is_plain(directory))
        {
            let what = format!("{field}.directory: the name of a directory below the root of the volume");
            return refused(Reason::InvalidSpecification, what);
        }
        let taken = |own: &super::Volumes| own.data.as_ref() == Some(name) || own.wal.as_ref() == Some(name);
        if existence.volumes.values().any(taken) {
            continue;
        }
        let Some(offered) = &existence.offered else {
            continue;
        };
        // A cluster with data of its own is left as it is: a source is for a new one.
        if !existence.volumes.is_empty() {
            continue;
        }
        match offered.get(name) {
            None => {
                let what =
                    format!("{field}.pvcName: there is no PersistentVolumeClaim {name} in this namespace");
                return refused(Reason::ReferenceMissing, what);
            }
            Some(offered) => {
                if let Some(owner) = &offered.owner {
                    let what = format!("{field}.pvcName: {name} {owner}");
                    return refused(Reason::ClaimInUse, what);
                }
            }
        }
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::{Offered, Volumes};
    use super::*;

    fn refused(volumes: &Value, existence: &Existence) -> Option<Reason> {
        let spec = json!({"postgresVersion": 18, "instances": [], "backups": {}, "dataSource": {"volumes": volumes}});
        check(&serde_json::from_value(spec).unwrap(), existence)
            .err()
            .map(|refusal| refusal.reason)
    }

    fn offering(claim: &str, owner: Option<&str>) -> Existence {
        let offered = Offered {
            owner: owner.map(str::to_owned),
        };
        Existence {
            offered: Some(BTreeMap::from([(claim.to_owned(), offered)])),
            ..Existence::default()
        }
    }

    #[test]
    fn a_claim_that_is_there_and_nobodys_is_taken_over() {
        let data = json!({"pgDataVolume": {"pvcName": "old", "directory": "pg17.main"}});
        assert_eq!(refused(&data, &offering("old", None)), None);
        assert_eq!(
            refused(&data, &offering("old", Some("is another's"))),
            Some(Reason::ClaimInUse)
        );
        assert_eq!(
            refused(&data, &offering("x", None)),
            Some(Reason::ReferenceMissing)
        );
        assert_eq!(refused(&data, &Existence::default()), None, "nobody has looked");
        let good = offering("old", None);
        for wrong in [
            json!({}),
            json!({"pgDataVolume": {"pvcName": "old", "directory": "../x"}}),
            json!({"pgDataVolume": {"pvcName": "old", "directory": "a b"}}),
        ] {
            assert_eq!(
                refused(&wrong, &good),
                Some(Reason::InvalidSpecification),
                "{wrong}"
            );
        }
        let repository = json!({"pgDataVolume": {"pvcName": "old"}, "pgBackRestVolume": {"pvcName": "r"}});
        assert_eq!(refused(&repository, &good), Some(Reason::NotSupported));
    }

    #[test]
    fn the_first_instance_takes_it_over_unless_it_has_one_of_its_own() {
        let names = Names {
            cluster: "app".to_owned(),
            namespace: "n".to_owned(),
            dns_suffix: String::new(),
        };
        let sets = [InstanceSet {
            name: "a".to_owned(),
            ..InstanceSet::default()
        }];
        let source = json!({"pgDataVolume": {"pvcName": "old", "directory": "main"}});
        let source: VolumesSource = serde_json::from_value(source).unwrap();
        let first = instances::first("app", "a");
        let claims = |instance: &str, known: Option<&str>| {
            let volumes = known.map(|claim| {
                let own = Volumes {
                    data: Some(claim.to_owned()),
                    wal: None,
                };
                (instance.to_owned(), own)
            });
            let existence = Existence {
                volumes: volumes.into_iter().collect(),
                ..Existence::default()
            };
            let own = of(&names, &sets, instance, Some(&source), &existence);
            (own.data, own.adopted.is_some())
        };
        assert_eq!(claims(&first, None), ("old".to_owned(), true));
        assert_eq!(
            claims(&first, Some("old")),
            ("old".to_owned(), true),
            "taken over"
        );
        let own = Names::data_claim(&first);
        assert_eq!(claims(&first, Some(&own)), (own.clone(), false), "it had one");
        let other = claims("app-a-zzzz", None);
        assert_eq!(other, (Names::data_claim("app-a-zzzz"), false));
    }
}

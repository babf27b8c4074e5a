//! The Secret that a restore from another cluster's repository works with: pgBackRest's configuration as it is there, copied, since a
//! Pod mounts nothing of another namespace. It goes with the restore. Pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, Secret, SecretKeySelector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};

use super::wanted::Refused;
use crate::api::cluster::data_source::DataSource;
use crate::api::names::{LABEL_CLUSTER, STANZA};
use crate::api::{PerconaPGCluster, PerconaPGRestore, Reason};
use crate::controllers::archive;
use crate::controllers::cluster::build::pod::{from_secret, projected};
use crate::controllers::cluster::build::{Placement, SourceFiles};
use crate::controllers::cluster::engine::{AUTHORITY_KEY, CLIENT_CERTIFICATE_KEY, CLIENT_KEY_KEY};
use crate::controllers::cluster::user_files::{self, Sources, UserFiles};
use crate::controllers::cluster::validate::{Existence, ImageDefaults, validate};
use crate::pgbackrest::configuration::{FILE_NAME, INSTANCE_KEY};

/// pgBackRest's main file, which hides the image's.
const MAIN: &str = "pgbackrest.conf";

/// What is known of a source.
pub struct Known<'a> {
    /// The source.
    pub cluster: &'a PerconaPGCluster,
    /// What its Secrets and `ConfigMaps` hold.
    pub sources: &'a Sources,
    /// The same, understood.
    pub user: &'a UserFiles,
    /// The certificates of its repository host, where it has one.
    pub certificates: Option<&'a BTreeMap<String, Vec<u8>>>,
}

impl Known<'_> {
    /// The Secret, and how it is mounted.
    pub fn files(
        &self,
        restore: &PerconaPGRestore,
        images: &ImageDefaults,
        name: &str,
    ) -> Result<(Secret, SourceFiles), Refused> {
        let validated = validate(
            self.cluster,
            images,
            &Existence::default(),
            &self.user.options,
            std::collections::BTreeSet::default(),
        )
        .map_err(|refusal| Refused::new(refusal.reason, refusal.message))?;
        let backups = validated.backups.unwrap_or_default();
        let Some(own) = backups.files.get(INSTANCE_KEY) else {
            let what = "the source has no backups (spec.backups.enabled)";
            return Err(Refused::new(Reason::RepositoryUnknown, what));
        };
        let mut data = BTreeMap::from([(MAIN.to_owned(), Vec::new())]);
        let mut included = Vec::new();
        let mut include = |data: &mut BTreeMap<String, Vec<u8>>, path: &str, content: Vec<u8>| {
            // A path may have parts, and a key of a Secret may not.
            let key = format!("file-{}", included.len());
            included.push((key.clone(), path.to_owned()));
            data.insert(key, content);
        };
        for (path, content) in user_files::projected(&backups.configuration, self.sources) {
            include(&mut data, &path, content);
        }
        // Ours is made for our own clusters' stanza.
        let section = |stanza: &str| format!("[{stanza}]\n");
        let own = own.replace(&section(STANZA), &section(archive::stanza(self.cluster)));
        include(&mut data, FILE_NAME, own.into_bytes());
        let env = self.variables(name, &mut data);
        let mut certificates = Vec::new();
        for (key, path) in [
            (AUTHORITY_KEY, "ca.crt"),
            (CLIENT_CERTIFICATE_KEY, "client.crt"),
            (CLIENT_KEY_KEY, "client.key"),
        ] {
            if let Some(content) = self.certificates.and_then(|all| all.get(key)) {
                data.insert(path.to_owned(), content.clone());
                certificates.push((path, path));
            }
        }
        let included: Vec<(&str, &str)> = included
            .iter()
            .map(|(key, path)| (key.as_str(), path.as_str()))
            .collect();
        let of = |items: &[(&str, &str)]| vec![from_secret(name.to_owned(), items)];
        // Without items a projection would show everything.
        let certificates = if certificates.is_empty() {
            Vec::new()
        } else {
            of(&certificates)
        };
        let volumes = vec![
            projected("pgbackrest-main", of(&[(MAIN, MAIN)])),
            projected("pgbackrest-config", of(&included)),
            projected("pgbackrest-tls", certificates),
        ];
        Ok((secret(restore, name, data), SourceFiles { volumes, env }))
    }

    fn variables(&self, secret: &str, data: &mut BTreeMap<String, Vec<u8>>) -> Vec<EnvVar> {
        let mut variables = Vec::new();
        for (variable, value) in &self.user.options.environment {
            data.insert(variable.clone(), value.expose().as_bytes().to_vec());
            variables.push(EnvVar {
                name: variable.clone(),
                value: None,
                value_from: Some(EnvVarSource {
                    secret_key_ref: Some(SecretKeySelector {
                        name: secret.to_owned(),
                        key: variable.clone(),
                        optional: None,
                    }),
                    ..EnvVarSource::default()
                }),
            });
        }
        variables
    }
}

/// How the user wants the Job placed that brings a cluster its data.
pub fn placement(source: DataSource) -> Placement {
    match source {
        DataSource {
            postgres_cluster: Some(source),
            ..
        } => Placement {
            resources: source.resources,
            affinity: source.affinity,
            tolerations: source.tolerations,
            priority_class: source.priority_class_name,
        },
        DataSource {
            pgbackrest: Some(source),
            ..
        } => Placement {
            resources: source.resources,
            affinity: source.affinity,
            tolerations: source.tolerations,
            priority_class: source.priority_class_name,
        },
        _ => Placement::default(),
    }
}

fn secret(restore: &PerconaPGRestore, name: &str, data: BTreeMap<String, Vec<u8>>) -> Secret {
    let labels = BTreeMap::from([(LABEL_CLUSTER.to_owned(), restore.spec.pg_cluster.clone())]);
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: restore.namespace(),
            labels: Some(labels),
            owner_references: restore.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(
            data.into_iter()
                .map(|(key, content)| (key, ByteString(content)))
                .collect(),
        ),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::controllers::cluster::user_files::Source;

    #[test]
    fn the_sources_files_and_variables_are_copied_and_mounted_where_they_were() {
        let cluster: PerconaPGCluster = serde_json::from_value(json!({
            "apiVersion": "pgv2.percona.com/v2", "kind": "PerconaPGCluster",
            "metadata": {"name": "old", "namespace": "shop", "uid": "u"},
            "spec": {"postgresVersion": 18, "image": "i", "instances": [{"name": "a", "dataVolumeClaimSpec": {}}],
                "backups": {"pgbackrest": {
                    "configuration": [{"secret": {"name": "s", "items": [{"key": "k", "path": "certs/ca.crt"}, {"key": "c", "path": "s3.conf"}]}}],
                    "env": [{"name": "PGBACKREST_REPO1_S3_KEY_SECRET", "value": "hidden"}],
                    "global": {"repo1-path": "/old"},
                    "repos": [{"name": "repo1", "s3": {"bucket": "b", "endpoint": "e", "region": "r"}}]}}},
        }))
        .unwrap();
        let data = [("k", "PEM"), ("c", "[global]\nrepo1-s3-key=AK\n"), ("other", "x")]
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        let sources = Sources::from([(Source::Secret("s".to_owned()), Arc::new(data.into()))]);
        let known = Known {
            user: &user_files::of_cluster(&cluster, &sources),
            sources: &sources,
            certificates: None,
            cluster: &cluster,
        };
        let mut restore = PerconaPGRestore::default();
        restore.spec.pg_cluster = "new".to_owned();
        let images = ImageDefaults::default();
        let (secret, files) = known.files(&restore, &images, "copy").unwrap();
        let data = secret.data.unwrap();
        assert!(
            data.values().all(|value| value.0 != b"x"),
            "only what is projected"
        );
        assert_eq!(data["PGBACKREST_REPO1_S3_KEY_SECRET"].0, b"hidden");
        assert!(data.keys().all(|key| {
            key.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }));
        assert_eq!(files.env[0].value, None);
        let config = files
            .volumes
            .iter()
            .find(|volume| volume.name == "pgbackrest-config")
            .unwrap();
        let projection = &config.projected.as_ref().unwrap().sources.as_ref().unwrap()[0];
        let items = projection.secret.as_ref().unwrap().items.as_ref().unwrap();
        let at = |path: &str| {
            let item = items.iter().find(|item| item.path == path).unwrap();
            String::from_utf8(data[&item.key].0.clone()).unwrap()
        };
        assert_eq!(at("certs/ca.crt"), "PEM");
        assert!(at("s3.conf").contains("AK"));
        assert!(at(FILE_NAME).contains("repo1-path=/old"));
    }
}

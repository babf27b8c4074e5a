//! What the user gives to pgBackRest beside `global`: the files that `configuration[]` projects, and `PGBACKREST_…`
//! variables. Pure: the Secrets and `ConfigMaps` have been read already.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, KeyToPath, VolumeProjection};

use crate::api::PerconaPGCluster;
use crate::api::Reason;
use crate::domain::secret::Secret;
use crate::pgbackrest::ini::Ini;
use crate::pgbackrest::user_options::UserOptions;

/// A Secret or `ConfigMap` by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Secret(String),
    ConfigMap(String),
}

impl Source {
    /// For messages: `Secret cloud`.
    pub fn describe(&self) -> String {
        match self {
            Self::Secret(name) => format!("Secret {name}"),
            Self::ConfigMap(name) => format!("ConfigMap {name}"),
        }
    }
}

/// Data of those that exist.
pub type Sources = BTreeMap<Source, Arc<BTreeMap<String, Vec<u8>>>>;

/// All that pgBackRest would get from the user.
#[derive(Clone, Default)]
pub struct UserFiles {
    /// Options, for those who have to know them.
    pub options: UserOptions,
    /// Files that are no configuration (authorities, keys), by path below `conf.d`.
    pub others: BTreeMap<String, Vec<u8>>,
    /// What is named and is not there, or cannot be read.
    pub problems: Vec<(Reason, String)>,
}

/// Which Secrets and `ConfigMaps` the projections and variables name.
pub fn sources(projections: &[VolumeProjection], env: &[EnvVar], env_from: &[EnvFromSource]) -> Vec<Source> {
    let mut sources = Vec::new();
    for projection in projections {
        sources.extend(
            projection
                .secret
                .as_ref()
                .map(|secret| Source::Secret(secret.name.clone())),
        );
        sources.extend(
            projection
                .config_map
                .as_ref()
                .map(|map| Source::ConfigMap(map.name.clone())),
        );
    }
    for variable in env.iter().filter(|variable| is_option(&variable.name)) {
        let Some(from) = &variable.value_from else {
            continue;
        };
        sources.extend(
            from.secret_key_ref
                .as_ref()
                .map(|key| Source::Secret(key.name.clone())),
        );
        sources.extend(
            from.config_map_key_ref
                .as_ref()
                .map(|key| Source::ConfigMap(key.name.clone())),
        );
    }
    for from in env_from {
        sources.extend(
            from.secret_ref
                .as_ref()
                .map(|secret| Source::Secret(secret.name.clone())),
        );
        sources.extend(
            from.config_map_ref
                .as_ref()
                .map(|map| Source::ConfigMap(map.name.clone())),
        );
    }
    sources.sort();
    sources.dedup();
    sources
}

/// What a cluster gives to pgBackRest; nothing while its backups are switched off.
pub fn of_cluster(cluster: &PerconaPGCluster, sources: &Sources) -> UserFiles {
    match &cluster.spec.backups.pgbackrest {
        Some(pgbackrest) if cluster.spec.backups.is_enabled() => collect(
            &pgbackrest.global,
            &pgbackrest.configuration,
            &pgbackrest.env,
            &pgbackrest.env_from,
            sources,
        ),
        _ => UserFiles::default(),
    }
}

/// Puts together what pgBackRest would see.
pub fn collect(
    global: &BTreeMap<String, String>,
    projections: &[VolumeProjection],
    env: &[EnvVar],
    env_from: &[EnvFromSource],
    sources: &Sources,
) -> UserFiles {
    let mut files = UserFiles::default();
    files.options.global.clone_from(global);
    for projection in projections {
        if let Some((source, items, optional)) = parts(projection) {
            files.project(&source, items, optional, sources);
        }
    }
    for from in env_from {
        let source = from
            .secret_ref
            .as_ref()
            .map(|secret| Source::Secret(secret.name.clone()))
            .or_else(|| {
                from.config_map_ref
                    .as_ref()
                    .map(|map| Source::ConfigMap(map.name.clone()))
            });
        let prefix = from.prefix.clone().unwrap_or_default();
        for (key, value) in source
            .and_then(|source| sources.get(&source))
            .into_iter()
            .flat_map(|data| data.iter())
        {
            files.variable(&format!("{prefix}{key}"), value);
        }
    }
    for variable in env {
        if let Some(value) = &variable.value {
            files.variable(&variable.name, value.as_bytes());
        } else if let Some(value) = referenced(variable, sources) {
            files.variable(&variable.name, value);
        }
    }
    files
}

/// The files that projections put into `conf.d`, as they are, by path; those that are missing are left out.
pub fn projected(projections: &[VolumeProjection], sources: &Sources) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for projection in projections {
        let Some((source, items, _)) = parts(projection) else {
            continue;
        };
        let Some(data) = sources.get(&source) else {
            continue;
        };
        match items {
            None => files.extend(data.iter().map(|(key, value)| (key.clone(), value.clone()))),
            Some(items) => files.extend(
                items
                    .iter()
                    .filter_map(|item| Some((item.path.clone(), data.get(&item.key)?.clone()))),
            ),
        }
    }
    files
}

/// What a projection shows, which parts of it, and whether it may be missing.
fn parts(projection: &VolumeProjection) -> Option<(Source, Option<&[KeyToPath]>, bool)> {
    if let Some(secret) = &projection.secret {
        let source = Source::Secret(secret.name.clone());
        return Some((source, secret.items.as_deref(), secret.optional.unwrap_or(false)));
    }
    let map = projection.config_map.as_ref()?;
    let source = Source::ConfigMap(map.name.clone());
    Some((source, map.items.as_deref(), map.optional.unwrap_or(false)))
}

fn referenced<'a>(variable: &EnvVar, sources: &'a Sources) -> Option<&'a Vec<u8>> {
    let from = variable.value_from.as_ref()?;
    let (source, key) = if let Some(key) = &from.secret_key_ref {
        (Source::Secret(key.name.clone()), &key.key)
    } else {
        let key = from.config_map_key_ref.as_ref()?;
        (Source::ConfigMap(key.name.clone()), &key.key)
    };
    sources.get(&source)?.get(key)
}

fn is_option(variable: &str) -> bool {
    variable.starts_with("PGBACKREST_")
}

impl UserFiles {
    fn project(&mut self, source: &Source, items: Option<&[KeyToPath]>, optional: bool, sources: &Sources) {
        let Some(data) = sources.get(source) else {
            if !optional {
                self.missing(format!("{} does not exist", source.describe()));
            }
            return;
        };
        match items {
            None => {
                for (key, value) in &**data {
                    self.file(source, key, value);
                }
            }
            Some(items) => {
                for item in items {
                    match data.get(&item.key) {
                        Some(value) => self.file(source, &item.path, value),
                        None if optional => {}
                        None => self.missing(format!("{} has no key {}", source.describe(), item.key)),
                    }
                }
            }
        }
    }

    fn file(&mut self, source: &Source, path: &str, content: &[u8]) {
        #[expect(
            clippy::case_sensitive_file_extension_comparisons,
            reason = "pgBackRest compares like this"
        )]
        let is_configuration = path.ends_with(".conf") && !path.contains('/');
        // pgBackRest reads what ends so and stands directly in the directory.
        if !is_configuration {
            self.others.insert(path.to_owned(), content.to_vec());
            return;
        }
        let parsed = std::str::from_utf8(content)
            .map_err(|_| "it is not text".to_owned())
            .and_then(|text| Ini::parse(text).map_err(|error| error.to_string()));
        match parsed {
            Ok(ini) => self.options.files.push(ini),
            Err(error) => self.problems.push((
                Reason::InvalidSpecification,
                format!("{}, file {path}: {error}", source.describe()),
            )),
        }
    }

    fn missing(&mut self, message: String) {
        self.problems.push((Reason::ReferenceMissing, message));
    }

    fn variable(&mut self, name: &str, value: &[u8]) {
        if is_option(name)
            && let Ok(value) = std::str::from_utf8(value)
        {
            self.options
                .environment
                .insert(name.to_owned(), Secret::new(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{SecretEnvSource, SecretProjection};

    use super::*;

    fn projection(name: &str, items: Option<Vec<KeyToPath>>) -> VolumeProjection {
        VolumeProjection {
            secret: Some(SecretProjection {
                name: name.to_owned(),
                items,
                optional: None,
            }),
            ..VolumeProjection::default()
        }
    }

    fn stored() -> Sources {
        let data = [("s3.conf", "[global]\nrepo1-s3-key=AK\n"), ("ca.crt", "PEM")]
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        let variables = [("PGBACKREST_REPO1_S3_KEY_SECRET".to_owned(), b"SK".to_vec())];
        Sources::from([
            (Source::Secret("cloud".to_owned()), Arc::new(data.into())),
            (Source::Secret("vars".to_owned()), Arc::new(variables.into())),
        ])
    }

    #[test]
    fn options_come_from_files_and_variables_and_other_files_are_kept() {
        let env_from = [EnvFromSource {
            secret_ref: Some(SecretEnvSource {
                name: "vars".to_owned(),
                optional: None,
            }),
            ..EnvFromSource::default()
        }];
        let files = collect(
            &BTreeMap::new(),
            &[projection("cloud", None)],
            &[],
            &env_from,
            &stored(),
        );
        assert_eq!(files.options.get("repo1-s3-key"), Some("AK"));
        assert_eq!(files.options.get("repo1-s3-key-secret"), Some("SK"));
        assert_eq!(files.others["ca.crt"], b"PEM");
        assert!(files.problems.is_empty());
        assert_eq!(sources(&[projection("cloud", None)], &[], &env_from).len(), 2);
    }

    #[test]
    fn what_is_named_and_is_not_there_is_a_problem() {
        let item = KeyToPath {
            key: "absent".to_owned(),
            path: "x.conf".to_owned(),
            mode: None,
        };
        let projections = [projection("none", None), projection("cloud", Some(vec![item]))];
        let files = collect(&BTreeMap::new(), &projections, &[], &[], &stored());
        let messages: Vec<&str> = files
            .problems
            .iter()
            .map(|(_, message)| message.as_str())
            .collect();
        assert_eq!(
            messages,
            ["Secret none does not exist", "Secret cloud has no key absent"]
        );
    }
}

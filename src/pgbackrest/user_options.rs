//! What the user says to pgBackRest: `spec.backups.pgbackrest.global`, the ini files of `configuration[]`, and
//! `PGBACKREST_…` variables of `env` and `envFrom`.
//!
//! The merged view here is the one that pgBackRest itself has: environment, then the stanza's section, then
//! `[global]`. Sections of one command (`[global:backup]`) are left to pgBackRest.

use std::collections::{BTreeMap, BTreeSet};

use super::{STANZA, ini::Ini};
use crate::domain::secret::Secret;

/// All that the user sets; empty where nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserOptions {
    /// `spec.backups.pgbackrest.global`: rendered by us into `[global]`.
    pub global: BTreeMap<String, String>,
    /// The `*.conf` files of the projected Secrets and `ConfigMaps`: read by pgBackRest from `conf.d` itself.
    pub files: Vec<Ini>,
    /// Variables of the container by name, e.g. `PGBACKREST_REPO1_S3_KEY`.
    pub environment: BTreeMap<String, Secret>,
}

impl UserOptions {
    /// The value that pgBackRest would see for an option, without our own defaults.
    #[must_use]
    pub fn get(&self, option: &str) -> Option<&str> {
        let in_files = |section| self.files.iter().find_map(|file| file.get(section, option));
        self.environment
            .get(&variable(option))
            .map(Secret::expose)
            .or_else(|| in_files(STANZA))
            .or_else(|| in_files("global"))
            .or_else(|| self.global.get(option).map(String::as_str))
    }

    /// True when one of the user's files sets this key in this section, so that we must not.
    #[must_use]
    pub fn file_sets(&self, section: &str, key: &str) -> bool {
        self.files.iter().any(|file| file.get(section, key).is_some())
    }

    /// Keys given both in `global` and in the `[global]` section of a file: pgBackRest refuses to start on them.
    #[must_use]
    pub fn conflicts(&self) -> BTreeSet<&str> {
        self.global
            .keys()
            .map(String::as_str)
            .filter(|key| self.file_sets("global", key))
            .collect()
    }

    /// Repository keys (N of `repoN-…`) that any option mentions. For pgBackRest a repository exists as soon as
    /// one of its options is set, so one that the spec does not have would become a local directory.
    #[must_use]
    pub fn repositories(&self) -> BTreeSet<u32> {
        let in_files = self.files.iter().flat_map(Ini::keys).map(|(_, key)| key);
        self.global
            .keys()
            .map(String::as_str)
            .chain(in_files)
            .filter_map(repository_of)
            .collect()
    }
}

/// The repository that an option belongs to, also in the spelling of a variable: `repo3-path` and `repo3_path` → 3. One
/// without a number is an older spelling of the first's; 0 stands for a number that no repository can have.
#[must_use]
pub fn repository_of(option: &str) -> Option<u32> {
    let (number, _) = option.strip_prefix("repo")?.split_once(['-', '_'])?;
    match number {
        "" => Some(1),
        _ if number.bytes().all(|byte| byte.is_ascii_digit()) => Some(number.parse().unwrap_or(0)),
        _ => None,
    }
}

/// The environment variable of an option: `repo1-s3-key` → `PGBACKREST_REPO1_S3_KEY`.
#[must_use]
pub fn variable(option: &str) -> String {
    format!("PGBACKREST_{}", option.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> UserOptions {
        UserOptions {
            global: [("repo1-path", "/from-global"), ("repo2-retention-full", "2")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            files: vec![
                Ini::parse("[global]\nrepo1-s3-key=AK\nprocess-max=3\n[db]\nrepo1-s3-key=STANZA\n").unwrap(),
            ],
            environment: BTreeMap::new(),
        }
    }

    #[test]
    fn the_stanza_wins_over_global_and_the_environment_over_both() {
        let mut options = options();
        assert_eq!(options.get("repo1-s3-key"), Some("STANZA"));
        options
            .environment
            .insert("PGBACKREST_REPO1_S3_KEY".into(), Secret::new("ENV"));
        assert_eq!(options.get("repo1-s3-key"), Some("ENV"));
        assert_eq!(options.get("repo1-path"), Some("/from-global"));
        assert_eq!(options.get("repo1-s3-token"), None);
    }

    #[test]
    fn a_key_in_global_and_in_a_file_is_a_conflict() {
        let mut options = options();
        assert!(options.conflicts().is_empty());
        options.global.insert("process-max".into(), "2".into());
        assert_eq!(options.conflicts(), BTreeSet::from(["process-max"]));
    }

    #[test]
    fn repositories_are_found_in_any_option_name() {
        assert_eq!(options().repositories(), BTreeSet::from([1, 2]));
        assert_eq!(repository_of("repo-path"), Some(1));
        assert_eq!(repository_of("repo12345678901-path"), Some(0));
        assert_eq!(repository_of("report-path"), None);
    }
}

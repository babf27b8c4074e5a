//! The contents of the files.

use super::{
    ClusterConfiguration, ConfigurationError, INSTANCE_LOCK_PATH, JOB_LOCK_PATH, RepositorySpec,
    RepositoryStore, SERVER_PORT, SPOOL_PATH, TLS_DIRECTORY, lock_path_on_volume, section::Section,
};
use crate::pgbackrest::{STANZA, user_options::repository_of};

const HEADER: &str = "# Written by Holdfast; changes are overwritten.\n\
     # Settings go to spec.backups.pgbackrest.global, credentials to spec.backups.pgbackrest.configuration.\n";

/// Who reads a file: decides what a repository looks like and which defaults make sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Instance,
    Job,
}

impl ClusterConfiguration {
    /// `pgbackrest_instance.conf`: archiving and stanza commands next to PostgreSQL.
    pub fn instance(&self) -> Result<String, ConfigurationError> {
        self.check()?;
        let mut global = Section::new("global", &self.user);
        global.set("archive-async", "y");
        global.set("spool-path", SPOOL_PATH);
        global.set("lock-path", INSTANCE_LOCK_PATH);
        global.set("log-level-console", "warn");
        // How long a refused request is repeated, and how long a connection may be silent. The objects here are small.
        global.set("io-timeout", "15");
        notice_silence(&mut global);
        self.repositories_and_user(&mut global, Reader::Instance);

        // PostgreSQL itself tries again for ever; what pgBackRest repeats in between only delays the news by a minute.
        let mut push = Section::new("global:archive-push", &self.user);
        if !self.user.global.contains_key("job-retry") {
            push.set("job-retry", "0");
        }

        // Nothing else is done meanwhile, and each object is waited for. What the user says in `global` holds for these too.
        let mut restore = Section::new("global:restore", &self.user);
        let mut get = Section::new("global:archive-get", &self.user);
        let option = "process-max";
        if !self.user.global.contains_key(option) && !self.user.file_sets("global", option) {
            for section in [&mut restore, &mut get] {
                section.set(option, self.restore_processes.max(1).to_string());
            }
            // A repository that does not answer holds each segment up by a minute, and the next ones with it.
            push.set(option, "2");
        }

        let mut stanza = Section::new(STANZA, &self.user);
        self.postgres(&mut stanza, 1);
        Ok(file([global, push, restore, get, stanza]))
    }

    /// `pgbackrest_repo.conf`: a Job that is its own repository host. A volume is where it is mounted.
    pub fn job(&self) -> Result<String, ConfigurationError> {
        self.beside_repositories(JOB_LOCK_PATH)
    }

    /// `pgbackrest_repo_host.conf`: the pod that mounts the volumes; nothing where there are none. One process has one
    /// lock path, so the first volume has the locks of all: the Lease of each repository is what keeps commands apart.
    pub fn repo_host(&self) -> Result<Option<String>, ConfigurationError> {
        self.repositories
            .iter()
            .find(|repository| repository.is_on_volume())
            .map(|repository| self.beside_repositories(&lock_path_on_volume(&repository.name())))
            .transpose()
    }

    fn beside_repositories(&self, lock_path: &str) -> Result<String, ConfigurationError> {
        self.check()?;
        let mut global = Section::new("global", &self.user);
        global.set("lock-path", lock_path);
        global.set("log-level-console", "info");
        global.set("process-max", self.process_max.max(1).to_string());
        // Half of pgBackRest's own: a Job that is cut off must free the database's lock within a minute, and this bounds
        // both of its ends. Not less, since some stores need long to put a large object together.
        global.set("io-timeout", "30");
        notice_silence(&mut global);
        // WAL goes to all repositories or to none that counts: one that does not answer holds each segment up by most of a minute, and a
        // backup waits for two of them.
        if self.repositories.len() > 1 {
            global.set("archive-timeout", "180");
        }
        // A spread checkpoint is otherwise waited for, up to checkpoint_timeout.
        global.set("start-fast", "y");
        if self.instances.len() > 1 {
            global.set("backup-standby", "prefer");
        }
        self.repositories_and_user(&mut global, Reader::Job);

        let mut stanza = Section::new(STANZA, &self.user);
        let mut instances: Vec<_> = self.instances.iter().collect();
        instances.sort();
        for (number, instance) in (1..).zip(instances) {
            tls_host(&mut stanza, &format!("pg{number}"), &instance.host);
            self.postgres(&mut stanza, number);
        }
        Ok(file([global, stanza]))
    }

    /// `pgbackrest-server.conf`: what only `pgbackrest server` needs, beside the instance's file.
    pub fn server(&self) -> Result<String, ConfigurationError> {
        self.check()?;
        let mut global = Section::new("global", &self.user);
        let own: [(&str, String); 6] = [
            ("tls-server-address", "0.0.0.0".into()),
            ("tls-server-port", SERVER_PORT.to_string()),
            ("tls-server-ca-file", format!("{TLS_DIRECTORY}/ca.crt")),
            ("tls-server-cert-file", format!("{TLS_DIRECTORY}/server.crt")),
            ("tls-server-key-file", format!("{TLS_DIRECTORY}/server.key")),
            ("tls-server-auth", format!("{}={STANZA}", self.client_name)),
        ];
        for (key, value) in own {
            // What the user sets in `global` stands in the instance's file, which the server reads too.
            if !self.user.global.contains_key(key) {
                global.set(key, value);
            }
        }
        let mut server = Section::new("global:server", &self.user);
        server.set("log-level-console", "detail");
        Ok(file([global, server]))
    }

    /// Options of `global` for repositories that the spec does not have are left out, since for pgBackRest one such
    /// option can make a repository, and that would be a local directory.
    fn applies(&self, option: &str) -> bool {
        repository_of(option)
            .is_none_or(|key| self.repositories.iter().any(|repository| repository.key == key))
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        if let Some(option) = self.user.conflicts().first() {
            return Err(ConfigurationError::Conflict {
                option: (*option).to_owned(),
            });
        }
        for (option, value) in &self.user.global {
            let reason = if option.is_empty() || !option.bytes().all(is_option_byte) {
                "the name may have lower-case letters, digits and hyphens only"
            } else if value.trim().is_empty() {
                "it has no value"
            } else if value.contains(['\n', '\r', '\0']) {
                "the value has a line break"
            } else {
                continue;
            };
            return Err(ConfigurationError::Unwritable {
                option: option.clone(),
                reason,
            });
        }
        Ok(())
    }

    fn repositories_and_user(&self, global: &mut Section<'_>, reader: Reader) {
        global.set("log-level-file", "off");
        global.set("compress-type", "zst");
        // What is held pgBackRest does not know: a backup that somebody takes by hand lets nothing go either.
        global.set("expire-auto", "n");
        for repository in &self.repositories {
            self.repository(global, repository, reader);
        }
        for (key, value) in self.user.global.iter().filter(|(key, _)| self.applies(key)) {
            global.replace(key, value.trim());
        }
    }

    fn repository(&self, global: &mut Section<'_>, repository: &RepositorySpec, reader: Reader) {
        let name = repository.name();
        let mut set = |key: &str, value: &str| global.set(format!("{name}-{key}"), value);
        set("path", &repository.default_path());
        match &repository.store {
            RepositoryStore::S3 {
                bucket,
                endpoint,
                region,
            } => {
                set("type", "s3");
                set("s3-bucket", bucket);
                set("s3-endpoint", endpoint);
                set("s3-region", region);
            }
            RepositoryStore::Gcs { bucket } => {
                set("type", "gcs");
                set("gcs-bucket", bucket);
            }
            RepositoryStore::Azure { container } => {
                set("type", "azure");
                set("azure-container", container);
            }
            RepositoryStore::Volume { host } if reader == Reader::Instance => tls_host(global, &name, host),
            RepositoryStore::Volume { .. } => {}
        }
        if reader == Reader::Job {
            let bundle = format!("{name}-bundle");
            // Block incremental is valid with bundles only.
            if self.user.get(&bundle).is_none_or(|value| value == "y") {
                global.set(format!("{name}-block"), "y");
            }
            global.set(bundle, "y");
        }
    }

    fn postgres(&self, stanza: &mut Section<'_>, number: u32) {
        stanza.set(format!("pg{number}-path"), &self.postgres.data_directory);
        stanza.set(format!("pg{number}-port"), self.postgres.port.to_string());
        stanza.set(format!("pg{number}-socket-path"), &self.postgres.socket_directory);
    }
}

/// A peer that is cut off while nothing is on its way to it is noticed in 21 s, instead of hours: an instance frees its lock, and
/// a Job tries again. `agent::severed` sees to answers that are on their way.
fn notice_silence(global: &mut Section<'_>) {
    global.set("tcp-keep-alive-count", "3");
    global.set("tcp-keep-alive-idle", "10");
    global.set("tcp-keep-alive-interval", "5");
}

fn tls_host(section: &mut Section<'_>, prefix: &str, host: &str) {
    section.set(format!("{prefix}-host"), host);
    section.set(format!("{prefix}-host-type"), "tls");
    section.set(
        format!("{prefix}-host-ca-file"),
        format!("{TLS_DIRECTORY}/ca.crt"),
    );
    section.set(
        format!("{prefix}-host-cert-file"),
        format!("{TLS_DIRECTORY}/client.crt"),
    );
    section.set(
        format!("{prefix}-host-key-file"),
        format!("{TLS_DIRECTORY}/client.key"),
    );
}

fn is_option_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn file<const N: usize>(sections: [Section<'_>; N]) -> String {
    let mut text = HEADER.to_owned();
    for section in sections {
        section.write(&mut text);
    }
    text
}

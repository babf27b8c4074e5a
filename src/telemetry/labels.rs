//! Labels that metrics of clusters share. Names are public API.

use prometheus_client::encoding::EncodeLabelSet;

use crate::domain::label::BackupType;

/// Which cluster.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Cluster {
    namespace: String,
    cluster: String,
}

impl Cluster {
    /// A cluster of a namespace.
    #[must_use]
    pub fn new(namespace: &str, cluster: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
        }
    }

    /// One of its repositories.
    #[must_use]
    pub fn repository(&self, repo: &str) -> Repository {
        Repository::new(&self.namespace, &self.cluster, repo)
    }
}

/// Which repository.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Repository {
    pub(super) namespace: String,
    pub(super) cluster: String,
    pub(super) repo: String,
}

impl Repository {
    /// A repository of a cluster.
    #[must_use]
    pub fn new(namespace: &str, cluster: &str, repo: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
            repo: repo.to_owned(),
        }
    }

    /// Backups of one type in it.
    #[must_use]
    pub fn of_type(&self, kind: BackupType) -> OfType {
        OfType {
            namespace: self.namespace.clone(),
            cluster: self.cluster.clone(),
            repo: self.repo.clone(),
            r#type: kind.as_str(),
        }
    }

    pub(super) fn in_state(&self, state: &'static str) -> InState {
        InState {
            namespace: self.namespace.clone(),
            cluster: self.cluster.clone(),
            repo: self.repo.clone(),
            state,
        }
    }
}

/// Which repository and type of backup; pgBackRest's word.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OfType {
    namespace: String,
    cluster: String,
    repo: String,
    r#type: &'static str,
}

/// Which repository, and what backups do there.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct InState {
    namespace: String,
    cluster: String,
    repo: String,
    state: &'static str,
}

/// Repositories that there can be.
pub const REPOSITORIES: [&str; 4] = ["repo1", "repo2", "repo3", "repo4"];

/// Types of backup.
pub const TYPES: [BackupType; 3] = [
    BackupType::Full,
    BackupType::Differential,
    BackupType::Incremental,
];

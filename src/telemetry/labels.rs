//! Labels that metrics of clusters share. Names are public API.

use std::borrow::Cow;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};

use crate::domain::label::BackupType;

/// Which cluster. Its names are kept once for all samples that are made with it: there are dozens of each cluster.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Cluster(Arc<Named>);

#[derive(Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    namespace: String,
    cluster: String,
}

impl EncodeLabelSet for Cluster {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

impl Cluster {
    /// A cluster of a namespace.
    #[must_use]
    pub fn new(namespace: &str, cluster: &str) -> Self {
        Self(Arc::new(Named {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
        }))
    }

    /// One of its repositories.
    #[must_use]
    pub fn repository(&self, repo: &str) -> Repository {
        Repository {
            cluster: self.clone(),
            repo: word(repo, REPOSITORIES),
        }
    }
}

/// Which repository.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Repository {
    #[prometheus(flatten)]
    pub(super) cluster: Cluster,
    pub(super) repo: Word,
}

impl Repository {
    /// Backups of one type in it.
    #[must_use]
    pub fn of_type(&self, kind: BackupType) -> OfType {
        OfType {
            repository: self.clone(),
            r#type: kind.as_str(),
        }
    }

    pub(super) fn in_state(&self, state: &'static str) -> InState {
        InState {
            repository: self.clone(),
            state,
        }
    }
}

/// Which repository and type of backup; pgBackRest's word.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OfType {
    #[prometheus(flatten)]
    repository: Repository,
    r#type: &'static str,
}

/// Which repository, and what backups do there.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct InState {
    #[prometheus(flatten)]
    repository: Repository,
    state: &'static str,
}

/// A label's value: nearly always one of the words that are known, which take no room.
pub(super) type Word = Cow<'static, str>;

/// That word, as one of those where it is one.
pub(super) fn word(text: &str, known: impl IntoIterator<Item = &'static str>) -> Word {
    let found = known.into_iter().find(|known| *known == text);
    found.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)
}

/// Repositories that there can be.
pub const REPOSITORIES: [&str; 4] = ["repo1", "repo2", "repo3", "repo4"];

/// Types of backup.
pub const TYPES: [BackupType; 3] = [
    BackupType::Full,
    BackupType::Differential,
    BackupType::Incremental,
];

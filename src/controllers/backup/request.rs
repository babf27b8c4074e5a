//! Backups that controllers ask for: the same resource as a user's, with a label that says where it comes from.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::backup::{PerconaPGBackup, PerconaPGBackupSpec};
use crate::api::names::{LABEL_CLUSTER, LABEL_MANAGED_BY, OPERATOR};
use crate::domain::label::BackupType;

/// The cluster that asks.
pub struct Author<'a> {
    /// Where it lives.
    pub namespace: &'a str,
    /// Its name.
    pub cluster: &'a str,
    /// Backups go with it; what is in the repository does not.
    pub owner: OwnerReference,
    /// The user's labels for everything of the cluster.
    pub labels: &'a BTreeMap<String, String>,
}

impl Author<'_> {
    /// A backup of a type into a repository, with a label of its origin.
    #[must_use]
    pub fn request(
        &self,
        name: String,
        repo: &str,
        kind: BackupType,
        origin: (&str, &str),
    ) -> PerconaPGBackup {
        let mut labels = self.labels.clone();
        labels.extend([
            (LABEL_CLUSTER.to_owned(), self.cluster.to_owned()),
            (LABEL_MANAGED_BY.to_owned(), OPERATOR.to_owned()),
            (origin.0.to_owned(), origin.1.to_owned()),
        ]);
        let metadata = ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.to_owned()),
            labels: Some(labels),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        };
        let spec = PerconaPGBackupSpec {
            pg_cluster: self.cluster.to_owned(),
            repo_name: Some(repo.to_owned()),
            options: vec![format!("--type={kind}")],
            ..PerconaPGBackupSpec::default()
        };
        PerconaPGBackup {
            metadata,
            spec,
            status: None,
        }
    }
}

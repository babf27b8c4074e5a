//! A pgBackRest repository as the resources name it: `repos[]` of a cluster, the repository of a data source,
//! and the copy in a backup's status.

use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::schedules::Schedules;

/// Pattern of every repository name.
pub const NAME_PATTERN: &str = "^repo[1-4]$";

/// One pgBackRest repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule(
    "[has(self.volume), has(self.s3), has(self.gcs), has(self.azure)].filter(set, set).size() == 1",
    "a repository has exactly one store: one of volume, s3, gcs and azure"))]
pub struct Repository {
    /// Name, `repo1` to `repo4`; the digit is pgBackRest's repository key.
    #[schemars(regex(pattern = NAME_PATTERN), length(max = 5))]
    pub name: String,
    /// When backups are taken into this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules: Option<Schedules>,
    /// Whether WAL is kept from this repository for now, so that one that refuses it does not hold up the others. What can
    /// be restored from it ends there: take a full backup into it after archiving goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_archiving: Option<bool>,
    /// The repository is a volume in this Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeStore>,
    /// The repository is a bucket of S3 or of a server that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Store>,
    /// The repository is a bucket of Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsStore>,
    /// The repository is a container of Azure Blob Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureStore>,
}

/// Where the bytes of a repository are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Store<'a> {
    /// A persistent volume.
    Volume(&'a VolumeStore),
    /// S3 or compatible.
    S3(&'a S3Store),
    /// Google Cloud Storage.
    Gcs(&'a GcsStore),
    /// Azure Blob Storage.
    Azure(&'a AzureStore),
}

impl Store<'_> {
    /// The word of `status.storageType`.
    #[must_use]
    pub const fn storage_type(&self) -> &'static str {
        match self {
            Self::Volume(_) => "filesystem",
            Self::S3(_) => "s3",
            Self::Gcs(_) => "gcs",
            Self::Azure(_) => "azure",
        }
    }
}

impl Repository {
    /// pgBackRest's repository key, 1 to 4. `None` when the name is not one that the schema allows.
    #[must_use]
    pub fn key(&self) -> Option<u8> {
        key_of(&self.name)
    }

    /// Whether the user keeps WAL from it.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspend_archiving.unwrap_or(false)
    }

    /// The one store that is set. The schema lets exactly one through; with several, the first in the order
    /// volume, s3, gcs, azure counts.
    #[must_use]
    pub fn store(&self) -> Option<Store<'_>> {
        self.volume
            .as_ref()
            .map(Store::Volume)
            .or(self.s3.as_ref().map(Store::S3))
            .or(self.gcs.as_ref().map(Store::Gcs))
            .or(self.azure.as_ref().map(Store::Azure))
    }
}

/// pgBackRest's key of a repository name, 1 to 4.
#[must_use]
pub fn key_of(name: &str) -> Option<u8> {
    name.strip_prefix("repo")
        .and_then(|digit| digit.parse().ok())
        .filter(|key| (1..=4).contains(key))
}

/// A repository on a persistent volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStore {
    /// The claim that holds the repository.
    pub volume_claim_spec: PersistentVolumeClaimSpec,
}

/// A repository in a bucket of S3 or of a server that speaks its protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Store {
    /// Bucket name.
    pub bucket: String,
    /// Host, or host and port, of the server; without a scheme.
    pub endpoint: String,
    /// Region with which requests are signed.
    pub region: String,
}

/// A repository in a bucket of Google Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcsStore {
    /// Bucket name.
    pub bucket: String,
}

/// A repository in a container of Azure Blob Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureStore {
    /// Container name.
    pub container: String,
}

//! What the agent on the repository host and its readers say to each other: JSON over HTTP/1.1 with mutual TLS.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/<repo>/list?prefix=&after=` | a [`Listing`] |
//! | `GET /v1/<repo>/head?name=` | an [`Entry`] |
//! | `GET /v1/<repo>/content?name=&from=&to=` | the bytes, without `to` up to the end |
//!
//! A refusal is a status of 400 and above with a [`Refusal`]. The format is ours alone; fields are only ever added.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::storage::{ObjectInfo, Page, StorageError, StorageErrorKind};

/// Which names are asked for.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct ListQuery {
    /// What the names begin with.
    #[serde(default)]
    pub prefix: String,
    /// What they sort behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Which object, or which bytes of it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct NameQuery {
    /// Its name in the repository's volume.
    pub name: String,
    /// First byte.
    #[serde(default)]
    pub from: u64,
    /// First byte that is not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// Part of a listing.
#[derive(Debug, Deserialize, Serialize)]
pub struct Listing {
    /// The objects, in the order of names.
    pub objects: Vec<Entry>,
    /// `after` of the part that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One object.
#[derive(Debug, Deserialize, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// When it was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<DateTime<Utc>>,
}

/// Why something is not answered.
#[derive(Debug, Deserialize, Serialize)]
pub struct Refusal {
    /// A word of [`StorageErrorKind`].
    pub kind: String,
    /// What exactly; no secret.
    pub detail: String,
}

impl From<Page> for Listing {
    fn from(page: Page) -> Self {
        Self {
            objects: page.objects.into_iter().map(Entry::from).collect(),
            next: page.next,
        }
    }
}

impl From<Listing> for Page {
    fn from(listing: Listing) -> Self {
        Self {
            objects: listing.objects.into_iter().map(ObjectInfo::from).collect(),
            next: listing.next,
        }
    }
}

impl From<ObjectInfo> for Entry {
    fn from(object: ObjectInfo) -> Self {
        Self {
            name: object.name,
            size: object.size,
            modified: object.modified,
        }
    }
}

impl From<Entry> for ObjectInfo {
    fn from(entry: Entry) -> Self {
        Self {
            name: entry.name,
            size: entry.size,
            modified: entry.modified,
        }
    }
}

impl Refusal {
    /// The refusal for an error, and its HTTP status.
    #[must_use]
    pub fn of(error: &StorageError) -> (u16, Self) {
        let status = match error.kind {
            StorageErrorKind::NotFound | StorageErrorKind::BucketMissing => 404,
            StorageErrorKind::CredentialsRefused | StorageErrorKind::PermissionMissing => 403,
            StorageErrorKind::Misconfigured => 400,
            StorageErrorKind::TooLarge => 413,
            StorageErrorKind::Throttled => 429,
            StorageErrorKind::Unavailable => 503,
            StorageErrorKind::Unreachable => 504,
            StorageErrorKind::Untrusted | StorageErrorKind::Full | StorageErrorKind::Unexpected => 500,
        };
        let refusal = Self {
            kind: error.kind.as_str().to_owned(),
            detail: error.detail.clone(),
        };
        (status, refusal)
    }

    /// The error that an answer with this status and text stands for.
    #[must_use]
    pub fn read(status: u16, text: &[u8]) -> (StorageErrorKind, String) {
        let told = serde_json::from_slice::<Self>(text).ok();
        let kind = told
            .as_ref()
            .and_then(|refusal| StorageErrorKind::from_word(&refusal.kind));
        match (kind, told) {
            (Some(kind), Some(refusal)) => (kind, refusal.detail),
            // Somebody else answers at this address, or another version.
            _ => (
                StorageErrorKind::Unexpected,
                format!("HTTP status {status}, and not from a repository host"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_read_back_as_it_was() {
        for kind in StorageErrorKind::ALL {
            let error = StorageError::new(*kind, "get x", "why");
            let (status, refusal) = Refusal::of(&error);
            assert!(status >= 400);
            let text = serde_json::to_vec(&refusal).unwrap();
            assert_eq!(Refusal::read(status, &text), (*kind, "why".to_owned()));
        }
    }

    #[test]
    fn what_another_server_says_is_no_missing_object() {
        let (kind, detail) = Refusal::read(404, b"<html>not here");
        assert_eq!(kind, StorageErrorKind::Unexpected);
        assert!(detail.contains("404"), "{detail}");
    }
}

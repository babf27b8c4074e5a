//! What the service tells of objects. Format: Cloud Storage JSON API v1, the resource `objects`.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::storage::{Head, ObjectInfo};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    #[serde(default)]
    pub(super) items: Vec<Object>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    name: String,
    size: Option<String>,
    updated: Option<DateTime<Utc>>,
    generation: Option<String>,
    retention_expiration_time: Option<DateTime<Utc>>,
    retention: Option<Retention>,
    temporary_hold: Option<bool>,
    event_based_hold: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    retain_until_time: Option<DateTime<Utc>>,
}

impl Object {
    pub(super) fn info(self) -> ObjectInfo {
        ObjectInfo {
            name: self.name,
            size: self.size.and_then(|size| size.parse().ok()).unwrap_or_default(),
            modified: self.updated,
        }
    }

    pub(super) fn head(mut self) -> Head {
        // A bucket's policy and an object's own retention: the later one counts.
        let own = self
            .retention
            .take()
            .and_then(|retention| retention.retain_until_time);
        let holds = [self.temporary_hold, self.event_based_hold];
        Head {
            version: self.generation.take(),
            retain_until: own.max(self.retention_expiration_time),
            legal_hold: holds.into_iter().flatten().reduce(|one, other| one || other),
            object: self.info(),
        }
    }
}

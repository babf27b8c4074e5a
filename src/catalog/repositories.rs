//! Keeping what is known of each repository.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    CatalogError, Credentials, Failure, RepositoryRecord,
    connection::{Columns, Connection},
};
use crate::survey::{Picture, Requests};

/// Which repository of which cluster, and where it is. Elsewhere it is another one, of which nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryPlace {
    /// The cluster's namespace.
    pub namespace: String,
    /// The cluster's name.
    pub cluster: String,
    /// `repo1`.
    pub repository: String,
    /// Where the store is, with bucket and path; no secret.
    pub location: String,
}

impl fmt::Display for RepositoryPlace {
    /// Also the key of its rows: no name of Kubernetes holds a blank or a slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            cluster,
            repository,
            location,
        } = self;
        write!(f, "{namespace}/{cluster}/{repository} {location}")
    }
}

/// Failure and credentials.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Standing {
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    credentials: Credentials,
}

/// A record in the form in which it is kept.
pub(super) struct Texts {
    known: String,
    /// Without the time of its look and what it cost, so that it changes only when the repository does.
    picture: Option<String>,
    looked: Option<DateTime<Utc>>,
    standing: String,
}

fn json(value: &impl Serialize) -> Result<String, CatalogError> {
    serde_json::to_string(value).map_err(|error| CatalogError::Unexpected(error.to_string()))
}

impl Texts {
    pub(super) fn of(record: &RepositoryRecord) -> Result<Self, CatalogError> {
        let picture = record.picture.as_ref().map(|picture| {
            json(&Picture {
                looked_at: DateTime::UNIX_EPOCH,
                requests: Requests::default(),
                ..picture.clone()
            })
        });
        Ok(Self {
            known: json(&record.known)?,
            picture: picture.transpose()?,
            looked: record.picture.as_ref().map(|picture| picture.looked_at),
            standing: json(&Standing {
                failure: record.failure.clone(),
                credentials: record.credentials,
            })?,
        })
    }

    /// Tells one picture from the next.
    pub(super) fn fingerprint(&self) -> Option<u64> {
        self.picture.as_ref().map(|text| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        })
    }
}

/// What cannot be understood, since another version wrote it, counts as not known: it is read from the repository anew.
fn understood<T: DeserializeOwned>(place: &RepositoryPlace, what: &str, text: &str) -> Option<T> {
    serde_json::from_str(text)
        .inspect_err(|error| {
            tracing::warn!(%place, what, %error, "what the catalog holds cannot be understood and is read anew");
        })
        .ok()
}

pub(super) async fn load(
    connection: &mut Connection,
    place: &RepositoryPlace,
) -> Result<Option<RepositoryRecord>, CatalogError> {
    let sql = "SELECT known, picture, looked, standing FROM holdfast_repositories WHERE place = $1";
    let read = |row: &dyn Columns| {
        Ok((
            row.text(0)?,
            row.maybe_text(1)?,
            row.maybe_number(2)?,
            row.text(3)?,
        ))
    };
    let found = connection.rows(sql, vec![place.to_string().into()], read).await?;
    let Some((known, picture, looked, standing)) = found.into_iter().next() else {
        return Ok(None);
    };
    let looked = looked.and_then(DateTime::from_timestamp_micros);
    let picture = picture.and_then(|text| understood::<Picture>(place, "picture", &text));
    let standing: Standing = understood(place, "standing", &standing).unwrap_or_default();
    Ok(Some(RepositoryRecord {
        known: understood(place, "known", &known).unwrap_or_default(),
        picture: picture
            .zip(looked)
            .map(|(picture, looked_at)| Picture { looked_at, ..picture }),
        failure: standing.failure,
        credentials: standing.credentials,
    }))
}

/// Keeps all but the picture, which is the same as before. False where there is none to be the same as.
pub(super) async fn refresh(
    connection: &mut Connection,
    place: &RepositoryPlace,
    texts: &Texts,
    now: DateTime<Utc>,
) -> Result<bool, CatalogError> {
    let sql = "UPDATE holdfast_repositories SET saved = $2, known = $3, looked = $4, standing = $5 \
        WHERE place = $1 AND picture IS NOT NULL";
    let values = vec![
        place.to_string().into(),
        now.timestamp_micros().into(),
        texts.known.as_str().into(),
        texts.looked.map(|looked| looked.timestamp_micros()).into(),
        texts.standing.as_str().into(),
    ];
    Ok(connection.execute(sql, values).await? > 0)
}

/// Keeps all. Without a picture, the one that is kept stays.
pub(super) async fn save(
    connection: &mut Connection,
    place: &RepositoryPlace,
    texts: &Texts,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let sql = "INSERT INTO holdfast_repositories (place, namespace, cluster, repository, location, \
        first_saved, saved, known, picture, looked, standing) \
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10) \
        ON CONFLICT (place) DO UPDATE SET saved = excluded.saved, known = excluded.known, \
        picture = COALESCE(excluded.picture, holdfast_repositories.picture), \
        looked = COALESCE(excluded.looked, holdfast_repositories.looked), standing = excluded.standing";
    let values = vec![
        place.to_string().into(),
        place.namespace.as_str().into(),
        place.cluster.as_str().into(),
        place.repository.as_str().into(),
        place.location.as_str().into(),
        now.timestamp_micros().into(),
        texts.known.as_str().into(),
        texts.picture.clone().into(),
        texts.looked.map(|looked| looked.timestamp_micros()).into(),
        texts.standing.as_str().into(),
    ];
    connection.execute(sql, values).await.map(drop)
}

/// All that are kept, by cluster.
pub(super) async fn all(connection: &mut Connection) -> Result<Vec<RepositoryPlace>, CatalogError> {
    let sql = "SELECT namespace, cluster, repository, location FROM holdfast_repositories ORDER BY place";
    let read = |row: &dyn Columns| {
        Ok(RepositoryPlace {
            namespace: row.text(0)?,
            cluster: row.text(1)?,
            repository: row.text(2)?,
            location: row.text(3)?,
        })
    };
    connection.rows(sql, vec![], read).await
}

/// With its history.
pub(super) async fn forget(connection: &mut Connection, place: &RepositoryPlace) -> Result<(), CatalogError> {
    let sql = "DELETE FROM holdfast_repositories WHERE place = $1";
    connection
        .execute(sql, vec![place.to_string().into()])
        .await
        .map(drop)
}

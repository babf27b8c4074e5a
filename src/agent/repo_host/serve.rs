//! Shows what is on the volumes, to read only: [`crate::storage::repo_host::format`].

use std::path::{Path, PathBuf};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path as UrlPath, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::storage::{
    ObjectStore as _, StorageError, StorageErrorKind,
    posix::PosixStore,
    repo_host::format::{Entry, ListQuery, Listing, NameQuery, Refusal},
};

/// Answers about the volumes that are mounted below `directory`, each under the name of its repository.
pub fn router(directory: &Path) -> Router {
    Router::new()
        .route("/v1/{repository}/list", get(list))
        .route("/v1/{repository}/head", get(head))
        .route("/v1/{repository}/content", get(content))
        .with_state(Volumes(directory.to_owned()))
}

/// Directory of the mounts.
#[derive(Clone)]
struct Volumes(PathBuf);

impl Volumes {
    fn of(&self, repository: &str) -> Result<PosixStore, Refused> {
        let directory = self.0.join(repository);
        if crate::api::repository::key_of(repository).is_some() && directory.is_dir() {
            return Ok(PosixStore::new(directory));
        }
        // What is not mounted yet is no empty repository.
        Err(Refused(StorageError::new(
            StorageErrorKind::Unavailable,
            "",
            format!("the volume of {repository} is not mounted in this pod yet"),
        )))
    }
}

struct Refused(StorageError);

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, refusal) = Refusal::of(&self.0);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(refusal)).into_response()
    }
}

async fn list(
    State(volumes): State<Volumes>,
    UrlPath(repository): UrlPath<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Listing>, Refused> {
    let store = volumes.of(&repository)?;
    let page = store.list(&query.prefix, query.after.as_deref()).await?;
    Ok(Json(page.into()))
}

async fn head(
    State(volumes): State<Volumes>,
    UrlPath(repository): UrlPath<String>,
    Query(query): Query<NameQuery>,
) -> Result<Json<Entry>, Refused> {
    let head = volumes.of(&repository)?.head(&query.name).await?;
    Ok(Json(head.object.into()))
}

async fn content(
    State(volumes): State<Volumes>,
    UrlPath(repository): UrlPath<String>,
    Query(query): Query<NameQuery>,
) -> Result<Body, Refused> {
    let store = volumes.of(&repository)?;
    Ok(match query.to {
        Some(to) => Body::from(store.get_range(&query.name, query.from..to).await?),
        // Without a length: a file that is replaced meanwhile has another one.
        None => Body::from_stream(store.read(query.name, query.from).await?),
    })
}

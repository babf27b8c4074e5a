//! A repository by URL or directory, with credentials from the environment.
//!
//! Variables are those of the stores' own tools: `AWS_…` (AWS CLI), `AZURE_STORAGE_…` (Azure CLI),
//! `GOOGLE_APPLICATION_CREDENTIALS` (Google's libraries) and `CLOUDSDK_AUTH_ACCESS_TOKEN` (gcloud). Without them the
//! surroundings of the process count: profiles, instance and workload identities.

mod azure;
mod gcs;
mod s3;

use std::path::Path;

use super::{Environment, InspectError, StoreOptions};
use crate::{
    domain::secret::Secret,
    pgbackrest::STANZA,
    pgbackrest::access::{RepositoryAccess, StoreAccess, split_endpoint},
    storage::trust::Trust,
};

/// Variables with the passphrase of the repository.
const CIPHER: [&str; 2] = ["HOLDFAST_CIPHER_PASS", "PGBACKREST_REPO1_CIPHER_PASS"];

/// What a URL names: the bucket or container, and the path in it.
struct Place<'a> {
    bucket: &'a str,
    path: String,
}

/// Where to connect to.
struct Server {
    host: String,
    port: u16,
}

/// The options of the store with what the environment adds.
struct Context<'a> {
    options: &'a StoreOptions,
    environment: &'a Environment,
}

/// What is needed to reach the repository.
pub(super) fn access(
    place: &str,
    options: &StoreOptions,
    environment: &Environment,
) -> Result<RepositoryAccess, InspectError> {
    let context = Context { options, environment };
    let cipher = cipher(options, environment)?;
    let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
    let (store, path) = match scheme {
        "s3" => {
            let place = bucket(place, rest)?;
            (StoreAccess::S3(context.s3(place.bucket)?), place.path)
        }
        "gs" | "gcs" => {
            let place = bucket(place, rest)?;
            (StoreAccess::Gcs(context.gcs(place.bucket)?), place.path)
        }
        "az" | "azure" => {
            let place = bucket(place, rest)?;
            (StoreAccess::Azure(context.azure(place.bucket)?), place.path)
        }
        "" | "file" => return directory(rest, cipher),
        other => {
            return Err(InspectError::Usage(format!(
                "{other}:// is no store that is known: a repository is s3://bucket/path, gs://bucket/path, \
                 az://container/path or a directory"
            )));
        }
    };
    Ok(RepositoryAccess {
        key: 1,
        store,
        path,
        stanza: STANZA.to_owned(),
        cipher,
    })
}

fn bucket<'a>(whole: &str, rest: &'a str) -> Result<Place<'a>, InspectError> {
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.contains(['@', '?', '#']) || path.contains(['?', '#']) {
        let scheme = whole.split("://").next().unwrap_or_default();
        return Err(InspectError::Usage(format!(
            "a repository is {scheme}://<bucket>/<path>, without credentials and options"
        )));
    }
    Ok(Place {
        bucket,
        path: format!("/{}", path.trim_matches('/')),
    })
}

/// A directory of this machine. Links are followed up to it, and not below it.
fn directory(path: &str, cipher: Option<Secret>) -> Result<RepositoryAccess, InspectError> {
    let wrong = |problem: String| InspectError::File {
        path: path.to_owned(),
        problem,
    };
    let whole = Path::new(path)
        .canonicalize()
        .map_err(|error| wrong(error.to_string()))?;
    if !whole.is_dir() {
        return Err(wrong("it is no directory".to_owned()));
    }
    let whole = whole
        .to_str()
        .ok_or_else(|| wrong("its name is no text".to_owned()))?;
    Ok(RepositoryAccess::directory(1, whole, cipher))
}

fn cipher(options: &StoreOptions, environment: &Environment) -> Result<Option<Secret>, InspectError> {
    let Some(path) = &options.cipher_pass_file else {
        return Ok(environment.first(&CIPHER).cloned());
    };
    let content = read(path)?;
    let line = String::from_utf8_lossy(&content);
    match line.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(line.into())),
        None => Err(InspectError::File {
            path: path.display().to_string(),
            problem: "its first line has no passphrase".to_owned(),
        }),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, InspectError> {
    std::fs::read(path).map_err(|error| InspectError::File {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

impl Context<'_> {
    /// The endpoint that was given, by argument or variable.
    fn endpoint(&self, variables: &[&str]) -> Result<Option<Server>, InspectError> {
        let given = self.options.endpoint.as_deref();
        let Some(text) = given.or_else(|| self.environment.text(variables)) else {
            return Ok(None);
        };
        let (host, port) =
            split_endpoint(text).map_err(|problem| InspectError::Usage(format!("the endpoint {problem}")))?;
        Ok(Some(Server {
            host,
            port: port.unwrap_or(443),
        }))
    }

    fn trust(&self, variables: &[&str]) -> Result<Trust, InspectError> {
        if self.options.trust_anyone {
            return Ok(Trust::Anyone);
        }
        let variable = || self.environment.text(variables).map(Path::new);
        match self.options.ca_file.as_deref().or_else(variable) {
            Some(path) => Ok(Trust::Authority(read(path)?)),
            None => Ok(Trust::System),
        }
    }
}

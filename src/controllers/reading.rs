//! Reading from the API server: where to look, and how a read fails.

use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};

/// How long all reads of a reconcile may take together; kube itself would wait for ever.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// A read did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The API server refused or could not be reached.
    #[error("cannot read {what}: {source}")]
    Read {
        /// Kind of the objects.
        what: &'static str,
        /// What kube said.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", PATIENCE.as_secs())]
    Timeout,
}

impl ReadError {
    /// Short stable name for metrics and Events.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Read { .. } => "api-read",
            Self::Timeout => "api-timeout",
        }
    }

    /// For `map_err`: names what was read.
    pub fn of(what: &'static str) -> impl Fn(kube::Error) -> Self {
        move |source| Self::Read {
            what,
            source: Box::new(source),
        }
    }
}

/// Waits for reads, and not for ever.
pub async fn in_time<T>(reads: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    match tokio::time::timeout(PATIENCE, reads).await {
        Ok(read) => read,
        Err(_) => Err(ReadError::Timeout),
    }
}

/// Objects of one namespace, or of all.
#[must_use]
pub fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

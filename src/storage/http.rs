//! What the stores share that are reached by reqwest: a client with our trust and time-outs, and its errors.

use std::{error::Error, time::Duration};

use super::{
    StorageErrorKind,
    trust::{Clients, Trust, check_authority, is_refused_certificate, rustls_in},
};
use crate::domain::secret::Secret;

/// Until the connection stands, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(3);
/// Without any byte of an answer.
pub(super) const READ: Duration = Duration::from_secs(8);
/// One try, until its answer begins.
pub(super) const ATTEMPT: Duration = Duration::from_secs(12);

/// A connection stays open so long after its last request: for the next one of the same look, and not for the next look.
pub(super) const IDLE: Duration = Duration::from_secs(15);
/// So many to each host.
pub(super) const IDLE_CONNECTIONS: usize = 4;

static CLIENTS: Clients<reqwest::Client> = Clients::new();

/// A client that trusts as told. It follows no redirection: a store that points elsewhere is configured wrongly.
pub(super) fn client(trust: &Trust) -> Result<reqwest::Client, String> {
    CLIENTS.get(trust, || client_with(trust, None))
}

/// The same with a certificate and its key, as PEM, that prove who asks.
pub(super) fn client_with(trust: &Trust, identity: Option<&Secret>) -> Result<reqwest::Client, String> {
    // reqwest panics without a process-wide provider; `main` installs the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .connect_timeout(CONNECT)
        .read_timeout(READ);
    let builder = match trust {
        Trust::System => builder,
        Trust::Authority(pem) => {
            check_authority(pem)?;
            let authorities = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| error.without_url().to_string())?;
            builder.tls_certs_only(authorities)
        }
        Trust::Anyone => builder.tls_danger_accept_invalid_certs(true),
    };
    let builder = match identity {
        Some(pem) => {
            let identity = reqwest::Identity::from_pem(pem.expose().as_bytes())
                .map_err(|_| "the client's certificate or its key cannot be read".to_owned())?;
            builder.identity(identity)
        }
        None => builder,
    };
    builder.build().map_err(|error| error.without_url().to_string())
}

/// What the network said, without any address: an address may carry a signature.
pub(super) fn network(error: &(dyn Error + 'static)) -> (StorageErrorKind, String) {
    if let Some(tls) = rustls_in(error) {
        let kind = if is_refused_certificate(tls) {
            StorageErrorKind::Untrusted
        } else {
            StorageErrorKind::Unreachable
        };
        return (kind, tls.to_string());
    }
    let mut current = Some(error);
    let mut last = None;
    while let Some(error) = current {
        match error.downcast_ref::<reqwest::Error>() {
            Some(error) if error.is_timeout() => {
                return (StorageErrorKind::Unreachable, "no answer in time".to_owned());
            }
            // Its text has the address.
            Some(_) => {}
            None => last = Some(error.to_string()),
        }
        current = error.source();
    }
    let detail = last.unwrap_or_else(|| "the connection failed".to_owned());
    (StorageErrorKind::Unreachable, detail)
}

/// `Retry-After` in seconds. The other form, a date, depends on two clocks and is not used by these stores.
pub(super) fn retry_after(value: Option<&str>) -> Option<Duration> {
    value
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_secs)
}

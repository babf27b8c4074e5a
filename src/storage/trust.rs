//! Whose certificates are accepted, and what TLS said in an error's chain.

use std::{
    error::Error,
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tokio::runtime::{self, Handle};

/// Whose certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authorities of the system.
    System,
    /// These authorities, as PEM, and no other.
    Authority(Vec<u8>),
    /// Any: the user set `repoN-storage-verify-tls=n`.
    Anyone,
}

/// So many clients are kept. A fleet has few authorities, and many repositories behind each.
const MOST_CLIENTS: usize = 64;
/// A client is made anew after this time: the system's authorities may have been renewed.
const OLDEST_CLIENT: Duration = Duration::from_hours(1);

/// Clients by whom they trust. Reading an authority's certificates costs more than a request, and repositories that share a
/// client share its connections.
pub(super) struct Clients<C>(Mutex<Vec<Kept<C>>>);

struct Kept<C> {
    trust: Trust,
    made: Instant,
    /// Connections end with the runtime that they were made in.
    runtime: Option<runtime::Id>,
    client: C,
}

impl<C: Clone> Clients<C> {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// The client of whoever trusts these, made if there is none.
    pub fn get(&self, trust: &Trust, make: impl FnOnce() -> Result<C, String>) -> Result<C, String> {
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        // A panic elsewhere leaves the list as whole as it was.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.made.elapsed() < OLDEST_CLIENT);
        if let Some(kept) = all
            .iter()
            .find(|kept| kept.trust == *trust && kept.runtime == runtime)
        {
            return Ok(kept.client.clone());
        }
        let client = make()?;
        if all.len() >= MOST_CLIENTS {
            all.remove(0);
        }
        all.push(Kept {
            trust: trust.clone(),
            made: Instant::now(),
            runtime,
            client: client.clone(),
        });
        Ok(client)
    }
}

/// The error of rustls inside another error. An `io::Error` is opened by hand, since its `source` skips what it
/// wraps.
pub(super) fn rustls_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        current = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as _),
            None => error.source(),
        };
    }
    None
}

/// True when the other side's certificate was refused, which no retry changes.
pub(super) fn is_refused_certificate(error: &rustls::Error) -> bool {
    use rustls::Error::{InvalidCertificate, NoCertificatesPresented, UnsupportedNameType};
    matches!(
        error,
        InvalidCertificate(_) | NoCertificatesPresented | UnsupportedNameType
    )
}

/// Fails when there is no certificate in the PEM text: the SDK would panic on the first request.
pub(super) fn check_authority(pem: &[u8]) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "the authority's file is no PEM text".to_owned())?;
        roots
            .add(certificate)
            .map_err(|_| "a certificate in the authority's file cannot be read".to_owned())?;
    }
    if roots.is_empty() {
        Err("the authority's file holds no certificate".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_through_an_io_error() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let outer = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert!(is_refused_certificate(rustls_in(&outer).unwrap()));
        assert!(rustls_in(&io::Error::other("refused")).is_none());
    }

    #[tokio::test]
    async fn those_who_trust_the_same_share_a_client_and_others_have_their_own() {
        let clients = Clients::new();
        let mut made = 0;
        let mut get = |trust: &Trust| {
            let client = clients.get(trust, || {
                made += 1;
                Ok(made)
            });
            client.unwrap()
        };
        let authority = |text: &str| Trust::Authority(text.as_bytes().to_vec());
        assert_eq!(get(&Trust::System), 1);
        assert_eq!(get(&authority("a")), 2);
        assert_eq!(get(&authority("b")), 3);
        assert_eq!(get(&Trust::System), 1);
        assert_eq!(get(&authority("a")), 2);
        for number in 0..MOST_CLIENTS {
            get(&authority(&number.to_string()));
        }
        assert!(get(&Trust::System) > 3, "the oldest is forgotten");
        assert!(clients.get(&Trust::Anyone, || Err("no".to_owned())).is_err());
    }

    #[test]
    fn an_authority_must_be_a_certificate() {
        assert!(check_authority(b"").is_err());
        assert!(check_authority(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap()
            .pem();
        assert!(check_authority(pem.as_bytes()).is_ok());
    }
}

//! Whose certificates are accepted, and what TLS said in an error's chain.

use std::{error::Error, io};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

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

//! A certificate and its private key as PEM text, and what can be said of them without the authority.

use chrono::{DateTime, Utc};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate and its key, PEM encoded (PKCS#8 for the key).
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, then nothing: chains are not built.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A derived Debug would print the private key into whatever log formats a struct holding this.
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

/// What matters of a certificate for the decision to keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub subject: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub dns_names: Vec<String>,
    pub is_authority: bool,
    pub signs_certificates: bool,
}

impl Pair {
    /// Takes a pair out of Secret data; nothing unless both parts are there and are text.
    #[must_use]
    pub fn from_bytes(certificate: Option<&[u8]>, key: Option<&[u8]>) -> Option<Self> {
        Some(Self {
            certificate: String::from_utf8(certificate?.to_vec()).ok()?,
            key: String::from_utf8(key?.to_vec()).ok()?,
        })
    }

    /// True until two thirds of the certificate's life are over: the time from which it is renewed.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.facts().is_some_and(|facts| facts.is_fresh(now))
    }

    pub(super) fn facts(&self) -> Option<Facts> {
        let der = self.der()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let time = |t: x509_parser::time::ASN1Time| DateTime::from_timestamp(t.timestamp(), 0);
        let mut dns_names = Vec::new();
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                if let GeneralName::DNSName(name) = name {
                    dns_names.push((*name).to_owned());
                }
            }
        }
        Some(Facts {
            subject: certificate
                .subject()
                .iter_common_name()
                .next()?
                .as_str()
                .ok()?
                .to_owned(),
            not_before: time(certificate.validity().not_before)?,
            not_after: time(certificate.validity().not_after)?,
            dns_names,
            is_authority: certificate.is_ca(),
            signs_certificates: matches!(certificate.key_usage(), Ok(Some(usage)) if usage.value.key_cert_sign()),
        })
    }

    /// Whether this certificate names `authority` as its issuer (by key, not only by name) and the key is its own.
    pub(super) fn is_issued_by(&self, authority: &Self) -> bool {
        let (Some(own), Some(issuer)) = (self.der(), authority.der()) else {
            return false;
        };
        let (Ok((_, own)), Ok((_, issuer))) = (
            X509Certificate::from_der(&own),
            X509Certificate::from_der(&issuer),
        ) else {
            return false;
        };
        let issuing_key = own
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
                _ => None,
            });
        let authority_key =
            issuer
                .extensions()
                .iter()
                .find_map(|extension| match extension.parsed_extension() {
                    ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
                    _ => None,
                });
        own.issuer() == issuer.subject()
            && issuing_key.is_some()
            && issuing_key == authority_key
            && self.key_fits(&own)
    }

    /// Whether the private key belongs to the certificate.
    pub(super) fn is_whole(&self) -> bool {
        let Some(der) = self.der() else { return false };
        X509Certificate::from_der(&der).is_ok_and(|(_, certificate)| self.key_fits(&certificate))
    }

    fn key_fits(&self, certificate: &X509Certificate<'_>) -> bool {
        rcgen::KeyPair::from_pem(&self.key)
            .is_ok_and(|key| key.public_key_raw() == &*certificate.public_key().subject_public_key.data)
    }

    fn der(&self) -> Option<Vec<u8>> {
        x509_parser::pem::parse_x509_pem(self.certificate.as_bytes())
            .ok()
            .map(|(_, pem)| pem.contents)
    }
}

impl Facts {
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let life = self.not_after - self.not_before;
        now >= self.not_before && now < self.not_before + life * 2 / 3
    }
}

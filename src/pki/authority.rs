//! The certificate authority of one cluster.

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::{LeafProfile, Pair, PkiError, valid_between};

/// The name upstream gives its root, kept so that a look at the certificate says where it comes from.
const COMMON_NAME: &str = "holdfast-ca";
/// Ten years, as upstream.
const LIFE_DAYS: i64 = 3650;

/// Signs the leaves of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pair: Pair,
}

impl Authority {
    /// The authority to use from `now` on: `existing` while its key fits, it may sign certificates and two thirds of
    /// its life are not over, else a new one.
    pub fn ensure(existing: Option<Pair>, now: DateTime<Utc>) -> Result<Self, PkiError> {
        if let Some(pair) = existing
            && pair.is_whole()
            && pair
                .facts()
                .is_some_and(|facts| facts.is_authority && facts.signs_certificates && facts.is_fresh(now))
        {
            return Ok(Self { pair });
        }
        Self::generate(now)
    }

    /// An authority the user supplies: taken as it is, whatever its age.
    #[must_use]
    pub fn supplied(pair: Pair) -> Option<Self> {
        (pair.is_whole() && pair.facts().is_some_and(|facts| facts.is_authority)).then_some(Self { pair })
    }

    fn generate(now: DateTime<Utc>) -> Result<Self, PkiError> {
        let key = KeyPair::generate().map_err(PkiError::of(COMMON_NAME))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // An hour back: nodes' clocks differ, and a certificate of the future is refused.
        valid_between!(
            params,
            now - TimeDelta::hours(1),
            now + TimeDelta::days(LIFE_DAYS)
        );
        let certificate = params.self_signed(&key).map_err(PkiError::of(COMMON_NAME))?;
        Ok(Self {
            pair: Pair {
                certificate: certificate.pem(),
                key: key.serialize_pem(),
            },
        })
    }

    /// The certificate and key, for the Secret that holds them.
    #[must_use]
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// The certificate alone, PEM encoded: what clients are given to trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.pair.certificate
    }

    /// The leaf for `profile`: `existing` while it fits the profile, is of this authority and fresh, else a new one.
    pub fn ensure_leaf(
        &self,
        existing: Option<Pair>,
        profile: &LeafProfile,
        now: DateTime<Utc>,
    ) -> Result<Pair, PkiError> {
        if let Some(pair) = existing
            && pair.is_issued_by(&self.pair)
            && pair
                .facts()
                .is_some_and(|facts| profile.fits(&facts) && facts.is_fresh(now))
        {
            return Ok(pair);
        }
        let subject = profile.common_name.as_str();
        let issuing_key = KeyPair::from_pem(&self.pair.key).map_err(PkiError::of(subject))?;
        let issuer =
            Issuer::from_ca_cert_pem(&self.pair.certificate, issuing_key).map_err(PkiError::of(subject))?;
        let key = KeyPair::generate().map_err(PkiError::of(subject))?;
        let certificate = profile
            .params(now)
            .and_then(|params| params.signed_by(&key, &issuer))
            .map_err(PkiError::of(subject))?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

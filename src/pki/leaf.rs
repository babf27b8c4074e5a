//! What a leaf certificate is for.

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};

use super::pair::Facts;
use super::valid_between;

/// One year, as upstream.
const LIFE_DAYS: i64 = 365;

/// Which side of a connection a leaf proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// The listening side only.
    Server,
    /// The connecting side only: the common name is the identity.
    Client,
    /// Both, for a program that does both with one pair (Patroni).
    Both,
}

/// Everything that decides the content of a leaf but its key and its dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProfile {
    /// Subject common name; at most 64 characters by X.520.
    pub common_name: String,
    /// Subject alternative names, in a stable order; wildcards allowed.
    pub dns_names: Vec<String>,
    /// Extended key usage.
    pub usage: Usage,
}

impl LeafProfile {
    pub(super) fn fits(&self, facts: &Facts) -> bool {
        facts.subject == self.common_name && facts.dns_names == self.dns_names && !facts.is_authority
    }

    pub(super) fn params(&self, now: DateTime<Utc>) -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(self.dns_names.clone())?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.clone());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match self.usage {
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Both => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
        };
        params.use_authority_key_identifier_extension = true;
        valid_between!(
            params,
            now - TimeDelta::hours(1),
            now + TimeDelta::days(LIFE_DAYS)
        );
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{LeafProfile, Usage};
    use crate::pki::{Authority, Pair};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn profile() -> LeafProfile {
        LeafProfile {
            common_name: "c-primary.n.svc".to_owned(),
            dns_names: vec![
                "c-primary.n.svc".to_owned(),
                "*.c-pods.n.svc.cluster.local".to_owned(),
            ],
            usage: Usage::Server,
        }
    }

    #[test]
    fn a_good_authority_and_leaf_are_kept_as_they_are() {
        let authority = Authority::ensure(None, now()).unwrap();
        let leaf = authority.ensure_leaf(None, &profile(), now()).unwrap();
        let later = now() + TimeDelta::days(100);
        assert_eq!(
            Authority::ensure(Some(authority.pair().clone()), later).unwrap(),
            authority
        );
        assert_eq!(
            authority
                .ensure_leaf(Some(leaf.clone()), &profile(), later)
                .unwrap(),
            leaf
        );
    }

    #[test]
    fn a_leaf_is_renewed_after_two_thirds_of_its_life_or_when_its_names_change_or_its_authority_does() {
        let authority = Authority::ensure(None, now()).unwrap();
        let leaf = authority.ensure_leaf(None, &profile(), now()).unwrap();
        let old = now() + TimeDelta::days(250);
        assert_ne!(
            authority
                .ensure_leaf(Some(leaf.clone()), &profile(), old)
                .unwrap(),
            leaf
        );
        let other_names = LeafProfile {
            dns_names: vec!["x".to_owned()],
            ..profile()
        };
        assert_ne!(
            authority
                .ensure_leaf(Some(leaf.clone()), &other_names, now())
                .unwrap(),
            leaf
        );
        let other = Authority::ensure(None, now()).unwrap();
        assert_ne!(
            other.ensure_leaf(Some(leaf.clone()), &profile(), now()).unwrap(),
            leaf
        );
    }

    #[test]
    fn a_key_that_is_not_the_certificates_own_is_not_kept() {
        let authority = Authority::ensure(None, now()).unwrap();
        let leaf = authority.ensure_leaf(None, &profile(), now()).unwrap();
        let mixed = Pair {
            certificate: leaf.certificate.clone(),
            key: authority.pair().key.clone(),
        };
        assert_ne!(
            authority
                .ensure_leaf(Some(mixed.clone()), &profile(), now())
                .unwrap(),
            mixed
        );
    }

    #[test]
    fn the_authority_may_sign_and_says_so() {
        let facts = Authority::ensure(None, now()).unwrap().pair().facts().unwrap();
        assert!(facts.is_authority && facts.signs_certificates);
    }
}

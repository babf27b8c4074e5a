//! Certificates: who makes them, how long they live, and those that the user brings.

use k8s_openapi::api::core::v1::SecretProjection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who makes the certificates and how long they live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Who makes the certificates.
    #[serde(default)]
    pub cert_management_policy: CertificatePolicy,
    /// Lifetime of server and client certificates, as a Go duration (`2160h`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_validity_duration: Option<String>,
    /// Lifetime of the certificate authority, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_validity_duration: Option<String>,
    /// Lifetime of pgBackRest's certificates, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_back_rest_cert_validity_duration: Option<String>,
    /// cert-manager issuer to use instead of our own authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_conf: Option<IssuerReference>,
}

/// Who makes the certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CertificatePolicy {
    /// The user's where there are some, else cert-manager's where it is installed, else ours.
    #[default]
    Auto,
    /// The user's; nothing starts without them.
    UserProvidedOnly,
    /// Ours, always.
    OperatorProvidedOnly,
}

/// A cert-manager issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerReference {
    /// Name of the issuer.
    pub name: String,
    /// `Issuer`, `ClusterIssuer`, or the kind of an external issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// API group of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Certificates that the user brings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomSecrets {
    /// Certificate authority: `root.crt` and `root.key`.
    #[serde(
        default,
        rename = "customRootCATLSSecret",
        skip_serializing_if = "Option::is_none"
    )]
    pub custom_root_ca_tls_secret: Option<SecretProjection>,
    /// PostgreSQL's server certificate: `tls.crt`, `tls.key` and `ca.crt`.
    #[serde(default, rename = "customTLSSecret", skip_serializing_if = "Option::is_none")]
    pub custom_tls_secret: Option<SecretProjection>,
    /// The replication user's client certificate: `tls.crt`, `tls.key` and `ca.crt`.
    #[serde(
        default,
        rename = "customReplicationTLSSecret",
        skip_serializing_if = "Option::is_none"
    )]
    pub custom_replication_tls_secret: Option<SecretProjection>,
}

//! The local Patroni's REST API: dynamic configuration and reload. TLS both ways, by the cluster's certificates.

pub mod difference;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Patroni answers these requests from memory or one DCS write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why Patroni could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum PatroniError {
    /// A certificate or key file cannot be used.
    #[error("{path} cannot be read as PEM")]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// No answer.
    #[error("Patroni does not answer: {0}")]
    Unreachable(&'static str),
    /// An answer that is no success.
    #[error("Patroni answered {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// An answer that is no JSON.
    #[error("Patroni's answer cannot be read")]
    Answer,
}

impl PatroniError {
    /// For metrics and reports.
    #[must_use]
    pub fn category(&self) -> &'static str {
        "patroni"
    }

    /// HTTP status or a word, for [`crate::agent::report::Problem::code`].
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Certificate { .. } => "certificate".to_owned(),
            Self::Unreachable(word) => (*word).to_owned(),
            Self::Status { status } => status.to_string(),
            Self::Answer => "answer".to_owned(),
        }
    }
}

impl From<reqwest::Error> for PatroniError {
    fn from(error: reqwest::Error) -> Self {
        match error.status() {
            Some(status) => Self::Status {
                status: status.as_u16(),
            },
            None if error.is_timeout() => Self::Unreachable("timeout"),
            None if error.is_decode() => Self::Answer,
            None => Self::Unreachable("connection"),
        }
    }
}

/// Where Patroni listens and whose certificates are used. Files are read at each use, since they are rotated.
#[derive(Clone, Debug)]
pub struct Patroni {
    /// `https://localhost:8008`.
    pub url: String,
    /// Directory with `tls.crt`, `tls.key` and `ca.crt`.
    pub certificates: PathBuf,
}

impl Patroni {
    /// Makes the dynamic configuration what is desired; returns whether it had to be changed.
    pub async fn configure(&self, desired: &Value) -> Result<bool, PatroniError> {
        if desired.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(false);
        }
        let client = self.client()?;
        let url = format!("{}/config", self.url);
        let current: Value = client.get(&url).send().await?.error_for_status()?.json().await?;
        let Some(patch) = difference::patch(&current, desired) else {
            return Ok(false);
        };
        client.patch(&url).json(&patch).send().await?.error_for_status()?;
        Ok(true)
    }

    /// Whether the local PostgreSQL leads a standby.
    pub async fn leads_standby(&self) -> Result<bool, PatroniError> {
        let url = format!("{}/standby-leader", self.url);
        let answer = self.client()?.get(&url).send().await?;
        Ok(answer.status().is_success())
    }

    /// Asks Patroni to read its files and certificates again, and to let PostgreSQL do the same.
    pub async fn reload(&self) -> Result<(), PatroniError> {
        let url = format!("{}/reload", self.url);
        self.client()?.post(&url).send().await?.error_for_status()?;
        Ok(())
    }

    fn client(&self) -> Result<reqwest::Client, PatroniError> {
        let read = |name: &str| {
            let path = self.certificates.join(name);
            std::fs::read(&path).map_err(|_| PatroniError::Certificate { path })
        };
        let unusable = |name: &str| PatroniError::Certificate {
            path: self.certificates.join(name),
        };
        let authorities =
            reqwest::Certificate::from_pem_bundle(&read("ca.crt")?).map_err(|_| unusable("ca.crt"))?;
        let mut pem = read("tls.key")?;
        pem.push(b'\n');
        pem.extend(read("tls.crt")?);
        let identity = reqwest::Identity::from_pem(&pem).map_err(|_| unusable("tls.crt"))?;
        reqwest::Client::builder()
            .tls_certs_only(authorities)
            .identity(identity)
            .timeout(TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|_| PatroniError::Unreachable("client"))
    }
}

//! Google Cloud Storage: `repoN-gcs-…`. Unlike the others, pgBackRest has no other host or port for it.

use super::{AccessError, GcsCredentials, GcsSettings, Options, split_endpoint};
use crate::domain::secret::Secret;

/// Where buckets are while nothing else is said.
const ENDPOINT: &str = "storage.googleapis.com";

impl Options<'_> {
    pub(super) fn gcs(&self, bucket: &str) -> Result<GcsSettings, AccessError> {
        let (host, port) = split_endpoint(self.get("gcs-endpoint").unwrap_or(ENDPOINT))
            .map_err(|problem| self.wrong("gcs-endpoint", problem))?;
        Ok(GcsSettings {
            bucket: self.get("gcs-bucket").unwrap_or(bucket).to_owned(),
            host,
            port: port.unwrap_or(443),
            user_project: self.get("gcs-user-project").map(str::to_owned),
            trust: self.trust()?,
            credentials: self.gcs_credentials()?,
        })
    }

    fn gcs_credentials(&self) -> Result<GcsCredentials, AccessError> {
        match self.get("gcs-key-type") {
            None | Some("service") => {
                let path = self.needed("gcs-key")?;
                let content = self
                    .projected(path.expose())
                    .ok_or_else(|| AccessError::FileNotProjected {
                        option: self.name("gcs-key"),
                    })?;
                self.service_account(content)
            }
            // pgBackRest sends it as it is, so it begins with its scheme.
            Some("token") => Ok(GcsCredentials::Token(self.needed("gcs-key")?)),
            Some("auto") => Ok(GcsCredentials::Ambient),
            Some(_) => Err(self.wrong("gcs-key-type", "must be service, token or auto")),
        }
    }

    fn service_account(&self, content: &[u8]) -> Result<GcsCredentials, AccessError> {
        let wrong = |problem| AccessError::File {
            option: self.name("gcs-key"),
            problem,
        };
        let text = std::str::from_utf8(content).map_err(|_| wrong("is no text"))?;
        let key: serde_json::Value = serde_json::from_str(text)
            .map_err(|_| wrong("is no JSON text: it must be a service account's key file"))?;
        for field in ["client_email", "private_key", "token_uri"] {
            if key.get(field).and_then(serde_json::Value::as_str).is_none() {
                return Err(wrong(
                    "is no service account's key file: client_email, private_key or token_uri is missing in it",
                ));
            }
        }
        Ok(GcsCredentials::Service(Secret::new(text)))
    }
}

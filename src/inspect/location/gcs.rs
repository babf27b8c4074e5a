//! Google Cloud Storage: `GOOGLE_APPLICATION_CREDENTIALS`, `CLOUDSDK_AUTH_ACCESS_TOKEN`.

use std::path::Path;

use super::{Context, InspectError, Server, read};
use crate::{
    domain::secret::Secret,
    storage::gcs::{GcsCredentials, GcsSettings},
};

impl Context<'_> {
    pub(super) fn gcs(&self, bucket: &str) -> Result<GcsSettings, InspectError> {
        let server = self.endpoint(&[])?.unwrap_or_else(|| Server {
            host: "storage.googleapis.com".to_owned(),
            port: 443,
        });
        Ok(GcsSettings {
            bucket: bucket.to_owned(),
            host: server.host,
            port: server.port,
            user_project: None,
            trust: self.trust(&[])?,
            credentials: self.gcs_credentials()?,
        })
    }

    fn gcs_credentials(&self) -> Result<GcsCredentials, InspectError> {
        if let Some(token) = self.environment.first(&["CLOUDSDK_AUTH_ACCESS_TOKEN"]) {
            return Ok(GcsCredentials::Token(Secret::new(format!(
                "Bearer {}",
                token.expose()
            ))));
        }
        let Some(path) = self.environment.text(&["GOOGLE_APPLICATION_CREDENTIALS"]) else {
            return Ok(GcsCredentials::Ambient);
        };
        let wrong = |problem: &str| InspectError::File {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let content = read(Path::new(path))?;
        let text = String::from_utf8(content).map_err(|_| wrong("it is no text"))?;
        let file: serde_json::Value =
            serde_json::from_str(&text).map_err(|_| wrong("it is no JSON text with Google credentials"))?;
        match file.get("type").and_then(serde_json::Value::as_str) {
            Some("service_account") => Ok(GcsCredentials::Service(Secret::new(text))),
            // A user's own or a federated identity: Google's library reads the file itself.
            Some(_) => Ok(GcsCredentials::Ambient),
            None => Err(wrong("it does not say which type of Google credentials it is")),
        }
    }
}

//! S3: `repoN-s3-…`.

use super::{AccessError, Options, S3Credentials, S3Settings};
use crate::domain::secret::Secret;

impl Options<'_> {
    pub(super) fn s3(&self, bucket: &str, endpoint: &str, region: &str) -> Result<S3Settings, AccessError> {
        let server = self.server(endpoint, "s3")?;
        let path_style = match self.get("s3-uri-style") {
            None | Some("host") => false,
            Some("path") => true,
            Some(_) => return Err(self.wrong("s3-uri-style", "must be host or path")),
        };
        Ok(S3Settings {
            bucket: self.get("s3-bucket").unwrap_or(bucket).to_owned(),
            region: self.get("s3-region").unwrap_or(region).to_owned(),
            // pgBackRest connects to this host and still asks for the endpoint by name; here the bucket then goes into
            // the path, which every server behind such an address understands.
            path_style: path_style || server.replaced,
            host: server.host,
            port: server.port,
            trust: self.trust()?,
            credentials: self.s3_credentials()?,
        })
    }

    fn s3_credentials(&self) -> Result<S3Credentials, AccessError> {
        match self.get("s3-key-type") {
            None | Some("shared") => Ok(S3Credentials::Shared {
                key: self.needed("s3-key")?,
                secret: self.needed("s3-key-secret")?,
                token: self.get("s3-token").map(Secret::from),
            }),
            Some("auto" | "web-id") => Ok(S3Credentials::Ambient),
            Some("process") => Err(AccessError::NotYetSupported {
                what: "repoN-s3-key-type=process",
            }),
            Some(_) => Err(self.wrong("s3-key-type", "must be shared, auto or web-id")),
        }
    }
}

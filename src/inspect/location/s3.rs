//! S3: `AWS_…`.

use super::{Context, InspectError, Server};
use crate::storage::s3::{S3Credentials, S3Settings};

impl Context<'_> {
    pub(super) fn s3(&self, bucket: &str) -> Result<S3Settings, InspectError> {
        let region = self.options.region.as_deref();
        let region = region
            .or_else(|| self.environment.text(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
            .unwrap_or("us-east-1");
        let given = self.endpoint(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])?;
        let path_style = self.options.path_style.unwrap_or(given.is_some());
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let server = given.unwrap_or_else(|| Server {
            host: format!("s3.{region}.{domain}"),
            port: 443,
        });
        let key = self.environment.first(&["AWS_ACCESS_KEY_ID"]);
        let secret = self.environment.first(&["AWS_SECRET_ACCESS_KEY"]);
        let credentials = match (key, secret) {
            (Some(key), Some(secret)) => S3Credentials::Shared {
                key: key.clone(),
                secret: secret.clone(),
                token: self.environment.first(&["AWS_SESSION_TOKEN"]).cloned(),
            },
            (None, None) => S3Credentials::Ambient,
            _ => {
                return Err(InspectError::Usage(
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both or not at all".to_owned(),
                ));
            }
        };
        Ok(S3Settings {
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            host: server.host,
            port: server.port,
            path_style,
            trust: self.trust(&["AWS_CA_BUNDLE"])?,
            credentials,
        })
    }
}

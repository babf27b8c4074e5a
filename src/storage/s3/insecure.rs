//! A connection that accepts any certificate, for repositories with `repoN-storage-verify-tls=n`.
//!
//! The SDK's own client cannot do that on purpose. Requests stay signed; what is lost is knowing who answers.
//! Requests here have no body, and answers are collected whole, up to a limit.

use std::time::Duration;

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};

use crate::storage::LARGEST_READ;

#[derive(Debug, Clone)]
struct AnyCertificate {
    client: reqwest::Client,
}

/// A client for the SDK.
pub(super) fn client(connect: Duration, read: Duration) -> Result<SharedHttpClient, String> {
    // reqwest panics without a process-wide provider; `main` installs the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect)
        .read_timeout(read)
        .build()
        .map_err(|error| error.to_string())?;
    let connector = SharedHttpConnector::new(AnyCertificate { client });
    Ok(http_client_fn(move |_, _| connector.clone()))
}

impl HttpConnector for AnyCertificate {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        HttpConnectorFuture::new(async move { send(&client, &request).await })
    }
}

async fn send(client: &reqwest::Client, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let user = |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(error);
    let method = request
        .method()
        .parse::<reqwest::Method>()
        .map_err(|error| user(error.into()))?;
    let mut outgoing = client.request(method, request.uri());
    for (name, value) in request.headers() {
        outgoing = outgoing.header(name, value);
    }
    let mut answer = outgoing.send().await.map_err(failed)?;
    let status = StatusCode::try_from(answer.status().as_u16()).map_err(|error| user(error.into()))?;
    let headers: Vec<(String, String)> = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > LARGEST_READ {
            return Err(user("the answer is too large".into()));
        }
    }
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn failed(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

//! A connection that accepts any certificate, for repositories with `repoN-storage-verify-tls=n`.
//!
//! The SDK's own client cannot do that on purpose. Requests stay signed; what is lost is knowing who answers.
//! Requests here have no body.

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};

use crate::storage::{http, trust::Trust};

#[derive(Debug, Clone)]
struct AnyCertificate {
    client: reqwest::Client,
}

/// A client for the SDK.
pub(super) fn client() -> Result<SharedHttpClient, String> {
    let client = http::client(&Trust::Anyone)?;
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
    let answer = outgoing.send().await.map_err(failed)?;
    let status = StatusCode::try_from(answer.status().as_u16()).map_err(|error| user(error.into()))?;
    let headers: Vec<(String, String)> = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let body = reqwest::Body::from(answer);
    let mut response = HttpResponse::new(status, SdkBody::from_body_1_x(body));
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

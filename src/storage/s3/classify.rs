//! From what the SDK returns to our kinds of error.
//!
//! By status first and by code second: a HEAD has no body and so no code, and some servers invent codes.

use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::result::DispatchFailure;

use super::{
    super::{
        http,
        trust::{is_refused_certificate, rustls_in},
    },
    StorageErrorKind,
};

/// The kind, and a text without credentials. `names_object`: a 404 without a code then means the object.
pub(super) fn classify<E>(error: &SdkError<E>, names_object: bool) -> (StorageErrorKind, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(tls) = rustls_in(error) {
        let kind = if is_refused_certificate(tls) {
            StorageErrorKind::Untrusted
        } else {
            StorageErrorKind::Unreachable
        };
        return (kind, tls.to_string());
    }
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code();
            let detail = code.map_or_else(
                || format!("HTTP {status}"),
                |code| format!("HTTP {status} {code}"),
            );
            (by_answer(status, code, names_object), detail)
        }
        SdkError::TimeoutError(_) => (StorageErrorKind::Unreachable, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) => dispatch(failure),
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            (
                StorageErrorKind::Unexpected,
                format!("an answer that is not S3's, HTTP {status}"),
            )
        }
        _ => (StorageErrorKind::Misconfigured, innermost(error)),
    }
}

/// `Retry-After` of an answer that is an error.
pub(super) fn retry_after<E>(error: &SdkError<E>) -> Option<Duration> {
    http::retry_after(error.raw_response()?.headers().get("retry-after"))
}

fn dispatch(failure: &DispatchFailure) -> (StorageErrorKind, String) {
    let detail = failure
        .as_connector_error()
        .map_or_else(|| "the request was not sent".to_owned(), |error| innermost(error));
    let kind = if failure.is_io() || failure.is_timeout() {
        StorageErrorKind::Unreachable
    } else if failure.is_user() {
        StorageErrorKind::Misconfigured
    } else {
        // The credentials' provider fails here: no role, no token, metadata service away.
        StorageErrorKind::CredentialsRefused
    };
    (kind, detail)
}

fn by_answer(status: u16, code: Option<&str>, names_object: bool) -> StorageErrorKind {
    if let Some(kind) = code.and_then(by_code) {
        return kind;
    }
    match status {
        // Without a code, as HEAD answers, nobody can tell a wrong key from a missing permission.
        403 if code == Some("AccessDenied") => StorageErrorKind::PermissionMissing,
        401 | 403 => StorageErrorKind::CredentialsRefused,
        404 if names_object => StorageErrorKind::NotFound,
        404 => StorageErrorKind::BucketMissing,
        416 => StorageErrorKind::NotFound,
        429 | 503 => StorageErrorKind::Throttled,
        507 => StorageErrorKind::Full,
        300..=400 => StorageErrorKind::Misconfigured,
        408 | 500..=599 => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Unexpected,
    }
}

fn by_code(code: &str) -> Option<StorageErrorKind> {
    Some(match code {
        "NoSuchBucket" => StorageErrorKind::BucketMissing,
        "NoSuchKey" => StorageErrorKind::NotFound,
        // The last one is versitygw's, with a 404.
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "RequestTimeTooSkewed"
        | "InvalidClientTokenId"
        | "XAdminUserNotFound" => StorageErrorKind::CredentialsRefused,
        "SlowDown" | "RequestLimitExceeded" | "Throttling" => StorageErrorKind::Throttled,
        "InsufficientStorage" | "QuotaExceeded" | "XMinioStorageFull" | "ServiceQuotaExceeded" => {
            StorageErrorKind::Full
        }
        _ => return None,
    })
}

/// The cause at the bottom of the chain, which names the network's own error.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(404, Some("NoSuchBucket"), false, StorageErrorKind::BucketMissing)]
    #[case(404, Some("NoSuchKey"), true, StorageErrorKind::NotFound)]
    #[case(404, None, true, StorageErrorKind::NotFound)]
    #[case(404, Some("XAdminUserNotFound"), true, StorageErrorKind::CredentialsRefused)]
    #[case(
        403,
        Some("SignatureDoesNotMatch"),
        false,
        StorageErrorKind::CredentialsRefused
    )]
    #[case(403, None, true, StorageErrorKind::CredentialsRefused)]
    #[case(403, Some("AccessDenied"), false, StorageErrorKind::PermissionMissing)]
    #[case(301, Some("PermanentRedirect"), false, StorageErrorKind::Misconfigured)]
    #[case(
        400,
        Some("AuthorizationHeaderMalformed"),
        false,
        StorageErrorKind::Misconfigured
    )]
    #[case(400, Some("ExpiredToken"), false, StorageErrorKind::CredentialsRefused)]
    #[case(429, None, false, StorageErrorKind::Throttled)]
    #[case(503, Some("SlowDown"), false, StorageErrorKind::Throttled)]
    #[case(500, Some("InternalError"), false, StorageErrorKind::Unavailable)]
    #[case(507, None, true, StorageErrorKind::Full)]
    fn an_answer_is_read_by_its_code_and_then_by_its_status(
        #[case] status: u16,
        #[case] code: Option<&str>,
        #[case] names_object: bool,
        #[case] expected: StorageErrorKind,
    ) {
        assert_eq!(by_answer(status, code, names_object), expected);
    }
}

//! From what the SDK returns to our kinds of error.
//!
//! By code first, which the service also sends as a header, then by status. Texts are made of codes and of what the
//! network said: the SDK's own texts can hold an address with a signature.

use std::time::Duration;

use azure_core::error::ErrorKind;

use super::super::{StorageErrorKind, http};

/// The kind, a text without credentials, and when to come back. `names_object`: a 404 without a code then means the
/// object. `is_microsoft`: the service itself answers, and not an emulator.
pub(super) fn classify(
    error: &azure_core::Error,
    names_object: bool,
    is_microsoft: bool,
) -> (StorageErrorKind, String, Option<Duration>) {
    match error.kind() {
        ErrorKind::HttpResponse {
            status,
            error_code,
            raw_response,
        } => {
            let status = u16::from(*status);
            let code = error_code.as_deref().filter(|code| is_code(code));
            let detail = code.map_or_else(
                || format!("HTTP {status}"),
                |code| format!("HTTP {status} {code}"),
            );
            let retry_after = raw_response.as_ref().and_then(|answer| {
                http::retry_after(answer.headers().get_optional_str(&"retry-after".into()))
            });
            (
                by_answer(status, code, names_object, is_microsoft),
                detail,
                retry_after,
            )
        }
        ErrorKind::Connection | ErrorKind::Io => {
            let (kind, detail) = http::network(error);
            (kind, detail, None)
        }
        ErrorKind::DataConversion => {
            let detail = "an answer that is not Azure's".to_owned();
            (StorageErrorKind::Unexpected, detail, None)
        }
        ErrorKind::Credential => {
            // No identity, no token, the token service away: the SDK's text can have addresses, but no secret of ours.
            let detail = "no token for the identity of this pod".to_owned();
            (StorageErrorKind::CredentialsRefused, detail, None)
        }
        ErrorKind::Other => (
            StorageErrorKind::Unexpected,
            "the request failed".to_owned(),
            None,
        ),
    }
}

/// The SDK puts a friendly text where there is no code.
fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn by_answer(status: u16, code: Option<&str>, names_object: bool, is_microsoft: bool) -> StorageErrorKind {
    if let Some(kind) = code.and_then(|code| by_code(code, is_microsoft)) {
        return kind;
    }
    match status {
        401 | 403 => StorageErrorKind::CredentialsRefused,
        404 if names_object => StorageErrorKind::NotFound,
        404 => StorageErrorKind::BucketMissing,
        408 => StorageErrorKind::Unavailable,
        416 => StorageErrorKind::NotFound,
        429 | 503 => StorageErrorKind::Throttled,
        300..=499 => StorageErrorKind::Misconfigured,
        500..=599 => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Unexpected,
    }
}

fn by_code(code: &str, is_microsoft: bool) -> Option<StorageErrorKind> {
    Some(match code {
        "BlobNotFound" | "ResourceNotFound" => StorageErrorKind::NotFound,
        "ContainerNotFound" | "ContainerBeingDeleted" | "ContainerDisabled" => {
            StorageErrorKind::BucketMissing
        }
        "AuthenticationFailed"
        | "InvalidAuthenticationInfo"
        | "NoAuthenticationInformation"
        | "AccountIsDisabled" => StorageErrorKind::CredentialsRefused,
        // The service means its firewall by it; Azurite says it of a wrong key.
        "AuthorizationFailure" if !is_microsoft => StorageErrorKind::CredentialsRefused,
        "AuthorizationFailure"
        | "AuthorizationPermissionMismatch"
        | "AuthorizationResourceTypeMismatch"
        | "AuthorizationServiceMismatch"
        | "AuthorizationProtocolMismatch"
        | "AuthorizationSourceIPMismatch"
        | "InsufficientAccountPermissions"
        | "KeyBasedAuthenticationNotPermitted"
        | "PublicAccessNotPermitted" => StorageErrorKind::PermissionMissing,
        "ServerBusy" => StorageErrorKind::Throttled,
        "InternalError" | "OperationTimedOut" => StorageErrorKind::Unavailable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(404, Some("BlobNotFound"), true, StorageErrorKind::NotFound)]
    #[case(404, Some("ContainerNotFound"), true, StorageErrorKind::BucketMissing)]
    #[case(404, None, true, StorageErrorKind::NotFound)]
    #[case(404, None, false, StorageErrorKind::BucketMissing)]
    #[case(403, Some("AuthenticationFailed"), true, StorageErrorKind::CredentialsRefused)]
    #[case(403, Some("AuthorizationFailure"), true, StorageErrorKind::CredentialsRefused)]
    #[case(
        403,
        Some("AuthorizationPermissionMismatch"),
        true,
        StorageErrorKind::PermissionMissing
    )]
    #[case(403, None, true, StorageErrorKind::CredentialsRefused)]
    #[case(400, Some("InvalidHeaderValue"), false, StorageErrorKind::Misconfigured)]
    #[case(
        400,
        Some("InvalidAuthenticationInfo"),
        false,
        StorageErrorKind::CredentialsRefused
    )]
    #[case(409, Some("ContainerBeingDeleted"), false, StorageErrorKind::BucketMissing)]
    #[case(429, None, false, StorageErrorKind::Throttled)]
    #[case(503, Some("ServerBusy"), false, StorageErrorKind::Throttled)]
    #[case(500, Some("OperationTimedOut"), false, StorageErrorKind::Unavailable)]
    fn an_answer_is_read_by_its_code_and_then_by_its_status(
        #[case] status: u16,
        #[case] code: Option<&str>,
        #[case] names_object: bool,
        #[case] expected: StorageErrorKind,
    ) {
        assert_eq!(by_answer(status, code, names_object, false), expected);
    }

    #[test]
    fn a_firewall_of_the_service_is_not_a_wrong_key() {
        assert_eq!(
            by_answer(403, Some("AuthorizationFailure"), false, true),
            StorageErrorKind::PermissionMissing
        );
    }

    #[test]
    fn a_friendly_text_is_no_code() {
        assert!(is_code("BlobNotFound"));
        assert!(!is_code("(unknown error code)") && !is_code("The request failed."));
    }
}

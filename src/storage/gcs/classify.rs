//! From the JSON API's refusals to our kinds of error: by the reason in the body, then by the status.

use serde::Deserialize;

use super::super::{StorageError, StorageErrorKind};

/// What a range behind the end is refused with.
const BEHIND_THE_END: &str = "HTTP 416";

#[derive(Deserialize)]
struct Refusal {
    error: Details,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    errors: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    reason: Option<String>,
}

/// The kind, and a text without credentials. `names_object`: a 404 then means the object.
pub(super) fn classify(status: u16, body: &[u8], names_object: bool) -> (StorageErrorKind, String) {
    let reason = serde_json::from_slice::<Refusal>(body)
        .ok()
        .and_then(|refusal| refusal.error.errors.into_iter().next()?.reason)
        .filter(|reason| reason.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let detail = match &reason {
        Some(reason) => format!("HTTP {status} {reason}"),
        None => format!("HTTP {status}"),
    };
    (by_answer(status, reason.as_deref(), names_object), detail)
}

/// True when a range began behind the object's last byte.
pub(super) fn is_behind_the_end(error: &StorageError) -> bool {
    error.detail.starts_with(BEHIND_THE_END)
}

fn by_answer(status: u16, reason: Option<&str>, names_object: bool) -> StorageErrorKind {
    match (status, reason) {
        (403 | 429, Some("rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded")) | (429, _) => {
            StorageErrorKind::Throttled
        }
        (403, Some("accountDisabled" | "authError")) | (401, _) => StorageErrorKind::CredentialsRefused,
        (403, _) => StorageErrorKind::PermissionMissing,
        (404, _) if names_object => StorageErrorKind::NotFound,
        (404, _) => StorageErrorKind::BucketMissing,
        (408 | 500..=599, _) => StorageErrorKind::Unavailable,
        (300..=499, _) => StorageErrorKind::Misconfigured,
        _ => StorageErrorKind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(404, "notFound", true, StorageErrorKind::NotFound)]
    #[case(404, "notFound", false, StorageErrorKind::BucketMissing)]
    #[case(401, "authError", false, StorageErrorKind::CredentialsRefused)]
    #[case(403, "insufficientPermissions", false, StorageErrorKind::PermissionMissing)]
    #[case(403, "rateLimitExceeded", false, StorageErrorKind::Throttled)]
    #[case(429, "rateLimitExceeded", false, StorageErrorKind::Throttled)]
    #[case(503, "backendError", false, StorageErrorKind::Unavailable)]
    #[case(400, "invalid", false, StorageErrorKind::Misconfigured)]
    #[case(408, "", false, StorageErrorKind::Unavailable)]
    fn a_refusal_is_read_by_its_reason_and_then_by_its_status(
        #[case] status: u16,
        #[case] reason: &str,
        #[case] names_object: bool,
        #[case] expected: StorageErrorKind,
    ) {
        let body = format!(r#"{{"error":{{"code":{status},"errors":[{{"reason":"{reason}"}}]}}}}"#);
        let (kind, detail) = classify(status, body.as_bytes(), names_object);
        assert_eq!(kind, expected);
        assert!(
            detail.starts_with(&format!("HTTP {status}")) && detail.ends_with(reason),
            "{detail}"
        );
    }

    #[test]
    fn a_body_that_is_no_json_leaves_the_status() {
        let (kind, detail) = classify(502, b"<html>Bearer hunter2</html>", true);
        assert_eq!(
            (kind, detail.as_str()),
            (StorageErrorKind::Unavailable, "HTTP 502")
        );
    }
}

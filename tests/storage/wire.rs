//! What each protocol's errors become, and which a retry saves: by a server with a script, over TLS.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use holdfast::storage::{
    ObjectStore as _, StorageErrorKind, careful,
    retry::{RetryPolicy, Retrying},
};
use rstest::rstest;

use crate::{
    places::{Kind, read},
    protocols::{CONTENT, listing, object, plain, refusal, store, wary},
    server::{Answer, Server},
};

#[rstest]
#[tokio::test]
async fn what_a_moment_heals_is_asked_for_again(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind,
    #[values(plain(429), plain(503), plain(500), plain(408), Answer::Close)] fault: Answer,
) {
    let server = Server::start([fault.clone(), object(kind, 0)]);
    assert_eq!(wary(kind, &server).await.get("a").await.unwrap(), CONTENT);
    assert_eq!(server.requests().len(), 2);
    let server = Server::start([fault, listing(kind)]);
    let page = wary(kind, &server).await.list("", None).await.unwrap();
    assert_eq!((page.objects[0].name.as_str(), page.objects[0].size), ("a", 1));
    assert_eq!(server.requests().len(), 2);
}

#[rstest]
#[tokio::test]
async fn an_answer_that_breaks_off_or_is_not_the_stores_is_asked_for_again(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind,
) {
    let garbage = Answer::Whole(200, vec![], b"<html>welcome".to_vec());
    for fault in [Answer::Cut(Box::new(listing(kind)), 20), garbage] {
        let server = Server::start([fault, listing(kind)]);
        assert_eq!(
            wary(kind, &server)
                .await
                .list("", None)
                .await
                .unwrap()
                .objects
                .len(),
            1
        );
    }
    let server = Server::start([Answer::Cut(Box::new(object(kind, 0)), 4), object(kind, 0)]);
    assert_eq!(wary(kind, &server).await.get("a").await.unwrap(), CONTENT);
}

#[rstest]
#[tokio::test]
async fn a_store_is_left_alone_for_as_long_as_it_asks(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind,
) {
    let wait = |seconds: &str| Answer::Whole(429, vec![("retry-after", seconds.to_owned())], vec![]);
    let server = Server::start([wait("1"), object(kind, 0)]);
    let begun = Instant::now();
    assert_eq!(wary(kind, &server).await.get("a").await.unwrap(), CONTENT);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // Longer than a call may take: the refusal is the answer.
    let server = Server::start([wait("600")]);
    let error = wary(kind, &server).await.head("a").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Throttled, "{error}");
    assert_eq!(error.retry_after, Some(Duration::from_mins(10)));
    assert_eq!(server.requests().len(), 1);
}

#[rstest]
#[case(Kind::S3, 403, "AccessDenied", StorageErrorKind::PermissionMissing)]
#[case(Kind::S3, 400, "ExpiredToken", StorageErrorKind::CredentialsRefused)]
#[case(Kind::S3, 301, "PermanentRedirect", StorageErrorKind::Misconfigured)]
#[case(
    Kind::Azure,
    403,
    "AuthenticationFailed",
    StorageErrorKind::CredentialsRefused
)]
#[case(
    Kind::Azure,
    403,
    "AuthorizationPermissionMismatch",
    StorageErrorKind::PermissionMissing
)]
#[case(Kind::Azure, 400, "InvalidHeaderValue", StorageErrorKind::Misconfigured)]
#[case(Kind::Azure, 404, "ContainerNotFound", StorageErrorKind::BucketMissing)]
#[case(Kind::Gcs, 401, "authError", StorageErrorKind::CredentialsRefused)]
#[case(
    Kind::Gcs,
    403,
    "insufficientPermissions",
    StorageErrorKind::PermissionMissing
)]
#[case(Kind::Gcs, 302, "moved", StorageErrorKind::Misconfigured)]
#[tokio::test]
async fn what_the_store_decided_is_told_by_its_kind_and_not_asked_again(
    #[case] kind: Kind,
    #[case] status: u16,
    #[case] code: &str,
    #[case] expected: StorageErrorKind,
) {
    let server = Server::start([refusal(kind, status, code)]);
    let store = wary(kind, &server).await;
    let errors = [
        store.get("a").await.unwrap_err(),
        store.list("", None).await.unwrap_err(),
        store.open("a", 3).await.err().unwrap(),
    ];
    for error in errors {
        assert_eq!(error.kind, expected, "{error}");
        assert!(error.detail.contains(code), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_rate_limit_of_gcs_is_no_missing_permission() {
    let limit = refusal(Kind::Gcs, 403, "rateLimitExceeded");
    let server = Server::start([limit, object(Kind::Gcs, 0)]);
    assert_eq!(wary(Kind::Gcs, &server).await.get("a").await.unwrap(), CONTENT);
}

#[rstest]
#[tokio::test]
async fn a_body_that_stops_goes_on_from_the_byte_it_had_come_to(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind,
) {
    let server = Server::start([
        Answer::Stall(Box::new(object(kind, 0)), 4),
        Answer::Cut(Box::new(object(kind, 4)), 3),
        object(kind, 7),
    ]);
    let policy = RetryPolicy {
        stall: Duration::from_millis(500),
        ..RetryPolicy::default()
    };
    let store = Retrying::with(store(kind, &server, &server.authority).await, policy);
    assert_eq!(read(&store, "a", 0).await, CONTENT);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests[1].contains("bytes=4-") && requests[2].contains("bytes=7-"),
        "{requests:?}"
    );
}

#[rstest]
#[tokio::test]
async fn a_silent_server_is_given_up(#[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind) {
    let server = Server::start([Answer::Silence]);
    let store = store(kind, &server, &server.authority).await;
    let (get, list) = futures::join!(store.get("a"), store.list("", None));
    for error in [get.unwrap_err(), list.unwrap_err()] {
        assert_eq!(error.kind, StorageErrorKind::Unreachable, "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[rstest]
#[tokio::test]
async fn a_certificate_of_somebody_else_is_looked_at_once(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind,
) {
    let (server, other) = (Server::start([plain(200)]), Server::start([]));
    let store = careful(store(kind, &server, &other.authority).await);
    let error = store.get("a").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Untrusted, "{error}");
    assert_eq!((server.connections(), server.requests().len()), (1, 0));
}

#[rstest]
#[tokio::test]
async fn what_protects_an_object_is_read(#[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind) {
    let until = "2027-01-01T00:00:00Z";
    let header = |name, value: &str| (name, value.to_owned());
    let answer = match kind {
        Kind::S3 => Answer::Whole(
            200,
            vec![
                header("x-amz-version-id", "v1"),
                header("x-amz-object-lock-mode", "COMPLIANCE"),
                header("x-amz-object-lock-retain-until-date", until),
                header("x-amz-object-lock-legal-hold", "ON"),
            ],
            vec![],
        ),
        Kind::Azure => Answer::Whole(
            200,
            vec![
                header("x-ms-version-id", "v1"),
                header("x-ms-immutability-policy-until-date", "Fri, 01 Jan 2027 00:00:00 GMT"),
                header("x-ms-immutability-policy-mode", "locked"),
                header("x-ms-legal-hold", "true"),
            ],
            vec![],
        ),
        _ => Answer::Whole(
            200,
            vec![],
            format!(r#"{{"name":"a","size":"0","generation":"v1","retentionExpirationTime":"{until}","temporaryHold":true}}"#)
                .into_bytes(),
        ),
    };
    let server = Server::start([answer]);
    let head = wary(kind, &server).await.head("a").await.unwrap();
    assert_eq!(head.version.as_deref(), Some("v1"));
    assert_eq!(head.retain_until, Some(until.parse().unwrap()));
    assert_eq!(head.legal_hold, Some(true));
}

#[rstest]
#[tokio::test]
async fn a_body_that_is_dropped_early_ends_its_request(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs)] kind: Kind,
) {
    let server = Server::start([Answer::Stall(Box::new(object(kind, 0)), 4), object(kind, 0)]);
    let store = wary(kind, &server).await;
    let mut body = store.open("a", 0).await.unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), &CONTENT[..4]);
    drop(body);
    assert_eq!(store.get("a").await.unwrap(), CONTENT);
}

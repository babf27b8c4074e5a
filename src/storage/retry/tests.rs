use futures::TryStreamExt as _;
use rstest::rstest;

use super::*;
use crate::storage::{
    Bytes,
    bounded::Bounded,
    faults::{Fault, Faulty},
    posix::PosixStore,
};

const CONTENT: &[u8] = b"0123456789";

fn quick() -> RetryPolicy {
    RetryPolicy {
        pause: Duration::from_millis(1),
        stall: Duration::from_millis(50),
        ..RetryPolicy::default()
    }
}

fn store(faults: &[Fault]) -> (tempfile::TempDir, Retrying<Faulty<PosixStore>>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("f"), CONTENT).unwrap();
    let broken = Faulty::first(PosixStore::new(directory.path()), faults.iter().copied());
    (directory, Retrying::with(broken, quick()))
}

async fn read(store: &impl ObjectStore) -> Result<Vec<u8>, StorageError> {
    let pieces: Vec<Bytes> = store.open("f", 0).await?.try_collect().await?;
    Ok(pieces.concat())
}

#[rstest]
#[case(Fault::TimeOut)]
#[case(Fault::Unavailable)]
#[case(Fault::TooManyRequests(None))]
#[tokio::test]
async fn what_may_pass_is_asked_for_again_and_not_for_ever(#[case] fault: Fault) {
    let (_directory, twice) = store(&[fault, fault]);
    assert_eq!(twice.get("f").await.unwrap(), CONTENT);
    assert_eq!(twice.inner.calls(), 3);
    let (_directory, often) = store(&[fault; 9]);
    assert!(often.head("f").await.is_err());
    assert_eq!(often.inner.calls(), 3);
}

#[tokio::test]
async fn what_the_store_decided_is_not_asked_again() {
    let (_directory, store) = store(&[Fault::CredentialsExpired]);
    let error = store.get_range("f", 0..2).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::CredentialsRefused);
    assert!(store.get("absent").await.unwrap_err().is_not_found());
    assert_eq!(store.inner.calls(), 2);
}

#[tokio::test]
async fn the_store_says_when_to_come_back() {
    let wait = Duration::from_millis(40);
    let (_directory, patient) = store(&[Fault::TooManyRequests(Some(wait))]);
    let before = Instant::now();
    assert_eq!(patient.get("f").await.unwrap(), CONTENT);
    assert!(before.elapsed() >= wait);

    let (_directory, hopeless) = store(&[Fault::TooManyRequests(Some(Duration::from_mins(2)))]);
    let error = hopeless.get("f").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Throttled);
    assert_eq!(hopeless.inner.calls(), 1);
}

#[tokio::test]
async fn a_body_goes_on_where_it_broke_off() {
    let (_directory, broken) = store(&[
        Fault::BrokenBody(3),
        Fault::Unavailable,
        Fault::BrokenBody(2),
        Fault::SlowBody(0),
        Fault::SlowBody(1),
    ]);
    // Two failures without a byte between them are within the tries; bytes make the count begin anew.
    assert_eq!(read(&broken).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn a_body_that_never_comes_on_ends_with_its_error() {
    let (_directory, stuck) = store(&[
        Fault::SlowBody(4),
        Fault::SlowBody(0),
        Fault::SlowBody(0),
        Fault::SlowBody(0),
    ]);
    let mut body = stuck.open("f", 0).await.unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), &CONTENT[..4]);
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unreachable);
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_body_counts_as_a_request_until_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("f"), CONTENT).unwrap();
    let store = Bounded::with(PosixStore::new(directory.path()), 1);
    let body = store.open("f", 0).await.unwrap();
    let mut second = store.head("f");
    assert!(futures::poll!(&mut second).is_pending());
    // Nothing but the body stands in the way.
    tokio::task::yield_now().await;
    assert!(futures::poll!(&mut second).is_pending());
    drop(body);
    second.await.unwrap();
}

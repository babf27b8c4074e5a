//! The S3 store: what it returns, and what it says when something is wrong. Each fault is a real one.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use holdfast::{
    domain::secret::Secret,
    storage::{
        ObjectStore as _, StorageError, StorageErrorKind, list_all,
        s3::{S3Credentials, S3Settings, S3Store, Trust},
    },
};

use crate::stores::{Stores, unique};

/// Objects of one test, laid down where the server keeps them, and removed at the end.
struct Objects {
    prefix: String,
    directory: PathBuf,
}

impl Objects {
    fn lay_down(stores: &Stores, count: u32) -> Self {
        let prefix = unique("storage-test");
        let directory = PathBuf::from(stores.get("S3_DATA_DIR"))
            .join(stores.get("S3_BUCKET"))
            .join(&prefix);
        fs::create_dir_all(&directory).unwrap();
        for number in 0..count {
            fs::write(
                directory.join(format!("{number:08X}")),
                format!("content of {number}"),
            )
            .unwrap();
        }
        Self { prefix, directory }
    }

    fn name(&self, number: u32) -> String {
        format!("{}/{number:08X}", self.prefix)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

async fn list_fails(settings: &S3Settings) -> (StorageError, Duration) {
    let store = S3Store::new(settings).await.unwrap();
    let start = Instant::now();
    let error = store.list("", None).await.unwrap_err();
    (error, start.elapsed())
}

#[tokio::test]
async fn a_listing_goes_on_from_a_name_and_over_several_pages() {
    let stores = Stores::read();
    let objects = Objects::lay_down(&stores, 1500);
    let store = S3Store::new(&stores.s3()).await.unwrap();

    let all = list_all(&store, &format!("{}/", objects.prefix)).await.unwrap();
    assert_eq!(all.len(), 1500);
    assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert_eq!(all[7].size, 12);
    assert!(all[7].modified.is_some());

    let after = objects.name(1400);
    let page = store.list(&objects.prefix, Some(&after)).await.unwrap();
    assert_eq!(page.objects.first().unwrap().name, objects.name(1401));
    assert_eq!((page.objects.len(), page.next), (99, None));

    // The name to go on from need not exist, and a prefix may end in the middle of a name.
    let between = format!("{}-", objects.name(1400));
    assert_eq!(
        store
            .list(&objects.prefix, Some(&between))
            .await
            .unwrap()
            .objects
            .len(),
        99
    );
    assert_eq!(
        list_all(&store, &objects.name(0x10)[..objects.prefix.len() + 8])
            .await
            .unwrap()
            .len(),
        16
    );
    assert!(list_all(&store, "no/such/prefix/").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_object_is_read_whole_and_in_parts() {
    let stores = Stores::read();
    let objects = Objects::lay_down(&stores, 3);
    let store = S3Store::new(&stores.s3()).await.unwrap();
    let name = objects.name(2);
    assert_eq!(store.get(&name).await.unwrap(), b"content of 2");
    assert_eq!(store.get_range(&name, 8..10).await.unwrap(), b"of");
    assert_eq!(store.get_range(&name, 11..99).await.unwrap(), b"2");
    assert_eq!(store.get_range(&name, 5..5).await.unwrap(), b"");
    assert_eq!(store.head(&name).await.unwrap().object.size, 12);
}

#[tokio::test]
async fn a_missing_object_is_not_a_missing_bucket() {
    let stores = Stores::read();
    let store = S3Store::new(&stores.s3()).await.unwrap();
    assert!(store.get("no/such/object").await.unwrap_err().is_not_found());
    assert!(store.head("no/such/object").await.unwrap_err().is_not_found());

    let settings = S3Settings {
        bucket: "no-such-bucket".into(),
        ..stores.s3()
    };
    assert_eq!(
        list_fails(&settings).await.0.kind,
        StorageErrorKind::BucketMissing
    );
    let error = S3Store::new(&settings).await.unwrap().get("x").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::BucketMissing, "{error}");
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_secret_are_refused_credentials() {
    let stores = Stores::read();
    let with = |key: &str, secret: &str| S3Settings {
        credentials: S3Credentials::Shared {
            key: Secret::new(key),
            secret: Secret::new(secret),
            token: None,
        },
        ..stores.s3()
    };
    for settings in [
        with("nobody", "hunter2"),
        with(stores.get("S3_ACCESS_KEY"), "hunter2"),
    ] {
        let (error, _) = list_fails(&settings).await;
        assert_eq!(error.kind, StorageErrorKind::CredentialsRefused, "{error}");
        let error = S3Store::new(&settings).await.unwrap().get("x").await.unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::CredentialsRefused, "{error}");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_told_at_once_and_accepted_only_when_asked_to() {
    let stores = Stores::read();
    let untrusted = S3Settings {
        host: stores.get("S3_UNTRUSTED_HOST").to_owned(),
        port: stores.get("S3_UNTRUSTED_PORT").parse().unwrap(),
        ..stores.s3()
    };
    let (error, took) = list_fails(&untrusted).await;
    assert_eq!(error.kind, StorageErrorKind::Untrusted, "{error}");
    assert!(
        took < Duration::from_secs(1),
        "a refused certificate was tried again: {took:?}"
    );
    let system = S3Settings {
        trust: Trust::System,
        ..stores.s3()
    };
    assert_eq!(list_fails(&system).await.0.kind, StorageErrorKind::Untrusted);

    let objects = Objects::lay_down(&stores, 3);
    let store = S3Store::new(&S3Settings {
        trust: Trust::Anyone,
        ..untrusted
    })
    .await
    .unwrap();
    assert_eq!(list_all(&store, &objects.prefix).await.unwrap().len(), 3);
    assert_eq!(store.get(&objects.name(1)).await.unwrap(), b"content of 1");
    assert_eq!(store.head(&objects.name(1)).await.unwrap().object.size, 12);
    assert!(store.get("no/such/object").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unreachable_in_bounded_time() {
    let stores = Stores::read();
    let refused = S3Settings {
        port: 1,
        ..stores.s3()
    };
    let unknown = S3Settings {
        host: "no-such-store.stores.svc.cluster.local".into(),
        ..stores.s3()
    };
    // Documentation addresses lead nowhere: packets vanish.
    let silent = S3Settings {
        host: "192.0.2.1".into(),
        ..stores.s3()
    };
    for settings in [refused, unknown, silent] {
        for trust in [settings.trust.clone(), Trust::Anyone] {
            let (error, took) = list_fails(&S3Settings {
                trust,
                ..settings.clone()
            })
            .await;
            assert_eq!(error.kind, StorageErrorKind::Unreachable, "{error}");
            assert!(took < Duration::from_secs(25), "{took:?}");
        }
    }
}

#[tokio::test]
async fn an_authority_that_is_no_certificate_is_a_wrong_setting() {
    let stores = Stores::read();
    let settings = S3Settings {
        trust: Trust::Authority(b"not a certificate".to_vec()),
        ..stores.s3()
    };
    assert_eq!(
        S3Store::new(&settings).await.unwrap_err().kind,
        StorageErrorKind::Misconfigured
    );
}

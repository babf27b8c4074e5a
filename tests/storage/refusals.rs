//! What Azure and GCS say when something is wrong, and the ways to sign. Each fault is a real one.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use holdfast::{
    domain::secret::Secret,
    storage::{
        ObjectStore, StorageError, StorageErrorKind,
        azure::{AzureCredentials, AzureSettings, AzureStore},
        gcs::{GcsCredentials, GcsSettings, GcsStore},
        list_all,
        trust::Trust,
    },
};
use rstest::rstest;

use crate::{
    places::{Kind, Place, read},
    stores::Stores,
};

async fn azure_says(settings: &AzureSettings) -> StorageError {
    let store = AzureStore::new(settings).unwrap();
    let errors = [
        store.list("", None).await.unwrap_err(),
        store.get("x").await.unwrap_err(),
        store.head("x").await.unwrap_err(),
        store.open("x", 0).await.err().unwrap(),
    ];
    let [first, others @ ..] = errors;
    for other in others {
        assert_eq!(other.kind, first.kind, "{other}");
    }
    first
}

async fn gcs_says(settings: &GcsSettings) -> StorageError {
    let store = GcsStore::new(settings).unwrap();
    let errors = [
        store.get("x").await.unwrap_err(),
        store.head("x").await.unwrap_err(),
        store.open("x", 0).await.err().unwrap(),
        store.list("", None).await.unwrap_err(),
    ];
    let [first, others @ ..] = errors;
    for other in others {
        assert_eq!(other.kind, first.kind, "{other}");
    }
    first
}

#[tokio::test]
async fn a_missing_container_or_bucket_is_not_a_missing_object() {
    let stores = Stores::read();
    let azure = AzureSettings {
        container: "no-such-container".into(),
        ..stores.azure()
    };
    let gcs = GcsSettings {
        bucket: "no-such-bucket".into(),
        ..stores.gcs()
    };
    for error in [azure_says(&azure).await, gcs_says(&gcs).await] {
        assert_eq!(error.kind, StorageErrorKind::BucketMissing, "{error}");
    }
}

#[tokio::test]
async fn a_shared_access_signature_reads_until_it_ends_and_is_never_shown() {
    let stores = Stores::read();
    let mut place = Place::of(Kind::Azure).await;
    place
        .put(vec![("a".into(), b"one".to_vec()), ("b".into(), b"two".to_vec())])
        .await;
    let with = |signature: String| AzureSettings {
        credentials: AzureCredentials::Sas(Secret::new(signature)),
        ..stores.azure()
    };
    let good = stores.azure_signature("rl", Utc::now() + TimeDelta::hours(1));
    // As portals give it, and as pgBackRest takes it.
    for signature in [good.clone(), format!("?{good}")] {
        let store = AzureStore::new(&with(signature)).unwrap();
        assert_eq!(list_all(&store, &place.prefix).await.unwrap().len(), 2);
        assert_eq!(store.get(&place.name("b")).await.unwrap(), b"two");
        assert_eq!(read(&store, &place.name("a"), 1).await, b"ne");
        assert_eq!(store.head(&place.name("a")).await.unwrap().object.size, 3);
    }
    let ended = stores.azure_signature("rl", Utc::now() - TimeDelta::hours(1));
    let secret = ended.split("sig=").nth(1).unwrap().to_owned();
    let error = azure_says(&with(ended)).await;
    assert_eq!(error.kind, StorageErrorKind::CredentialsRefused, "{error}");
    assert!(!format!("{error} {error:?}").contains(&secret));
    // A server that is not there is told with no address, where the signature would be.
    let away = AzureSettings {
        port: 1,
        ..with(good.clone())
    };
    let error = azure_says(&away).await;
    assert_eq!(error.kind, StorageErrorKind::Unreachable, "{error}");
    assert!(!format!("{error} {error:?}").contains("sig="), "{error:?}");
    place.clear().await;
}

#[tokio::test]
async fn a_wrong_account_key_is_refused_credentials() {
    let stores = Stores::read();
    let settings = AzureSettings {
        credentials: AzureCredentials::Shared(Secret::new("aHVudGVyMg==")),
        ..stores.azure()
    };
    let error = azure_says(&settings).await;
    assert_eq!(error.kind, StorageErrorKind::CredentialsRefused, "{error}");
    assert!(!format!("{error} {error:?}").contains("aHVudGVyMg"));
}

/// The test server asks for no identity, but the key signs: nothing else is needed for a token.
#[tokio::test]
async fn a_service_accounts_key_signs_without_a_token_service() {
    let stores = Stores::read();
    let key = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .unwrap();
    let key = serde_json::json!({
        "type": "service_account", "project_id": "p", "private_key_id": "k", "client_email": "a@p.iam.gserviceaccount.com",
        "private_key": String::from_utf8(key.stdout).unwrap(), "client_id": "1", "token_uri": "https://192.0.2.1/token",
    });
    let mut place = Place::of(Kind::Gcs).await;
    place.put(vec![("a".into(), b"one".to_vec())]).await;
    let settings = GcsSettings {
        credentials: GcsCredentials::Service(Secret::new(key.to_string())),
        ..stores.gcs()
    };
    let store = GcsStore::new(&settings).unwrap();
    assert_eq!(list_all(&store, &place.prefix).await.unwrap().len(), 1);
    assert_eq!(store.get(&place.name("a")).await.unwrap(), b"one");
    place.clear().await;
}

#[rstest]
#[tokio::test]
async fn an_untrusted_certificate_is_told_and_accepted_only_when_asked_to(
    #[values(Kind::Azure, Kind::Gcs)] kind: Kind,
) {
    let stores = Stores::read();
    let with = |trust: Trust| -> Box<dyn ObjectStore> {
        match kind {
            Kind::Azure => Box::new(
                AzureStore::new(&AzureSettings {
                    trust,
                    ..stores.azure()
                })
                .unwrap(),
            ),
            _ => Box::new(
                GcsStore::new(&GcsSettings {
                    trust,
                    ..stores.gcs()
                })
                .unwrap(),
            ),
        }
    };
    let error = with(Trust::System).list("", None).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Untrusted, "{error}");
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()])
        .unwrap()
        .cert
        .pem();
    let error = with(Trust::Authority(other.into_bytes()))
        .get("x")
        .await
        .unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Untrusted, "{error}");
    assert!(with(Trust::Anyone).list("no/such/", None).await.is_ok());
}

#[rstest]
#[case::nobody_listens("", 1)]
#[case::the_name_does_not_resolve("no-such-store.stores.svc.cluster.local", 443)]
// Documentation addresses lead nowhere: packets vanish.
#[case::nobody_answers("192.0.2.1", 443)]
#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unreachable_in_bounded_time(#[case] host: &str, #[case] port: u16) {
    let stores = Stores::read();
    let (mut azure, mut gcs) = (stores.azure(), stores.gcs());
    if !host.is_empty() {
        host.clone_into(&mut azure.host);
        host.clone_into(&mut gcs.host);
    }
    (azure.port, gcs.port) = (port, port);
    let azure = AzureStore::new(&azure).unwrap();
    let gcs = GcsStore::new(&gcs).unwrap();
    for store in [&azure as &dyn ObjectStore, &gcs] {
        let begun = Instant::now();
        let error = store.list("", None).await.unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Unreachable, "{error}");
        assert!(begun.elapsed() < Duration::from_secs(25));
    }
}

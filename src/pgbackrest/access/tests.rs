use rstest::rstest;

use super::*;
use crate::pgbackrest::ini::Ini;
use crate::{pgbackrest::failure::FailureKind, storage::trust::Trust};

fn spec(endpoint: &str) -> RepositorySpec {
    let store = RepositoryStore::S3 {
        bucket: "backups".into(),
        endpoint: endpoint.into(),
        region: "us-east-1".into(),
    };
    RepositorySpec { key: 1, store }
}

fn user(global: &[(&str, &str)], file: &str) -> UserOptions {
    UserOptions {
        global: global
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        files: vec![Ini::parse(file).unwrap()],
        environment: BTreeMap::new(),
    }
}

const KEYS: &str = "[global]\nrepo1-s3-key=AK\nrepo1-s3-key-secret=hunter2\n";

fn s3(global: &[(&str, &str)]) -> Result<S3Settings, AccessError> {
    let files = [("ca.crt".to_owned(), b"PEM".to_vec())].into();
    let access = resolve(&spec("s3.example"), &user(global, KEYS), &files)?;
    match access.store {
        StoreAccess::S3(settings) => Ok(settings),
        other => panic!("{other:?}"),
    }
}

fn azure(global: &[(&str, &str)]) -> Result<AzureSettings, AccessError> {
    let store = RepositoryStore::Azure {
        container: "backups".into(),
    };
    let file = "[global]\nrepo2-azure-account=acc\nrepo2-azure-key=aGVsbG8=\n";
    match resolve(
        &RepositorySpec { key: 2, store },
        &user(global, file),
        &BTreeMap::new(),
    )?
    .store
    {
        StoreAccess::Azure(settings) => Ok(settings),
        other => panic!("{other:?}"),
    }
}

const SERVICE_ACCOUNT: &str = r#"{"client_email":"a@b","private_key":"hunter2","token_uri":"https://t"}"#;

fn gcs(global: &[(&str, &str)], key_file: &str) -> Result<GcsSettings, AccessError> {
    let store = RepositoryStore::Gcs {
        bucket: "backups".into(),
    };
    let files = [("gcs-key.json".to_owned(), key_file.as_bytes().to_vec())].into();
    match resolve(
        &RepositorySpec { key: 3, store },
        &user(global, "[global]\n"),
        &files,
    )?
    .store
    {
        StoreAccess::Gcs(settings) => Ok(settings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_spec_and_a_credentials_file_are_enough() {
    let access = resolve(&spec("s3.example"), &user(&[], KEYS), &BTreeMap::new()).unwrap();
    assert_eq!(access.destination(), "s3://backups/pgbackrest/repo1");
    assert_eq!(access.cipher, None);
    let settings = s3(&[]).unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.path_style),
        ("s3.example", 443, false)
    );
    assert_eq!(settings.trust, Trust::System);
}

#[test]
fn options_of_pgbackrest_have_their_meaning() {
    let settings = s3(&[
        ("repo1-s3-uri-style", "path"),
        ("repo1-storage-port", "7070"),
        ("repo1-storage-ca-file", "/etc/pgbackrest/conf.d/ca.crt"),
        ("repo1-s3-bucket", "other"),
    ])
    .unwrap();
    assert_eq!(
        (settings.port, settings.path_style, settings.bucket.as_str()),
        (7070, true, "other")
    );
    assert_eq!(settings.trust, Trust::Authority(b"PEM".to_vec()));
    assert_eq!(s3(&[("repo1-s3-verify-tls", "n")]).unwrap().trust, Trust::Anyone);
    assert_eq!(
        s3(&[("repo1-storage-host", "minio.svc")]).unwrap().host,
        "minio.svc"
    );
}

#[test]
fn an_ambient_identity_needs_no_keys() {
    let access = resolve(
        &spec("s3"),
        &user(&[("repo1-s3-key-type", "web-id")], "[global]\n"),
        &BTreeMap::new(),
    );
    let StoreAccess::S3(settings) = access.unwrap().store else {
        panic!("another store");
    };
    assert_eq!(settings.credentials, S3Credentials::Ambient);
    let settings = azure(&[("repo2-azure-key-type", "auto")]).unwrap();
    assert_eq!(settings.credentials, AzureCredentials::Ambient);
    let settings = gcs(&[("repo3-gcs-key-type", "auto")], "").unwrap();
    assert_eq!(settings.credentials, GcsCredentials::Ambient);
}

#[test]
fn an_azure_repository_has_pgbackrests_defaults_and_exceptions() {
    let settings = azure(&[]).unwrap();
    assert_eq!(
        (
            settings.account.as_str(),
            settings.host.as_str(),
            settings.port,
            settings.path_style
        ),
        ("acc", "blob.core.windows.net", 443, false)
    );
    assert_eq!(
        settings.credentials,
        AzureCredentials::Shared(Secret::new("aGVsbG8="))
    );
    let settings = azure(&[
        ("repo2-azure-endpoint", "blob.core.usgovcloudapi.net"),
        ("repo2-azure-container", "other"),
    ])
    .unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.container.as_str()),
        ("blob.core.usgovcloudapi.net", "other")
    );
    // Another host means the path style, unless the user says which.
    let emulator = ("repo2-storage-host", "azurite.svc:10000");
    let settings = azure(&[emulator]).unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.path_style),
        ("azurite.svc", 10000, true)
    );
    let settings = azure(&[
        emulator,
        ("repo2-azure-uri-style", "host"),
        ("repo2-storage-port", "1"),
    ])
    .unwrap();
    assert_eq!((settings.port, settings.path_style), (1, false));
    assert_eq!(
        azure(&[("repo2-azure-verify-tls", "n")]).unwrap().trust,
        Trust::Anyone
    );
}

#[test]
fn a_shared_access_signature_is_no_account_key() {
    let sas = [("repo2-azure-key-type", "sas")];
    assert!(
        azure(&sas)
            .unwrap_err()
            .to_string()
            .contains("repo2-azure-key must be a shared access signature")
    );
    let store = RepositoryStore::Azure {
        container: "c".into(),
    };
    let repository = RepositorySpec { key: 2, store };
    let file = "[global]\nrepo2-azure-account=acc\nrepo2-azure-key=?sv=1&sig=hunter2\n";
    let access = resolve(&repository, &user(&sas, file), &BTreeMap::new()).unwrap();
    assert_eq!(access.destination(), "azure://c/pgbackrest/repo2");
    let error = resolve(&repository, &user(&[], file), &BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("azure-key-type=sas") && !error.to_string().contains("hunter2"));
}

#[test]
fn a_gcs_repository_takes_its_key_from_a_projected_file() {
    let key = ("repo3-gcs-key", "/etc/pgbackrest/conf.d/gcs-key.json");
    let settings = gcs(&[key], SERVICE_ACCOUNT).unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port),
        ("storage.googleapis.com", 443)
    );
    assert_eq!(
        settings.credentials,
        GcsCredentials::Service(Secret::new(SERVICE_ACCOUNT))
    );
    let elsewhere = gcs(&[("repo3-gcs-key", "/root/key.json")], SERVICE_ACCOUNT).unwrap_err();
    assert_eq!(
        elsewhere,
        AccessError::FileNotProjected {
            option: "repo3-gcs-key".into()
        }
    );
    for content in ["", "{}", r#"{"client_email":"a@b","private_key":"hunter2"}"#] {
        let error = gcs(&[key], content).unwrap_err();
        assert_eq!(error.failure(), FailureKind::RepositoryMisconfigured);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_gcs_token_is_sent_as_it_is_and_the_endpoint_may_have_a_port() {
    let settings = gcs(
        &[
            ("repo3-gcs-key-type", "token"),
            ("repo3-gcs-key", "Bearer abc"),
            ("repo3-gcs-endpoint", "gcs.svc:4443"),
            ("repo3-gcs-user-project", "payer"),
            ("repo3-storage-host", "ignored.by.pgbackrest"),
        ],
        "",
    )
    .unwrap();
    assert_eq!((settings.host.as_str(), settings.port), ("gcs.svc", 4443));
    assert_eq!(settings.user_project.as_deref(), Some("payer"));
    assert_eq!(
        settings.credentials,
        GcsCredentials::Token(Secret::new("Bearer abc"))
    );
}

#[rstest]
#[case(azure(&[("repo2-azure-uri-style", "virtual")]).unwrap_err(), "host or path")]
#[case(azure(&[("repo2-azure-key-type", "none")]).unwrap_err(), "shared, sas or auto")]
#[case(azure(&[("repo2-storage-host", "http://plain")]).unwrap_err(), "https")]
#[case(gcs(&[("repo3-gcs-key-type", "none")], "").unwrap_err(), "service, token or auto")]
#[case(gcs(&[("repo3-gcs-endpoint", "http://plain")], "").unwrap_err(), "https")]
#[case(gcs(&[], "").unwrap_err(), "repo3-gcs-key is missing in the files of spec.backups.pgbackrest.configuration")]
#[case(gcs(&[("repo3-gcs-key-type", "token")], "").unwrap_err(), "repo3-gcs-key is missing")]
fn what_is_missing_or_wrong_is_told_with_its_place(#[case] error: AccessError, #[case] told: &str) {
    assert!(error.to_string().contains(told), "{error}");
}

#[test]
fn the_passphrase_comes_from_the_file_and_is_needed_with_a_cipher() {
    let global = [("repo1-cipher-type", "aes-256-cbc")];
    let with = user(&global, &format!("{KEYS}repo1-cipher-pass=very secret\n"));
    let access = resolve(&spec("s3"), &with, &BTreeMap::new()).unwrap();
    assert_eq!(access.cipher, Some(Secret::new("very secret")));
    let error = resolve(&spec("s3"), &user(&global, KEYS), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.failure(), FailureKind::CipherMissing);
}

#[rstest]
#[case(&[("repo1-storage-ca-file", "/etc/ssl/own.crt")], "FileNotProjected", "not projected")]
#[case(&[("repo1-storage-port", "x")], "Option", "no port number")]
#[case(&[("repo1-s3-uri-style", "virtual")], "Option", "host or path")]
#[case(&[("repo1-s3-endpoint", "http://s3.example")], "Option", "https")]
#[case(&[("repo1-s3-key-type", "process")], "NotYetSupported", "not supported yet")]
fn what_cannot_work_is_told_by_the_name_of_the_option(
    #[case] global: &[(&str, &str)],
    #[case] variant: &str,
    #[case] told: &str,
) {
    let error = s3(global).unwrap_err();
    assert!(format!("{error:?}").starts_with(variant), "{error:?}");
    assert!(error.to_string().contains(told), "{error}");
}

#[test]
fn missing_credentials_name_the_option() {
    let error = resolve(&spec("s3"), &UserOptions::default(), &BTreeMap::new()).unwrap_err();
    assert_eq!(
        error,
        AccessError::CredentialsMissing {
            missing: "repo1-s3-key".into()
        }
    );
}

#[test]
fn a_volume_is_read_where_it_is_mounted() {
    let store = RepositoryStore::Volume { host: "h".into() };
    let repository = RepositorySpec { key: 2, store };
    let error = resolve(&repository, &UserOptions::default(), &BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("repository host"), "{error}");
    let access = RepositoryAccess::directory(2, "/pgbackrest/repo2", None);
    assert_eq!(access.destination(), "/pgbackrest/repo2");
}

#[test]
fn debug_shows_no_secret() {
    let user = user(
        &[("repo1-cipher-type", "aes-256-cbc")],
        &format!("{KEYS}repo1-cipher-pass=very secret\n"),
    );
    let shown = format!("{:?}", resolve(&spec("s3"), &user, &BTreeMap::new()).unwrap());
    let key = ("repo3-gcs-key", "/etc/pgbackrest/conf.d/gcs-key.json");
    let shown = format!(
        "{shown} {:?} {:?}",
        azure(&[]).unwrap(),
        gcs(&[key], SERVICE_ACCOUNT).unwrap()
    );
    assert!(!shown.contains("aGVsbG8="), "{shown}");
    assert!(
        shown.contains("backups") && !shown.contains("hunter2") && !shown.contains("very secret"),
        "{shown}"
    );
}

#[rstest]
#[case("s3.example", "s3.example", None)]
#[case("https://s3.example:9000/", "s3.example", Some(9000))]
#[case("[::1]:9000", "[::1]", Some(9000))]
fn an_endpoint_may_be_a_host_or_a_url(#[case] text: &str, #[case] host: &str, #[case] port: Option<u16>) {
    assert_eq!(split_endpoint(text), Ok((host.to_owned(), port)));
}

fn volume(global: &[(&str, &str)]) -> Result<RepositoryAccess, AccessError> {
    let store = RepositoryStore::Volume {
        host: "app-repo-host-0".into(),
    };
    let reader = VolumeReader {
        claim: "app-repo3".into(),
        authority: b"PEM".to_vec(),
        identity: Secret::new("hunter2"),
    };
    let file = "[global]\nrepo3-cipher-pass=hunter2\n";
    resolve_volume(&RepositorySpec { key: 3, store }, &user(global, file), reader)
}

#[test]
fn a_volume_is_read_through_its_host_below_where_it_is_mounted() {
    for (path, below) in [
        (None, ""),
        (Some("/pgbackrest/repo3/"), ""),
        (Some("/pgbackrest/repo3/a/b"), "/a/b"),
    ] {
        let global: Vec<_> = path.iter().map(|path| ("repo3-path", *path)).collect();
        let access = volume(&global).unwrap();
        assert_eq!(access.destination(), format!("pvc://app-repo3{below}"));
        let StoreAccess::RepoHost(settings) = &access.store else {
            panic!("{access:?}")
        };
        assert_eq!(
            (
                settings.host.as_str(),
                settings.port,
                settings.repository.as_str()
            ),
            ("app-repo-host-0", 8433, "repo3")
        );
        assert!(!format!("{access:?}").contains("hunter2"));
    }
    let access = volume(&[("repo3-cipher-type", "aes-256-cbc")]).unwrap();
    assert!(access.cipher.is_some());
}

#[rstest]
fn a_path_beside_the_volume_is_refused(
    #[values("/backups", "/pgbackrest", "/pgbackrest/repo30", "/pgbackrest/repo1")] path: &str,
) {
    let error = volume(&[("repo3-path", path)]).unwrap_err();
    assert_eq!(error.failure(), FailureKind::RepositoryMisconfigured);
    assert!(error.to_string().contains("repo3-path"), "{error}");
}

use rstest::rstest;

use super::*;
use crate::pgbackrest::ini::Ini;

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
    let StoreAccess::S3(settings) = access.store;
    Ok(settings)
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
    let StoreAccess::S3(settings) = access.unwrap().store;
    assert_eq!(settings.credentials, S3Credentials::Ambient);
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
fn kinds_that_come_later_say_so() {
    let repository = RepositorySpec {
        key: 2,
        store: RepositoryStore::Gcs { bucket: "b".into() },
    };
    let error = resolve(&repository, &UserOptions::default(), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "a repository on GCS is not supported yet");
}

#[test]
fn debug_shows_no_secret() {
    let user = user(
        &[("repo1-cipher-type", "aes-256-cbc")],
        &format!("{KEYS}repo1-cipher-pass=very secret\n"),
    );
    let shown = format!("{:?}", resolve(&spec("s3"), &user, &BTreeMap::new()).unwrap());
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

//! What URLs and variables lead to.

use super::*;
use crate::{
    domain::secret::Secret,
    pgbackrest::access::StoreAccess,
    storage::{
        azure::{AzureCredentials, AzureSettings},
        gcs::{GcsCredentials, GcsSettings},
        s3::{S3Credentials, S3Settings},
        trust::Trust,
    },
};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
const ACCOUNT: (&str, &str) = ("AZURE_STORAGE_ACCOUNT", "acme");

fn access(
    place: &str,
    options: &StoreOptions,
    pairs: &[(&str, &str)],
) -> Result<RepositoryAccess, InspectError> {
    location::access(place, options, &environment(pairs))
}

fn s3(options: &StoreOptions, pairs: &[(&str, &str)]) -> S3Settings {
    match access("s3://bucket/a/b/", options, pairs).unwrap().store {
        StoreAccess::S3(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn azure(pairs: &[(&str, &str)]) -> AzureSettings {
    match access("az://box/path", &StoreOptions::default(), pairs)
        .unwrap()
        .store
    {
        StoreAccess::Azure(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn gcs(pairs: &[(&str, &str)]) -> Result<GcsSettings, InspectError> {
    match access("gs://bucket/path", &StoreOptions::default(), pairs)?.store {
        StoreAccess::Gcs(settings) => Ok(settings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bucket_of_amazon_is_where_its_region_is() {
    let settings = s3(&StoreOptions::default(), &KEYS);
    assert_eq!(
        (settings.host.as_str(), settings.port),
        ("s3.us-east-1.amazonaws.com", 443)
    );
    assert!(!settings.path_style);
    assert_eq!(settings.trust, Trust::System);
    let all = [
        KEYS[0],
        KEYS[1],
        ("AWS_REGION", "cn-north-1"),
        ("AWS_DEFAULT_REGION", "other"),
    ];
    assert_eq!(
        s3(&StoreOptions::default(), &all).host,
        "s3.cn-north-1.amazonaws.com.cn"
    );
    let found = access("s3://bucket/a/b/", &StoreOptions::default(), &KEYS).unwrap();
    assert_eq!((found.path.as_str(), found.cipher.is_some()), ("/a/b", false));
    assert_eq!(report::place(&found), "s3://bucket/a/b");
}

#[test]
fn another_endpoint_has_the_bucket_in_the_path() {
    let pairs = [
        KEYS[0],
        KEYS[1],
        ("AWS_ENDPOINT_URL", "https://store.example:9000/"),
    ];
    let settings = s3(&StoreOptions::default(), &pairs);
    assert_eq!((settings.host.as_str(), settings.port), ("store.example", 9000));
    assert!(settings.path_style);
    let options = StoreOptions {
        endpoint: Some("other.example".into()),
        region: Some("here".into()),
        path_style: Some(false),
        ..StoreOptions::default()
    };
    let settings = s3(&options, &pairs);
    assert_eq!(
        (settings.host.as_str(), settings.region.as_str()),
        ("other.example", "here")
    );
    assert!(!settings.path_style);
}

#[test]
fn access_keys_come_in_pairs_and_without_them_the_surroundings_count() {
    let token = [KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", "T")];
    assert_eq!(
        s3(&StoreOptions::default(), &token).credentials,
        S3Credentials::Shared {
            key: "AK".into(),
            secret: "hunter2".into(),
            token: Some("T".into()),
        }
    );
    assert_eq!(
        s3(&StoreOptions::default(), &[]).credentials,
        S3Credentials::Ambient
    );
    let error = access("s3://b/p", &StoreOptions::default(), &KEYS[1..]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn an_azure_account_has_a_key_or_a_signature() {
    let settings = azure(&[ACCOUNT, ("AZURE_STORAGE_KEY", "a2V5")]);
    assert_eq!(
        (settings.host.as_str(), settings.container.as_str()),
        ("blob.core.windows.net", "box")
    );
    assert_eq!(settings.credentials, AzureCredentials::Shared("a2V5".into()));
    assert!(!settings.path_style);
    let settings = azure(&[ACCOUNT, ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=x")]);
    assert_eq!(settings.credentials, AzureCredentials::Sas("sv=1&sig=x".into()));
    assert_eq!(azure(&[ACCOUNT]).credentials, AzureCredentials::Ambient);
    for pairs in [&[][..], &[ACCOUNT, ("AZURE_STORAGE_KEY", "hunter2!")]] {
        let error = access("az://box/p", &StoreOptions::default(), pairs).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn an_azure_connection_string_is_taken_apart() {
    let with = |text: &str| azure(&[("AZURE_STORAGE_CONNECTION_STRING", text)]);
    let settings = with(
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5MQ==;EndpointSuffix=core.chinacloudapi.cn",
    );
    assert_eq!(settings.host, "blob.core.chinacloudapi.cn");
    assert_eq!(settings.credentials, AzureCredentials::Shared("a2V5MQ==".into()));
    let settings = with("AccountName=acme;AccountKey=a2V5;BlobEndpoint=https://box.example:10000/acme;");
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.path_style),
        ("box.example", 10000, true)
    );
    let settings = with(
        "AccountName=acme;SharedAccessSignature=sv=1&sig=x;BlobEndpoint=https://acme.blob.core.windows.net/",
    );
    assert_eq!(
        (settings.host.as_str(), settings.path_style),
        ("blob.core.windows.net", false)
    );
    assert_eq!(settings.credentials, AzureCredentials::Sas("sv=1&sig=x".into()));
}

#[test]
fn google_credentials_are_a_token_a_key_file_or_what_is_there() {
    assert_eq!(gcs(&[]).unwrap().credentials, GcsCredentials::Ambient);
    let token = gcs(&[("CLOUDSDK_AUTH_ACCESS_TOKEN", "T")]).unwrap();
    assert_eq!(token.credentials, GcsCredentials::Token("Bearer T".into()));
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let with = |content: &str| {
        std::fs::write(path, content).unwrap();
        gcs(&[("GOOGLE_APPLICATION_CREDENTIALS", path)]).map(|settings| settings.credentials)
    };
    let key = "{\"type\":\"service_account\",\"private_key\":\"hunter2\"}";
    assert_eq!(with(key), Ok(GcsCredentials::Service(Secret::new(key))));
    assert_eq!(
        with("{\"type\":\"external_account\"}"),
        Ok(GcsCredentials::Ambient)
    );
    for content in ["{\"private_key\":\"hunter2\"}", "hunter2"] {
        let error = with(content).unwrap_err();
        assert!(
            error.to_string().contains(path) && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_variable() {
    let pairs = [
        ("PGBACKREST_REPO1_CIPHER_PASS", "second"),
        ("HOLDFAST_CIPHER_PASS", "first"),
    ];
    let cipher = |options: &StoreOptions| access("s3://b/p", options, &pairs).unwrap().cipher;
    assert_eq!(cipher(&StoreOptions::default()), Some("first".into()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "third with blanks \nrest").unwrap();
    let options = StoreOptions {
        cipher_pass_file: Some(file.path().into()),
        ..StoreOptions::default()
    };
    assert_eq!(cipher(&options), Some("third with blanks ".into()));
    std::fs::write(file.path(), "\n").unwrap();
    assert!(matches!(
        access("s3://b/p", &options, &pairs),
        Err(InspectError::File { .. })
    ));
}

#[test]
fn a_directory_is_found_through_links() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    let whole = directory.path().canonicalize().unwrap();
    for place in [
        link.to_str().unwrap().to_owned(),
        format!("file://{}", link.display()),
    ] {
        let found = access(&place, &StoreOptions::default(), &[]).unwrap();
        assert_eq!(report::place(&found), whole.to_str().unwrap());
    }
    let error = access("/no/such/place", &StoreOptions::default(), &[]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn what_is_no_repository_is_told_without_what_may_be_secret() {
    for place in [
        "s3://",
        "s3://key:hunter2@bucket/p",
        "az://box/p?sig=hunter2",
        "ftp://hunter2/p",
    ] {
        let error = access(place, &StoreOptions::default(), &[ACCOUNT]).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{place}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn an_authority_is_read_from_its_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "PEM").unwrap();
    let bundle = ("AWS_CA_BUNDLE", file.path().to_str().unwrap());
    let settings = s3(&StoreOptions::default(), &[KEYS[0], KEYS[1], bundle]);
    assert_eq!(settings.trust, Trust::Authority(b"PEM".to_vec()));
    let options = StoreOptions {
        ca_file: Some("/no/such/file".into()),
        ..StoreOptions::default()
    };
    assert!(matches!(
        access("s3://b/p", &options, &KEYS),
        Err(InspectError::File { .. })
    ));
    let options = StoreOptions {
        trust_anyone: true,
        ..options
    };
    assert_eq!(s3(&options, &KEYS).trust, Trust::Anyone);
}

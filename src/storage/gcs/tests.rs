use super::*;
use crate::domain::secret::Secret;

fn settings(credentials: GcsCredentials) -> GcsSettings {
    GcsSettings {
        bucket: "backups".into(),
        host: "storage.googleapis.com".into(),
        port: 443,
        user_project: None,
        trust: Trust::System,
        credentials,
    }
}

#[test]
fn a_name_is_one_part_of_the_address() {
    let mut settings = settings(GcsCredentials::Token(Secret::new("Bearer x")));
    let store = GcsStore::new(&settings).unwrap();
    assert_eq!(
        store.url(Some("a/b c"), &[("alt", "media")]).as_str(),
        "https://storage.googleapis.com/storage/v1/b/backups/o/a%2Fb%20c?alt=media"
    );
    settings.user_project = Some("payer".into());
    let store = GcsStore::new(&settings).unwrap();
    assert!(
        store
            .url(None, &[])
            .as_str()
            .ends_with("/b/backups/o?userProject=payer")
    );
}

#[test]
fn a_key_that_cannot_be_used_is_a_wrong_setting_and_not_shown() {
    for credentials in [
        GcsCredentials::Service(Secret::new("hunter2")),
        GcsCredentials::Service(Secret::new(r#"{"private_key":"hunter2"}"#)),
        GcsCredentials::Token(Secret::new("Bearer hunter2\nX: y")),
    ] {
        let Err(error) = GcsStore::new(&settings(credentials)) else {
            panic!("a key without a key");
        };
        assert_eq!(error.kind, StorageErrorKind::Misconfigured);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn the_later_retention_and_any_hold_protect_an_object() {
    let text = r#"{"name":"a","size":"12","updated":"2026-11-21T07:00:00.5Z","generation":"1763708400000000",
        "retentionExpirationTime":"2026-12-01T00:00:00Z","retention":{"mode":"Locked","retainUntilTime":"2027-01-01T00:00:00Z"},
        "temporaryHold":false,"eventBasedHold":true}"#;
    let head = serde_json::from_str::<Object>(text).unwrap().head();
    assert_eq!(head.object.size, 12);
    assert_eq!(head.version.as_deref(), Some("1763708400000000"));
    assert_eq!(
        head.retain_until.unwrap().to_rfc3339(),
        "2027-01-01T00:00:00+00:00"
    );
    assert_eq!(head.legal_hold, Some(true));
    let plain = serde_json::from_str::<Object>(r#"{"name":"a"}"#).unwrap().head();
    assert_eq!((plain.retain_until, plain.legal_hold), (None, None));
}

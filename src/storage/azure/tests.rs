use super::*;

fn settings(credentials: AzureCredentials) -> AzureSettings {
    AzureSettings {
        container: "backups".into(),
        account: "acc".into(),
        host: "blob.core.windows.net".into(),
        port: 443,
        path_style: false,
        trust: Trust::System,
        credentials,
    }
}

#[test]
fn an_account_stands_before_the_host_or_begins_the_path() {
    let mut settings = settings(AzureCredentials::Ambient);
    assert_eq!(
        settings.url().unwrap().as_str(),
        "https://acc.blob.core.windows.net/backups"
    );
    settings.path_style = true;
    settings.host = "azurite.svc".into();
    settings.port = 10000;
    assert_eq!(
        settings.url().unwrap().as_str(),
        "https://azurite.svc:10000/acc/backups"
    );
}

#[test]
fn a_key_that_cannot_be_used_is_a_wrong_setting_and_not_shown() {
    for credentials in [
        AzureCredentials::Shared(Secret::new("hunter2 !")),
        AzureCredentials::Sas(Secret::new("hunter2 !")),
    ] {
        let Err(error) = AzureStore::new(&settings(credentials)) else {
            panic!("a key without a key");
        };
        assert_eq!(error.kind, StorageErrorKind::Misconfigured);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn listings_go_on_with_the_marker_of_the_last_ones_only() {
    let store = AzureStore::new(&settings(AzureCredentials::Shared(Secret::new("aGVsbG8=")))).unwrap();
    for number in 0..=CONTINUATIONS {
        store.keep("p", &format!("p{number}"), format!("m{number}"));
    }
    assert_eq!(store.continuation("p", "p0"), None);
    assert_eq!(store.continuation("p", "p1").as_deref(), Some("m1"));
    assert_eq!(store.continuation("q", "p1"), None);
    store.keep("p", "p1", "other".into());
    assert_eq!(store.continuation("p", "p1").as_deref(), Some("other"));
}

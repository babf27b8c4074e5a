use std::fs;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::*;
use crate::domain::secret::Secret;
use crate::pki::{Authority, LeafProfile, Pair, Usage};
use crate::storage::repo_host::{RepoHostSettings, RepoHostStore};
use crate::storage::{ObjectStore as _, StorageErrorKind, list_all};

const CLIENT: &str = "pgbackrest@u";

/// An agent that shows two volumes, and its certificates.
struct Host {
    directory: TempDir,
    authority: Authority,
    port: u16,
    stop: CancellationToken,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Host {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(None, Utc::now()).unwrap();
        fs::create_dir_all(directory.path().join("volumes/repo1/backup/db")).unwrap();
        fs::create_dir_all(directory.path().join("volumes/repo2")).unwrap();
        fs::create_dir(directory.path().join("tls")).unwrap();
        let mut host = Self {
            directory,
            authority,
            port: 0,
            stop: CancellationToken::new(),
        };
        host.write("volumes/repo1/backup/db/backup.info", b"info");
        host.certify(Utc::now());
        let identity = Identity {
            directory: host.path("tls"),
            client: CLIENT.to_owned(),
        };
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), identity)
            .await
            .unwrap();
        host.port = axum::serve::Listener::local_addr(&listener).unwrap().port();
        let (volumes, stop) = (host.path("volumes"), host.stop.clone());
        tokio::spawn(async move { show(listener, &volumes, &stop).await });
        host
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn leaf(&self, common_name: &str, usage: Usage, now: DateTime<Utc>) -> Pair {
        let profile = LeafProfile {
            common_name: common_name.to_owned(),
            dns_names: vec!["localhost".to_owned()],
            usage,
        };
        self.authority.ensure_leaf(None, &profile, now).unwrap()
    }

    /// Writes the server's certificates.
    fn certify(&self, now: DateTime<Utc>) {
        let server = self.leaf("repo-host", Usage::Server, now);
        self.write("tls/ca.crt", self.authority.certificate().as_bytes());
        self.write("tls/server.key", server.key.as_bytes());
        self.write("tls/server.crt", server.certificate.as_bytes());
    }

    fn settings(&self, repository: &str, client: &str) -> RepoHostSettings {
        let pair = self.leaf(client, Usage::Client, Utc::now());
        RepoHostSettings {
            host: "localhost".to_owned(),
            port: self.port,
            repository: repository.to_owned(),
            claim: format!("app-{repository}"),
            authority: self.authority.certificate().as_bytes().to_vec(),
            identity: Secret::new(format!("{}{}", pair.certificate, pair.key)),
        }
    }

    fn store(&self, repository: &str) -> RepoHostStore {
        RepoHostStore::new(&self.settings(repository, CLIENT)).unwrap()
    }
}

#[tokio::test]
async fn a_volume_is_shown_as_it_is() {
    let host = Host::start().await;
    let store = host.store("repo1");
    let names: Vec<_> = list_all(&store, "backup/")
        .await
        .unwrap()
        .into_iter()
        .map(|object| object.name)
        .collect();
    assert_eq!(names, ["backup/db/backup.info"]);
    assert_eq!(store.get("backup/db/backup.info").await.unwrap(), b"info");
    assert_eq!(
        store.get_range("backup/db/backup.info", 1..3).await.unwrap(),
        b"nf"
    );
    assert_eq!(store.head("backup/db/backup.info").await.unwrap().object.size, 4);
    let missing = store.get("archive/db/archive.info").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    assert!(list_all(&host.store("repo2"), "").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_volume_that_is_not_mounted_is_no_empty_repository() {
    let host = Host::start().await;
    for repository in ["repo3", "..", "tls"] {
        let error = host.store(repository).list("", None).await.unwrap_err();
        assert_ne!(error.kind, StorageErrorKind::NotFound, "{error}");
    }
    let error = host.store("repo3").get("x").await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unavailable, "{error}");
    assert!(error.detail.contains("repo3"), "{error}");
}

#[tokio::test]
async fn nothing_outside_of_the_volume_is_shown() {
    let host = Host::start().await;
    std::os::unix::fs::symlink(host.path("tls"), host.path("volumes/repo1/link")).unwrap();
    let store = host.store("repo1");
    for name in [
        "../../tls/server.key",
        "link/server.key",
        "/etc/passwd",
        "../repo2",
    ] {
        assert!(store.get(name).await.unwrap_err().is_not_found(), "{name}");
    }
}

#[tokio::test]
async fn only_the_clusters_own_client_is_answered() {
    let host = Host::start().await;
    let other_name = RepoHostStore::new(&host.settings("repo1", "_crunchyrepl")).unwrap();
    assert!(other_name.list("", None).await.is_err());
    // A certificate of the right name by another authority.
    let stranger = Host::start().await;
    let forged = RepoHostSettings {
        identity: stranger.settings("repo1", CLIENT).identity.clone(),
        ..host.settings("repo1", CLIENT)
    };
    assert!(RepoHostStore::new(&forged).unwrap().list("", None).await.is_err());
    assert!(host.store("repo1").list("", None).await.is_ok());
    // And the client asks nobody else.
    let elsewhere = RepoHostSettings {
        authority: stranger.settings("repo1", CLIENT).authority.clone(),
        ..host.settings("repo1", CLIENT)
    };
    let error = RepoHostStore::new(&elsewhere)
        .unwrap()
        .list("", None)
        .await
        .unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Untrusted, "{error}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let host = Host::start().await;
    let shown = async || {
        let connector = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .tls_info(true)
            .identity(
                reqwest::Identity::from_pem(host.settings("repo1", CLIENT).identity.expose().as_bytes())
                    .unwrap(),
            )
            .build()
            .unwrap();
        let url = format!("https://localhost:{}/v1/repo1/list", host.port);
        let answer = connector.get(url).send().await.unwrap();
        let info = answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
        info.peer_certificate().unwrap().to_vec()
    };
    let before = shown().await;
    host.certify(Utc::now());
    let changed = async {
        while shown().await == before {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), changed)
        .await
        .expect("the new certificate is taken up");
}

#[tokio::test]
async fn a_large_file_arrives_whole() {
    use futures::TryStreamExt as _;
    let host = Host::start().await;
    let content: Vec<u8> = (0..3_000_000u32).map(|byte| byte.to_le_bytes()[0]).collect();
    host.write("volumes/repo1/backup/large", &content);
    let store = host.store("repo1");
    let body = store.open("backup/large", 5).await.unwrap();
    let pieces: Vec<_> = body.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), &content[5..]);
}

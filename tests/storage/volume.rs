//! A volume behind the agent of a repository host, over mutual TLS.

use std::path::Path;

use holdfast::{
    agent::repo_host::{Identity, Listener, show},
    domain::secret::Secret,
    pki::{Authority, LeafProfile, Usage},
    storage::repo_host::{RepoHostSettings, RepoHostStore},
};
use tokio_util::sync::CancellationToken;

const CLIENT: &str = "pgbackrest@storage-test";

/// Shows `volumes/repo1` below a directory until the test's runtime ends.
pub async fn shown(directory: &Path) -> RepoHostStore {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let now = chrono::Utc::now();
    let authority = Authority::ensure(None, now).unwrap();
    let leaf = |name: &str, usage| {
        let profile = LeafProfile {
            common_name: name.to_owned(),
            dns_names: vec!["localhost".to_owned()],
            usage,
        };
        authority.ensure_leaf(None, &profile, now).unwrap()
    };
    let (server, client) = (leaf("localhost", Usage::Server), leaf(CLIENT, Usage::Client));
    let tls = directory.join("tls");
    std::fs::create_dir_all(&tls).unwrap();
    for (name, text) in [
        ("ca.crt", authority.certificate()),
        ("server.crt", &server.certificate),
        ("server.key", &server.key),
    ] {
        std::fs::write(tls.join(name), text).unwrap();
    }
    let identity = Identity {
        directory: tls,
        client: CLIENT.to_owned(),
    };
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), identity)
        .await
        .unwrap();
    let port = axum::serve::Listener::local_addr(&listener).unwrap().port();
    let volumes = directory.join("volumes");
    tokio::spawn(async move { show(listener, &volumes, &CancellationToken::new()).await });
    RepoHostStore::new(&RepoHostSettings {
        host: "localhost".to_owned(),
        port,
        repository: "repo1".to_owned(),
        claim: "app-repo1".to_owned(),
        authority: authority.certificate().as_bytes().to_vec(),
        identity: Secret::new(format!("{}{}", client.certificate, client.key)),
    })
    .unwrap()
}

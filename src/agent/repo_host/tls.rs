//! Connections of clients that have proved who they are. Certificates are read again when they have changed.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::agent::fingerprint::Fingerprint;

/// Mounted certificates are looked at this often.
const LOOK: Duration = Duration::from_secs(3);
/// Until both sides have proved who they are.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that have not got so far, at once.
const HANDSHAKES: usize = 32;

/// Where the certificates are, and whom to answer.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Directory with `ca.crt`, `server.crt` and `server.key`.
    pub directory: PathBuf,
    /// Common name of the clients' certificates.
    pub client: String,
}

impl Identity {
    fn config(&self) -> io::Result<ServerConfig> {
        let file = |name: &str| self.directory.join(name);
        let mut roots = RootCertStore::empty();
        for authority in certificates(&file("ca.crt"))? {
            roots.add(authority).map_err(io::Error::other)?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(file("server.key"))
            .map_err(|_| io::Error::other("server.key cannot be read"))?;
        ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(&file("server.crt"))?, key)
            .map_err(io::Error::other)
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// Hands out connections whose client may ask.
pub struct Listener {
    address: SocketAddr,
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Listener {
    /// Listens; the certificates must be readable now.
    pub async fn bind(address: SocketAddr, identity: Identity) -> io::Result<Self> {
        let files = [identity.directory.clone()];
        let seen = Fingerprint::of(&files);
        let config = Arc::new(RwLock::new(Arc::new(identity.config()?)));
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        let (sender, connections) = mpsc::channel(HANDSHAKES);
        tokio::spawn(accept(
            tcp,
            config.clone(),
            identity.client.clone(),
            sender.clone(),
        ));
        tokio::spawn(async move {
            tokio::select! {
                () = follow(seen, &files, &identity, &config) => {}
                () = sender.closed() => {}
            }
        });
        Ok(Self { address, connections })
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Until nobody wants connections any more. One that is slow to prove itself keeps no other waiting.
async fn accept(
    tcp: TcpListener,
    config: Arc<RwLock<Arc<ServerConfig>>>,
    client: String,
    sender: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = sender.closed() => return,
        };
        let (Ok((stream, address)), Ok(place)) = (accepted, places.clone().acquire_owned().await) else {
            // Out of file descriptors, say: others must end first.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let now = config
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let (sender, client) = (sender.clone(), client.clone());
        tokio::spawn(async move {
            let handshake = TlsAcceptor::from(now).accept(stream);
            match tokio::time::timeout(HANDSHAKE, handshake).await {
                Ok(Ok(stream)) if is_of(&stream, &client) => {
                    let _ = sender.send((stream, address)).await;
                }
                Ok(Ok(_)) => tracing::warn!(%address, "a client with another name is not answered"),
                Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS connection"),
                Err(_) => tracing::debug!(%address, "a client did not prove itself in time"),
            }
            drop(place);
        });
    }
}

/// The authority has signed more than this one client; only the name tells them apart.
fn is_of(stream: &TlsStream<TcpStream>, client: &str) -> bool {
    let (_, connection) = stream.get_ref();
    connection
        .peer_certificates()
        .and_then(<[_]>::first)
        .and_then(|certificate| {
            let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
            let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
            Some(name == client)
        })
        .unwrap_or(false)
}

async fn follow(
    mut seen: Fingerprint,
    files: &[PathBuf],
    identity: &Identity,
    config: &RwLock<Arc<ServerConfig>>,
) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let now = Fingerprint::of(files);
        if now == seen {
            continue;
        }
        match identity.config() {
            Ok(new) => {
                let mut current = config.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                *current = Arc::new(new);
                tracing::info!("certificates have changed");
                seen = now;
            }
            // Half of a change, perhaps: the old ones stay until it is whole.
            Err(error) => tracing::warn!(%error, "changed certificates cannot be used"),
        }
    }
}

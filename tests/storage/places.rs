//! One bucket of each kind, real ones, with a prefix of its own and ways to put objects there.

use std::{fs, path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hmac::{Hmac, Mac as _};
use holdfast::{
    domain::secret::Secret,
    storage::{
        ObjectStore,
        azure::{AzureCredentials, AzureSettings, AzureStore},
        gcs::{GcsCredentials, GcsSettings, GcsStore},
        list_all,
        posix::PosixStore,
        s3::S3Store,
        trust::Trust,
    },
};
use reqwest::{Client, Url};

use crate::{
    stores::{Stores, unique},
    volume,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    S3,
    Azure,
    Gcs,
    Posix,
    RepoHost,
}

/// Where objects are put by other means than those under test: files, or plain HTTP.
enum Writer {
    Files(PathBuf),
    Azure {
        client: Client,
        container: String,
        signature: String,
    },
    Gcs {
        client: Client,
        bucket: String,
    },
}

pub struct Place {
    pub kind: Kind,
    pub store: Arc<dyn ObjectStore>,
    pub prefix: String,
    writer: Writer,
    names: Vec<String>,
}

impl Stores {
    pub fn azure(&self) -> AzureSettings {
        AzureSettings {
            container: self.get("AZURE_CONTAINER").to_owned(),
            account: self.get("AZURE_ACCOUNT").to_owned(),
            host: self.get("AZURE_HOST").to_owned(),
            port: self.get("AZURE_PORT").parse().unwrap(),
            path_style: true,
            trust: Trust::Authority(self.authority()),
            credentials: AzureCredentials::Shared(Secret::new(self.get("AZURE_KEY"))),
        }
    }

    pub fn gcs(&self) -> GcsSettings {
        GcsSettings {
            bucket: self.get("GCS_BUCKET").to_owned(),
            host: self.get("GCS_HOST").to_owned(),
            port: self.get("GCS_PORT").parse().unwrap(),
            user_project: None,
            trust: Trust::Authority(self.authority()),
            credentials: GcsCredentials::Token(Secret::new(format!("Bearer {}", self.get("GCS_TOKEN")))),
        }
    }

    /// A SAS of the whole account for an hour: string to sign of version 2022-11-02, Azure Storage REST documentation.
    pub fn azure_signature(&self, permissions: &str, until: chrono::DateTime<chrono::Utc>) -> String {
        let account = self.get("AZURE_ACCOUNT");
        let until = until.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let text = format!("{account}\n{permissions}\nb\nsco\n\n{until}\n\nhttps\n2022-11-02\n\n");
        let key = BASE64_STANDARD.decode(self.get("AZURE_KEY")).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(text.as_bytes());
        let mut url = Url::parse("https://h/").unwrap();
        url.query_pairs_mut().extend_pairs([
            ("sv", "2022-11-02"),
            ("ss", "b"),
            ("srt", "sco"),
            ("sp", permissions),
            ("se", &until),
            ("spr", "https"),
            ("sig", &BASE64_STANDARD.encode(mac.finalize().into_bytes())),
        ]);
        url.query().unwrap().to_owned()
    }

    fn client(&self) -> Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authorities = reqwest::Certificate::from_pem_bundle(&self.authority()).unwrap();
        // The GCS server reads an upload under its lock. Where several share a connection, those that wait for the lock fill
        // that connection's window, the one that has it gets no more of its own, and the server stands still.
        Client::builder()
            .tls_certs_only(authorities)
            .http1_only()
            .build()
            .unwrap()
    }
}

impl Place {
    pub async fn of(kind: Kind) -> Self {
        let stores = Stores::read();
        let prefix = unique("helper-stores");
        let (store, writer): (Arc<dyn ObjectStore>, _) = match kind {
            Kind::S3 => {
                let directory = PathBuf::from(stores.get("S3_DATA_DIR")).join(stores.get("S3_BUCKET"));
                let store = S3Store::new(&stores.s3()).await.unwrap();
                (Arc::new(store), Writer::Files(directory))
            }
            Kind::Azure => {
                let settings = stores.azure();
                let container = format!(
                    "https://{}:{}/{}/{}",
                    settings.host, settings.port, settings.account, settings.container
                );
                let until = chrono::Utc::now() + chrono::TimeDelta::hours(1);
                let signature = stores.azure_signature("rwdl", until);
                let client = stores.client();
                // The emulator is slow: five thousand objects would keep it from all other tests.
                let store = AzureStore::new(&settings).unwrap().with_page_size(1000);
                let writer = Writer::Azure {
                    client,
                    container,
                    signature,
                };
                (Arc::new(store), writer)
            }
            Kind::Gcs => {
                let settings = stores.gcs();
                let bucket = format!("https://{}:{}", settings.host, settings.port);
                let client = stores.client();
                (
                    Arc::new(GcsStore::new(&settings).unwrap()),
                    Writer::Gcs {
                        client,
                        bucket: format!("{bucket}|{}", settings.bucket),
                    },
                )
            }
            Kind::Posix => {
                let directory = std::env::temp_dir().join(&prefix);
                fs::create_dir_all(&directory).unwrap();
                (Arc::new(PosixStore::new(&directory)), Writer::Files(directory))
            }
            Kind::RepoHost => {
                let directory = std::env::temp_dir().join(&prefix);
                let volume = directory.join("volumes/repo1");
                fs::create_dir_all(&volume).unwrap();
                (Arc::new(volume::shown(&directory).await), Writer::Files(volume))
            }
        };
        Self {
            kind,
            store,
            prefix,
            writer,
            names: Vec::new(),
        }
    }

    /// The name of an object below the prefix.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// Puts objects, several at once.
    pub async fn put(&mut self, objects: Vec<(String, Vec<u8>)>) {
        let objects: Vec<_> = objects
            .into_iter()
            .map(|(name, content)| (self.name(&name), content))
            .collect();
        self.names.extend(objects.iter().map(|(name, _)| name.clone()));
        let writer = &self.writer;
        stream::iter(objects)
            .for_each_concurrent(16, |(name, content)| writer.put(name, content))
            .await;
    }

    /// Removes all whose names begin so.
    pub async fn clear_all(mut self, prefix: &str) {
        assert!(prefix.len() > 8, "too much would be removed: {prefix}");
        let objects = list_all(&*self.store, prefix).await.unwrap();
        self.names = objects.into_iter().map(|object| object.name).collect();
        self.clear().await;
    }

    /// Removes what was put.
    pub async fn clear(self) {
        let (writer, prefix) = (&self.writer, &self.prefix);
        if let Writer::Files(directory) = writer {
            let whole = match self.kind {
                Kind::Posix => directory.clone(),
                Kind::RepoHost => std::env::temp_dir().join(prefix),
                _ => directory.join(prefix),
            };
            let _ = fs::remove_dir_all(whole);
            return;
        }
        stream::iter(&self.names)
            .for_each_concurrent(16, |name| writer.remove(name))
            .await;
    }
}

impl Writer {
    async fn put(&self, name: String, content: Vec<u8>) {
        let answer = match self {
            Self::Files(directory) => {
                let path = directory.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
                return;
            }
            Self::Azure {
                client,
                container,
                signature,
            } => client
                .put(blob(container, &name, signature))
                .header("x-ms-blob-type", "BlockBlob")
                .header("content-length", content.len())
                .body(content),
            Self::Gcs { client, bucket } => {
                let (host, bucket) = bucket.split_once('|').unwrap();
                client
                    .post(format!("{host}/upload/storage/v1/b/{bucket}/o"))
                    .query(&[("uploadType", "media"), ("name", &name)])
                    .body(content)
            }
        };
        answer.send().await.unwrap().error_for_status().unwrap();
    }

    async fn remove(&self, name: &str) {
        let request = match self {
            Self::Files(_) => return,
            Self::Azure {
                client,
                container,
                signature,
            } => client.delete(blob(container, name, signature)),
            Self::Gcs { client, bucket } => {
                let (host, bucket) = bucket.split_once('|').unwrap();
                let mut url = Url::parse(host).unwrap();
                url.path_segments_mut()
                    .unwrap()
                    .extend(["storage", "v1", "b", bucket, "o", name]);
                client.delete(url)
            }
        };
        let _ = request.send().await;
    }
}

fn blob(container: &str, name: &str, signature: &str) -> Url {
    Url::parse(&format!("{container}/{name}?{signature}")).unwrap()
}

/// All of a body.
pub async fn read(store: &dyn ObjectStore, name: &str, from: u64) -> Vec<u8> {
    let body = store.open(name, from).await.unwrap();
    let pieces: Vec<_> = body.try_collect().await.unwrap();
    pieces.concat()
}

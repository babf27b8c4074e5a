//! The clients of each kind for a server with a script, and what such a server says in each protocol.

use std::sync::Arc;

use holdfast::{
    domain::secret::Secret,
    storage::{
        ObjectStore,
        azure::{AzureCredentials, AzureSettings, AzureStore},
        careful,
        gcs::{GcsCredentials, GcsSettings, GcsStore},
        s3::{S3Credentials, S3Settings, S3Store},
        trust::Trust,
    },
};

use crate::{
    places::Kind,
    server::{Answer, Server},
};

pub const CONTENT: &[u8] = b"0123456789";

pub async fn store(kind: Kind, server: &Server, authority: &[u8]) -> Arc<dyn ObjectStore> {
    let (host, port) = ("127.0.0.1".to_owned(), server.port);
    let trust = Trust::Authority(authority.to_vec());
    match kind {
        Kind::S3 => Arc::new(
            S3Store::new(&S3Settings {
                bucket: "b".into(),
                region: "r".into(),
                host,
                port,
                path_style: true,
                trust,
                credentials: S3Credentials::Shared {
                    key: Secret::new("AK"),
                    secret: Secret::new("hunter2"),
                    token: None,
                },
            })
            .await
            .unwrap(),
        ),
        Kind::Azure => Arc::new(
            AzureStore::new(&AzureSettings {
                container: "b".into(),
                account: "acc".into(),
                host,
                port,
                path_style: true,
                trust,
                credentials: AzureCredentials::Sas(Secret::new("sv=1&sig=hunter2")),
            })
            .unwrap(),
        ),
        Kind::Gcs => Arc::new(
            GcsStore::new(&GcsSettings {
                bucket: "b".into(),
                host,
                port,
                user_project: None,
                trust,
                credentials: GcsCredentials::Token(Secret::new("Bearer hunter2")),
            })
            .unwrap(),
        ),
        Kind::Posix | Kind::RepoHost => panic!("no wire of its own"),
    }
}

pub async fn wary(kind: Kind, server: &Server) -> Arc<dyn ObjectStore> {
    careful(store(kind, server, &server.authority).await)
}

pub fn plain(status: u16) -> Answer {
    Answer::Whole(status, vec![], vec![])
}

/// An object from a byte on, as each kind sends it.
pub fn object(kind: Kind, from: usize) -> Answer {
    let range = format!("bytes {from}-9/10");
    let status = if kind == Kind::Azure || from > 0 { 206 } else { 200 };
    Answer::Whole(
        status,
        vec![("content-range", range), ("etag", "\"e\"".into())],
        CONTENT[from..].to_vec(),
    )
}

/// A listing of one name.
pub fn listing(kind: Kind) -> Answer {
    let text = match kind {
        Kind::S3 => {
            "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>\
             <Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
        }
        Kind::Azure => {
            "<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>a</Name><Properties>\
             <Content-Length>1</Content-Length></Properties></Blob></Blobs><NextMarker/></EnumerationResults>"
        }
        _ => r#"{"items":[{"name":"a","size":"1"}]}"#,
    };
    Answer::Whole(200, vec![("content-type", "application/xml".into())], text.into())
}

/// A refusal as each kind words it: Azure's code is a header, too.
pub fn refusal(kind: Kind, status: u16, code: &str) -> Answer {
    let text = match kind {
        Kind::Gcs => format!(r#"{{"error":{{"code":{status},"errors":[{{"reason":"{code}"}}]}}}}"#),
        _ => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>hunter2</Message></Error>"),
    };
    Answer::Whole(
        status,
        vec![("x-ms-error-code", code.to_owned())],
        text.into_bytes(),
    )
}

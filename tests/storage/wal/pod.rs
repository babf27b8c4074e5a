//! A pod with PostgreSQL and pgBackRest, and the repositories that it left behind.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use holdfast::{
    domain::{secret::Secret, wal::Segment},
    pgbackrest::access::{RepositoryAccess, StoreAccess},
};
use serde_json::json;

use crate::{
    engine::{Namespace, kubectl, kubectl_works},
    stores::{Stores, unique},
};

pub const PASSPHRASE: &str = "another passphrase with blanks";

/// A segment as `pg_waldump` sees it; nothing where it has no commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dumped {
    pub commits: u64,
    /// Position and time in microseconds since 1970.
    pub first: (u64, i64),
    pub last: (u64, i64),
}

pub struct Pod {
    pub segments: BTreeMap<Segment, Dumped>,
    pub logs: String,
    pub plain: RepositoryAccess,
    pub encrypted: RepositoryAccess,
    /// Where the server keeps the objects.
    pub data: PathBuf,
    _namespace: Namespace,
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn configuration(stores: &Stores, name: &str) -> String {
    let mut text =
        String::from("[global]\nlog-level-file=off\nlog-level-console=warn\nstart-fast=y\nprocess-max=2\n");
    for key in [1, 2] {
        for (option, value) in [
            ("type", "s3"),
            ("path", &format!("/{name}/repo{key}")),
            ("s3-bucket", stores.get("S3_BUCKET")),
            ("s3-endpoint", stores.get("S3_HOST")),
            ("storage-port", stores.get("S3_PORT")),
            ("s3-region", stores.get("S3_REGION")),
            ("s3-uri-style", "path"),
            ("s3-key", stores.get("S3_ACCESS_KEY")),
            ("s3-key-secret", stores.get("S3_SECRET_KEY")),
            ("storage-ca-file", "/etc/pgbackrest/ca.crt"),
            ("retention-full", "9"),
        ] {
            writeln!(text, "repo{key}-{option}={value}").unwrap();
        }
    }
    writeln!(
        text,
        "repo2-cipher-type=aes-256-cbc\nrepo2-cipher-pass={PASSPHRASE}"
    )
    .unwrap();
    writeln!(text, "repo2-bundle=y\nrepo2-block=y").unwrap();
    writeln!(text, "[db]\npg1-path=/pgdata/pg\npg1-socket-path=/tmp/postgres").unwrap();
    text
}

impl Pod {
    /// Takes about half a minute.
    pub fn run(stores: &Stores, version: u32, segment_mb: u32) -> Self {
        Self::with_script(stores, version, segment_mb, include_str!("load.sh"))
    }

    /// With a script of the caller's.
    pub fn with_script(stores: &Stores, version: u32, segment_mb: u32, script: &str) -> Self {
        let name = unique("wal-test");
        let namespace = Namespace(name.clone());
        kubectl_works(&["create", "namespace", &name], None);
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "wal" }, "stringData": {
                "pgbackrest.conf": configuration(stores, &name),
                "ca.crt": String::from_utf8(stores.authority()).unwrap(),
                // As a file: in a command, Kubernetes takes a doubled $ for an escape.
                "load.sh": script,
            } },
            { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "wal" }, "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": { "runAsUser": 26, "runAsGroup": 26, "fsGroup": 26 },
                "containers": [{
                    "name": "wal", "image": format!("localhost/holdfast-postgres:{version}"), "imagePullPolicy": "IfNotPresent",
                    "command": ["bash", "/etc/pgbackrest/load.sh"],
                    "env": [{ "name": "SEGMENT_MB", "value": segment_mb.to_string() }],
                    "volumeMounts": [
                        { "name": "data", "mountPath": "/pgdata" },
                        { "name": "configuration", "mountPath": "/etc/pgbackrest" },
                    ],
                }],
                "volumes": [
                    { "name": "data", "emptyDir": {} },
                    { "name": "configuration", "secret": { "secretName": "wal", "defaultMode": 0o440 } },
                ],
            } },
        ] });
        kubectl_works(&["apply", "-n", &name, "-f", "-"], Some(&list.to_string()));
        let ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}";
        let waited = kubectl(&["wait", "-n", &name, "pod/wal", ended, "--timeout=300s"], None);
        let logs = kubectl_works(&["logs", "-n", &name, "pod/wal"], None);
        let exit = "-o=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}";
        let exit = kubectl_works(&["get", "-n", &name, "pod/wal", exit], None);
        assert!(
            waited.status.success() && exit == "0",
            "the pod failed ({exit}): {logs}"
        );
        let access = |key: u32, cipher: Option<&str>| RepositoryAccess {
            key,
            store: StoreAccess::S3(stores.s3()),
            path: format!("/{name}/repo{key}"),
            stanza: "db".to_owned(),
            cipher: cipher.map(Secret::from),
        };
        Self {
            segments: logs.lines().filter_map(dumped).collect(),
            logs,
            plain: access(1, None),
            encrypted: access(2, Some(PASSPHRASE)),
            data: PathBuf::from(stores.get("S3_DATA_DIR"))
                .join(stores.get("S3_BUCKET"))
                .join(&name),
            _namespace: namespace,
        }
    }
}

fn dumped(line: &str) -> Option<(Segment, Dumped)> {
    let words: Vec<_> = line.strip_prefix("WAL ")?.split(' ').collect();
    let number = |index: usize| words[index].parse::<u64>().unwrap();
    let micros = |index: usize| words[index].parse::<i64>().unwrap();
    let dumped = Dumped {
        commits: number(1),
        first: (number(2), micros(3)),
        last: (number(4), micros(5)),
    };
    Some((words[0].parse().unwrap(), dumped))
}

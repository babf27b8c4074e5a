//! A real PostgreSQL and pgBackRest in one pod, run with the configuration that we render.
//!
//! The pod plays both parts: an instance (`server`, archiving, `stanza-create`) and a Job, which reaches the instance
//! over TLS with the Job's file. It runs one script and ends.

use std::fmt::Write as _;
use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use holdfast::pgbackrest::{
    configuration::{ClusterConfiguration, InstanceHost, PostgresLocation, RepositorySpec, RepositoryStore},
    ini::Ini,
    user_options::UserOptions,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::stores::{Stores, unique};

pub const PASSPHRASE: &str = "a passphrase with blanks";
const CLIENT: &str = "pgbackrest@storage-test";

const SCRIPT: &str = r#"
set -eu
export PGDATA=/pgdata/pg18 PGHOST=/tmp/postgres
mkdir -p /tmp/postgres
initdb -k >/dev/null
cat >>$PGDATA/postgresql.conf <<X
listen_addresses=''
unix_socket_directories='/tmp/postgres'
archive_mode=on
archive_command='pgbackrest --stanza=db archive-push "%p"'
X
pg_ctl -w -l /tmp/postgres.log start >/dev/null
pgbackrest server &
pgbackrest --stanza=db stanza-create
job() { PGBACKREST_CONFIG_INCLUDE_PATH=/job pgbackrest --stanza=db "$@"; }
job --repo=1 --type=full --annotation=percona.com/backup-job-name=job-1 backup
psql -qc 'create table t as select generate_series(1, 100000) i' postgres
job --repo=1 --type=incr --annotation=percona.com/backup-job-name=job-2 backup
job --repo=2 --type=full --annotation=percona.com/backup-job-name=job-3 backup
job --repo=3 --type=full --annotation=percona.com/backup-job-name=job-4 backup
job --repo=4 --type=full --annotation=percona.com/backup-job-name=job-5 backup
pg_controldata | sed -n 's/^Database system identifier: *//p' >/tmp/system
{ printf '{"system":"%s","info":' "$(cat /tmp/system)"; PGBACKREST_CONFIG_INCLUDE_PATH=/job pgbackrest --stanza=db --repo=1 --output=json --log-level-console=off info; printf '}'; } >/dev/termination-log
pg_ctl -m fast stop >/dev/null
kill %1
"#;

/// What the pod left behind: two repositories on S3, one on Azure, one on GCS, every second one encrypted, and what
/// pgBackRest says of the first.
pub struct Engine {
    pub repositories: Vec<RepositorySpec>,
    pub user: UserOptions,
    pub files: BTreeMap<String, Vec<u8>>,
    pub system_id: u64,
    pub info: Value,
    namespace: Namespace,
    data: std::path::PathBuf,
}

impl Engine {
    /// What the names of all its objects begin with.
    pub fn prefix(&self) -> &str {
        &self.namespace.0
    }
}

pub struct Namespace(pub String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = kubectl(&["delete", "namespace", &self.0, "--wait=false"], None);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

pub fn kubectl(arguments: &[&str], input: Option<&str>) -> Output {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl is on the PATH: run this by tests/cluster/in");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.unwrap_or_default().as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

pub fn kubectl_works(arguments: &[&str], input: Option<&str>) -> String {
    let output = kubectl(arguments, input);
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Authority, server and client, by file name in `/etc/pgbackrest-tls`.
fn certificates() -> BTreeMap<String, String> {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "storage-test");
    let root = authority.clone().self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let mut files = BTreeMap::from([("ca.crt".to_owned(), root)]);
    for (name, common_name, names, usage) in [
        (
            "server",
            "localhost",
            vec!["localhost".to_owned()],
            ExtendedKeyUsagePurpose::ServerAuth,
        ),
        ("client", CLIENT, vec![], ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(names).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, common_name);
        leaf.extended_key_usages = vec![usage];
        files.insert(
            format!("{name}.crt"),
            leaf.signed_by(&key, &issuer).unwrap().pem(),
        );
        files.insert(format!("{name}.key"), key.serialize_pem());
    }
    files
}

impl Engine {
    /// Takes about ten seconds.
    pub fn run(stores: &Stores) -> Self {
        let name = unique("storage-test");
        let store = RepositoryStore::S3 {
            bucket: stores.get("S3_BUCKET").to_owned(),
            endpoint: format!("{}:{}", stores.get("S3_HOST"), stores.get("S3_PORT")),
            region: stores.get("S3_REGION").to_owned(),
        };
        let azure = RepositoryStore::Azure {
            container: stores.get("AZURE_CONTAINER").to_owned(),
        };
        let gcs = RepositoryStore::Gcs {
            bucket: stores.get("GCS_BUCKET").to_owned(),
        };
        let repositories: Vec<_> = (1..)
            .zip([store.clone(), store, azure, gcs])
            .map(|(key, store)| RepositorySpec { key, store })
            .collect();
        let mut secrets = "[global]\n".to_owned();
        let mut global = BTreeMap::new();
        for key in [2, 4] {
            writeln!(secrets, "repo{key}-cipher-pass={PASSPHRASE}").unwrap();
            global.insert(format!("repo{key}-cipher-type"), "aes-256-cbc".to_owned());
        }
        writeln!(secrets, "repo3-azure-account={}", stores.get("AZURE_ACCOUNT")).unwrap();
        writeln!(secrets, "repo3-azure-key={}", stores.get("AZURE_KEY")).unwrap();
        writeln!(secrets, "repo4-gcs-key=Bearer {}", stores.get("GCS_TOKEN")).unwrap();
        let endpoint = |kind: &str| {
            let host = stores.get(&format!("{kind}_HOST"));
            format!("{host}:{}", stores.get(&format!("{kind}_PORT")))
        };
        global.extend([
            ("repo3-azure-endpoint".to_owned(), endpoint("AZURE")),
            ("repo3-azure-uri-style".to_owned(), "path".to_owned()),
            ("repo4-gcs-endpoint".to_owned(), endpoint("GCS")),
            ("repo4-gcs-key-type".to_owned(), "token".to_owned()),
        ]);
        for key in [1, 2] {
            global.insert(format!("repo{key}-s3-uri-style"), "path".to_owned());
            writeln!(secrets, "repo{key}-s3-key={}", stores.get("S3_ACCESS_KEY")).unwrap();
            writeln!(secrets, "repo{key}-s3-key-secret={}", stores.get("S3_SECRET_KEY")).unwrap();
        }
        for key in 1..=4 {
            for (option, value) in [
                ("path", format!("/{name}/repo{key}")),
                (
                    "storage-ca-file",
                    "/etc/pgbackrest/conf.d/stores-ca.crt".to_owned(),
                ),
                ("retention-full", "9".to_owned()),
            ] {
                global.insert(format!("repo{key}-{option}"), value);
            }
        }
        let user = UserOptions {
            global,
            files: vec![Ini::parse(&secrets).unwrap()],
            environment: BTreeMap::default(),
        };
        let configuration = ClusterConfiguration {
            instances: vec![InstanceHost {
                host: "localhost".into(),
            }],
            repositories: repositories.clone(),
            user: user.clone(),
            postgres: PostgresLocation {
                data_directory: "/pgdata/pg18".into(),
                port: 5432,
                socket_directory: "/tmp/postgres".into(),
            },
            client_name: CLIENT.into(),
            process_max: 2,
            restore_processes: 4,
        };
        let namespace = Namespace(name.clone());
        kubectl_works(&["create", "namespace", &name], None);
        let mut content = certificates();
        content.insert("empty".into(), String::new());
        content.insert("user.conf".into(), secrets);
        content.insert(
            "stores-ca.crt".into(),
            String::from_utf8(stores.authority()).unwrap(),
        );
        content.insert("instance".into(), configuration.instance().unwrap());
        content.insert("server".into(), configuration.server().unwrap());
        content.insert("job".into(), configuration.job().unwrap());
        apply(&name, &content);
        let (system_id, info) = outcome(&name);
        Self {
            repositories,
            user,
            files: [("stores-ca.crt".to_owned(), stores.authority())].into(),
            system_id,
            info,
            namespace,
            data: std::path::Path::new(stores.get("S3_DATA_DIR"))
                .join(stores.get("S3_BUCKET"))
                .join(name),
        }
    }

    /// The directory in which the server keeps the repositories' objects.
    pub fn data(&self) -> &std::path::Path {
        assert!(!self.namespace.0.is_empty());
        &self.data
    }
}

fn apply(namespace: &str, content: &BTreeMap<String, String>) {
    let items = |pairs: &[(&str, &str)]| -> Vec<Value> {
        pairs
            .iter()
            .map(|(key, path)| json!({ "key": key, "path": path }))
            .collect()
    };
    let volume = |name: &str, pairs: &[(&str, &str)]| json!({ "name": name, "secret": { "secretName": "engine", "defaultMode": 0o440, "items": items(pairs) } });
    let tls: Vec<(&str, &str)> = ["ca.crt", "server.crt", "server.key", "client.crt", "client.key"]
        .into_iter()
        .map(|name| (name, name))
        .collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "engine" }, "stringData": content },
        { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "engine" }, "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": { "runAsUser": 26, "runAsGroup": 26, "fsGroup": 26 },
            "containers": [{
                "name": "engine", "image": "localhost/holdfast-postgres:18", "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", SCRIPT],
                "volumeMounts": [
                    { "name": "data", "mountPath": "/pgdata" },
                    { "name": "configuration", "mountPath": "/etc/pgbackrest" },
                    { "name": "job", "mountPath": "/job" },
                    { "name": "tls", "mountPath": "/etc/pgbackrest-tls" },
                ],
            }],
            "volumes": [
                { "name": "data", "emptyDir": {} },
                volume("configuration", &[
                    ("empty", "pgbackrest.conf"),
                    ("user.conf", "conf.d/user.conf"),
                    ("stores-ca.crt", "conf.d/stores-ca.crt"),
                    ("instance", "conf.d/~holdfast.conf"),
                    ("server", "conf.d/~holdfast_server.conf"),
                ]),
                volume("job", &[("user.conf", "user.conf"), ("job", "~holdfast.conf")]),
                volume("tls", &tls),
            ],
        } },
    ] });
    kubectl_works(&["apply", "-n", namespace, "-f", "-"], Some(&list.to_string()));
}

/// Waits for the end, and reads what the pod says of itself.
fn outcome(namespace: &str) -> (u64, Value) {
    let terminated = "--for=jsonpath={.status.containerStatuses[0].state.terminated}";
    let waited = kubectl(
        &[
            "wait",
            "-n",
            namespace,
            "pod/engine",
            terminated,
            "--timeout=180s",
        ],
        None,
    );
    let pod: Value = serde_json::from_str(&kubectl_works(
        &["get", "-n", namespace, "pod/engine", "-o", "json"],
        None,
    ))
    .unwrap();
    let terminated = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    if !waited.status.success() || terminated["exitCode"] != 0 {
        let logs = kubectl(&["logs", "-n", namespace, "pod/engine"], None);
        panic!(
            "pgBackRest failed: {}\n{}",
            pod["status"],
            String::from_utf8_lossy(&logs.stdout)
        );
    }
    let message: Value = serde_json::from_str(terminated["message"].as_str().unwrap()).unwrap();
    (
        message["system"].as_str().unwrap().parse().unwrap(),
        message["info"].clone(),
    )
}

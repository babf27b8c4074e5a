//! Where the object stores are: the lines of `tests/cluster/stores`, or variables of the same names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Cluster, Scenario};

static STORES: OnceLock<Stores> = OnceLock::new();

/// The stores of the test cluster, by the documented keys.
pub struct Stores(BTreeMap<String, String>);

impl Stores {
    /// Reads them once.
    pub fn get() -> &'static Self {
        STORES.get_or_init(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/stores");
            let output = Command::new(script).output().unwrap();
            assert!(
                output.status.success(),
                "tests/cluster/stores: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let lines = String::from_utf8(output.stdout).unwrap();
            let pairs = lines.lines().filter_map(|line| line.split_once('='));
            Self(
                pairs
                    .map(|(key, value)| (key.to_owned(), std::env::var(key).unwrap_or(value.to_owned())))
                    .collect(),
            )
        })
    }

    /// The value of a documented key.
    pub fn of(&self, key: &str) -> &str {
        self.0
            .get(key)
            .unwrap_or_else(|| panic!("tests/cluster/stores prints no {key}"))
    }

    /// Host and port of the S3 server.
    pub fn s3(&self) -> String {
        format!("{}:{}", self.of("S3_HOST"), self.of("S3_PORT"))
    }

    /// The same objects behind a certificate that is not trusted.
    pub fn s3_untrusted(&self) -> String {
        format!(
            "{}:{}",
            self.of("S3_UNTRUSTED_HOST"),
            self.of("S3_UNTRUSTED_PORT")
        )
    }

    /// The authority of the stores, PEM.
    pub fn ca(&self) -> String {
        std::fs::read_to_string(self.of("CA_FILE")).unwrap()
    }

    /// Where the S3 server keeps what is below `path` of a bucket.
    pub fn directory(&self, bucket: &str, path: &str) -> PathBuf {
        PathBuf::from(self.of("S3_DATA_DIR"))
            .join(bucket)
            .join(path.trim_start_matches('/'))
    }

    /// Names of the objects of a store (`S3`, `GCS`) that have `path` in them, as its server keeps them on this machine.
    pub fn objects(&self, store: &str, path: &str) -> Vec<String> {
        let root =
            PathBuf::from(self.of(&format!("{store}_DATA_DIR"))).join(self.of(&format!("{store}_BUCKET")));
        let mut directories = vec![root];
        let mut found = Vec::new();
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                // One server keeps each object in one file, the slashes of its name escaped.
                let name = entry.path().to_string_lossy().replace("%2F", "/");
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                    Ok(_) if name.contains(path.trim_start_matches('/')) => found.push(name),
                    _ => {}
                }
            }
        }
        found
    }
}

/// An object that is out of its store.
pub struct Taken {
    was: PathBuf,
    now: PathBuf,
}

impl Taken {
    /// Into the store again.
    pub fn put_back(self) {
        std::fs::rename(self.now, self.was).unwrap();
    }
}

impl Cluster {
    /// Flips a bit in the middle of the largest object of a directory of `repo1`; putting it back mends it.
    pub fn flip_a_bit(&self, scenario: &Scenario, directory: &str) -> Taken {
        let path = format!("{}/{directory}", self.path);
        let directory = scenario.stores.directory(&self.bucket, &path);
        let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap());
        let largest = files.max_by_key(|file| file.metadata().unwrap().len()).unwrap();
        let was = largest.path();
        let mut content = std::fs::read(&was).unwrap();
        let now = std::env::temp_dir().join(format!("{}-sound", scenario.namespace));
        // The damaged one takes the place of the other, which keeps the attributes that the server knows of it.
        let damaged = was.with_extension("damaged");
        let status = std::process::Command::new("cp")
            .arg("--preserve=all")
            .args([&was, &damaged])
            .status();
        assert!(status.unwrap().success());
        let middle = content.len() / 2;
        content[middle] ^= 1;
        // Not by renaming: the attributes stay.
        std::fs::write(&damaged, content).unwrap();
        std::fs::rename(&was, &now).unwrap();
        std::fs::rename(&damaged, &was).unwrap();
        scenario.tell(&format!("a bit of {} is flipped", was.display()));
        Taken { was, now }
    }

    /// Takes an object out of `repo1`: of those in a directory whose names begin so, the last.
    pub fn take_away(&self, scenario: &Scenario, directory: &str, beginning: &str) -> Taken {
        let path = format!("{}/{directory}", self.path);
        let directory = scenario.stores.directory(&self.bucket, &path);
        let name = std::fs::read_dir(&directory)
            .unwrap()
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(beginning))
            .max()
            .unwrap_or_else(|| panic!("no '{beginning}' is in {}", directory.display()));
        let was = directory.join(&name);
        let now = std::env::temp_dir().join(format!("{}-{name}", scenario.namespace));
        // By renaming, since the server keeps what it knows of an object in the file's attributes.
        std::fs::rename(&was, &now).unwrap();
        scenario.tell(&format!("{name} is taken away"));
        Taken { was, now }
    }
}

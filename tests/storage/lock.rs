//! A store that retains objects (S3 object lock): what it says of a backup is known, and it is true.

use std::{fs, path::PathBuf, process::Command};

use chrono::{SecondsFormat, TimeDelta, Timelike as _, Utc};
use holdfast::{
    pgbackrest::{
        access::{RepositoryAccess, StoreAccess},
        repository::Repository,
    },
    survey::{KnownRepository, Terms},
};

use crate::{
    engine::Engine,
    stores::{Stores, unique},
};

/// A bucket of its own, removed at the end.
struct Bucket<'a> {
    stores: &'a Stores,
    name: String,
}

impl Drop for Bucket<'_> {
    fn drop(&mut self) {
        let data = PathBuf::from(self.stores.get("S3_DATA_DIR"));
        let _ = fs::remove_dir_all(data.join(&self.name));
        let _ = fs::remove_dir_all(data.join(".vgwlocks").join(&self.name));
    }
}

impl<'a> Bucket<'a> {
    fn with_object_lock(stores: &'a Stores) -> Self {
        let bucket = Self {
            stores,
            name: unique("locked"),
        };
        let lock = ["-H", "x-amz-bucket-object-lock-enabled: true"];
        assert_eq!(bucket.send("PUT", "", &lock), "200");
        bucket
    }

    /// A signed request; the status of the answer.
    fn send(&self, method: &str, object: &str, more: &[&str]) -> String {
        let of = |key: &str| self.stores.get(key);
        let url = format!(
            "https://{}:{}/{}{object}",
            of("S3_HOST"),
            of("S3_PORT"),
            self.name
        );
        let user = format!("{}:{}", of("S3_ACCESS_KEY"), of("S3_SECRET_KEY"));
        let region = format!("aws:amz:{}:s3", of("S3_REGION"));
        let output = Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", method])
            .args(["--cacert", of("CA_FILE"), "--user", &user, "--aws-sigv4", &region])
            .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
            .args(more)
            .arg(url)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Bucket<'_> {
    /// Sets something of an object; the protocol wants a checksum of the body.
    fn set(&self, object: &str, what: &str, body: &str) {
        let digest = Command::new("sh")
            .args([
                "-c",
                r#"printf %s "$1" | openssl dgst -md5 -binary | base64"#,
                "md5",
                body,
            ])
            .output()
            .unwrap();
        let checksum = format!(
            "Content-MD5: {}",
            String::from_utf8(digest.stdout).unwrap().trim()
        );
        let answer = self.send(
            "PUT",
            &format!("{object}?{what}="),
            &["-H", &checksum, "--data-binary", body],
        );
        assert_eq!(answer, "200", "{what} of {object}");
    }
}

pub async fn what_a_store_retains_is_known(stores: &Stores, engine: &Engine, plain: &RepositoryAccess) {
    let bucket = Bucket::with_object_lock(stores);
    let data = PathBuf::from(stores.get("S3_DATA_DIR"));
    let to = data.join(&bucket.name).join(plain.path.trim_start_matches('/'));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(engine.data().join("repo1"))
        .arg(&to)
        .status()
        .unwrap();
    assert!(copied.success());

    let mut access = plain.clone();
    let StoreAccess::S3(settings) = &mut access.store else {
        panic!("another store");
    };
    settings.bucket.clone_from(&bucket.name);
    let repository = Repository::open(&access).await.unwrap();
    let backups = repository.backup_info().await.unwrap().backups;
    let label = backups[0].label.clone();
    let until = (Utc::now() + TimeDelta::days(1)).with_nanosecond(0).unwrap();
    let manifest = format!("/{}{label}/backup.manifest", repository.backup_root());
    let retention = format!(
        "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{}</RetainUntilDate></Retention>",
        until.to_rfc3339_opts(SecondsFormat::Secs, true)
    );
    bucket.set(&manifest, "retention", &retention);
    assert_eq!(bucket.send("DELETE", &manifest, &[]), "403", "it is retained");

    let terms = Terms {
        now: Utc::now(),
        grace: TimeDelta::minutes(5),
        retention: None,
        most_segments: 1000,
    };
    let picture = KnownRepository::default()
        .look(&repository, &terms)
        .await
        .unwrap();
    assert_eq!(picture.protections.len(), backups.len());
    let known = picture.protections[&label].retained_until.unwrap();
    // The files of the backup were written before its manifest: what is said is never later than what is true.
    assert!(
        known <= until && until - known < TimeDelta::minutes(30),
        "{known} of {until}"
    );
    assert_eq!(picture.protections[&backups[1].label].retained_until, None);
    let other = format!(
        "/{}{}/backup.manifest",
        repository.backup_root(),
        backups[1].label
    );
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    bucket.set(&other, "legal-hold", hold);
    let picture = KnownRepository::default()
        .look(&repository, &terms)
        .await
        .unwrap();
    assert!(picture.protections[&backups[1].label].held);
}

//! What pgBackRest's configuration leads to.

use super::*;
use crate::{
    domain::{label::BackupType, retention::ArchivePolicy},
    pgbackrest::access::StoreAccess,
};

fn locate(text: &str, key: u32, pairs: &[(&str, &str)]) -> Result<Located, InspectError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let request = Request {
        configuration: vec![file.path().into()],
        key: Some(key),
        stanza: "main".into(),
        ..Request::default()
    };
    configuration::locate(&request, &environment(pairs))
}

#[test]
fn the_stanza_stands_above_global_and_variables_above_both() {
    let text = "[global]\nrepo1-path=/global\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=a\n\n\
                [main]\nrepo1-cipher-pass=b\n[other]\nrepo1-path=/other\n";
    let found = locate(text, 1, &[]).unwrap().access;
    assert_eq!((found.path.as_str(), found.cipher), ("/global", Some("b".into())));
    let found = locate(text, 1, &[("PGBACKREST_REPO1_CIPHER_PASS", "c")])
        .unwrap()
        .access;
    assert_eq!(found.cipher, Some("c".into()));
    assert_eq!(
        locate("[global]\n", 1, &[]).unwrap().access.path,
        "/var/lib/pgbackrest"
    );
}

#[test]
fn stores_are_configured_as_for_pgbackrest_and_files_are_of_this_machine() {
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), "PEM").unwrap();
    let text = format!(
        "[global]\nrepo2-type=s3\nrepo2-s3-bucket=box\nrepo2-s3-endpoint=s.example\nrepo2-s3-region=r\nrepo2-s3-key=AK\n\
         repo2-s3-key-secret=SK\nrepo2-path=/x\nrepo2-storage-ca-file={}\nrepo2-storage-port=9000\n",
        authority.path().display()
    );
    let found = locate(&text, 2, &[]).unwrap().access;
    let StoreAccess::S3(settings) = &found.store else {
        panic!("{found:?}");
    };
    assert_eq!((settings.host.as_str(), settings.port), ("s.example", 9000));
    assert_eq!(
        settings.trust,
        crate::storage::trust::Trust::Authority(b"PEM".to_vec())
    );
    assert_eq!(report::place(&found), "s3://box/x");
    let text =
        "[global]\nrepo1-type=azure\nrepo1-azure-container=c\nrepo1-azure-account=a\nrepo1-azure-key=a2V5\n";
    let found = locate(text, 1, &[]).unwrap().access;
    assert_eq!(report::place(&found), "az://c/var/lib/pgbackrest");
    let text =
        "[global]\nrepo1-type=gcs\nrepo1-gcs-bucket=b\nrepo1-gcs-key-type=token\nrepo1-gcs-key=Bearer T\n";
    assert!(matches!(
        locate(text, 1, &[]).unwrap().access.store,
        StoreAccess::Gcs(_)
    ));
}

#[test]
fn what_cannot_be_read_here_is_told() {
    for text in [
        "[global]\nrepo1-host=backup.example\n",
        "[global]\nrepo1-type=sftp\n",
        "[global]\nrepo1-type=s3\nrepo1-s3-bucket=b\n",
        "[global]\nrepo1-cipher-type=aes-256-cbc\n",
        "[global]\nrepo1-retention-archive=many\n",
        "repo1-path=/x\n",
    ] {
        assert_eq!(locate(text, 1, &[]).unwrap_err().exit_code(), 2, "{text}");
    }
}

#[test]
fn archive_retention_is_known() {
    let text = "[global]\nrepo1-retention-archive=3\nrepo1-retention-archive-type=diff\n";
    let archive = ArchivePolicy {
        counted: BackupType::Differential,
        backups: Some(3),
    };
    let found = locate(text, 1, &[]).unwrap().retention.unwrap();
    assert_eq!(found.archive, archive);
    let nothing = locate("[global]\n", 1, &[]).unwrap().retention;
    assert_eq!(nothing, Some(ArchiveRetention::default()));
}

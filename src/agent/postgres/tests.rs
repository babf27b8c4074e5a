use super::*;

fn layout(volume: &Path) -> Layout {
    Layout {
        data: volume.join("pg18"),
        version: "18".into(),
        wal: volume.join("pg18_wal"),
        tablespaces: Vec::new(),
        socket: volume.join("socket"),
        keys: Vec::new(),
        adopted: (None, None),
    }
}

fn data_of(volume: &Path, directory: &str, version: &str) {
    fs::create_dir_all(volume.join(directory)).unwrap();
    fs::write(volume.join(directory).join("PG_VERSION"), format!("{version}\n")).unwrap();
}

#[test]
fn an_empty_volume_gets_its_directories_but_no_wal_directory() {
    let volume = tempfile::tempdir().unwrap();
    let layout = layout(volume.path());
    prepare(&layout).unwrap();
    prepare(&layout).unwrap();
    assert_eq!(
        fs::metadata(&layout.data).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert!(volume.path().join("pgbackrest-spool").is_dir() && layout.socket.is_dir());
    assert!(!layout.wal.exists());
}

#[test]
fn permissions_opened_by_the_kubelet_are_closed_again() {
    let volume = tempfile::tempdir().unwrap();
    let layout = layout(volume.path());
    data_of(volume.path(), "pg18", "18");
    fs::set_permissions(&layout.data, fs::Permissions::from_mode(0o2770)).unwrap();
    prepare(&layout).unwrap();
    assert_eq!(
        fs::metadata(&layout.data).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn data_of_another_major_version_is_refused_in_place_and_beside() {
    let volume = tempfile::tempdir().unwrap();
    data_of(volume.path(), "pg17", "17");
    let error = prepare(&layout(volume.path())).unwrap_err();
    assert!(
        matches!(&error, PostgresError::OtherVersion { found, .. } if found == "17"),
        "{error}"
    );
    assert!(!volume.path().join("pg18").exists());
    data_of(volume.path(), "pg18", "16");
    let error = prepare(&layout(volume.path())).unwrap_err();
    assert!(
        error.to_string().contains("pg18 holds data of PostgreSQL 16"),
        "{error}"
    );
}

#[test]
fn an_older_version_left_beside_the_right_one_is_no_obstacle() {
    let volume = tempfile::tempdir().unwrap();
    data_of(volume.path(), "pg17", "17");
    data_of(volume.path(), "pg18", "18");
    prepare(&layout(volume.path())).unwrap();
}

#[test]
fn orphaned_wal_is_moved_aside_not_deleted() {
    let volume = tempfile::tempdir().unwrap();
    let layout = layout(volume.path());
    fs::create_dir(&layout.wal).unwrap();
    fs::write(layout.wal.join("000000010000000000000001"), b"wal").unwrap();
    prepare(&layout).unwrap();
    assert!(!layout.wal.exists());
    let aside = fs::read_dir(volume.path())
        .unwrap()
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("pg18_wal.left-"));
    assert!(aside.unwrap().path().join("000000010000000000000001").exists());
}

#[test]
fn wal_of_a_live_data_directory_is_not_touched() {
    let volume = tempfile::tempdir().unwrap();
    let layout = layout(volume.path());
    data_of(volume.path(), "pg18", "18");
    fs::create_dir(&layout.wal).unwrap();
    fs::write(layout.wal.join("000000010000000000000001"), b"wal").unwrap();
    prepare(&layout).unwrap();
    assert!(layout.wal.join("000000010000000000000001").exists());
}

#[test]
fn the_major_version_is_read_from_what_postgres_says() {
    assert_eq!(
        major_version("postgres (PostgreSQL) 18.6 (Debian 18.6-1)\n"),
        Some("18")
    );
    assert_eq!(major_version("postgres (PostgreSQL) 19beta1"), Some("19"));
    assert_eq!(major_version("something else"), None);
}

#[test]
fn a_wal_volume_takes_the_wal_directory() {
    let read = |wal: bool| {
        Layout::read(move |name| match name {
            "PGDATA" => Some("/pgdata/pg18".into()),
            "HOLDFAST_POSTGRES_VERSION" => Some("18".into()),
            "HOLDFAST_WAL_DIRECTORY" if wal => Some("/pgwal/pg18_wal".into()),
            _ => None,
        })
        .unwrap()
    };
    assert_eq!(read(false).wal, Path::new("/pgdata/pg18_wal"));
    assert_eq!(read(true).wal, Path::new("/pgwal/pg18_wal"));
}

use std::fs;
use std::path::Path;

use super::*;

pub(super) fn layout(volume: &Path) -> Layout {
    Layout {
        data: volume.join("pg18"),
        version: "18".to_owned(),
        wal: volume.join("pg18_wal"),
        tablespaces: Vec::new(),
        socket: volume.join("socket"),
        keys: Vec::new(),
        adopted: (None, None),
    }
}

pub(super) fn request() -> Request {
    Request {
        restore: "one".to_owned(),
        stanza: "db".to_owned(),
        repository: 1,
        repository_time: None,
        set: "20261121-013455F".to_owned(),
        kind: "default".to_owned(),
        target: None,
        exclusive: false,
        timeline: 1,
        passes_through: false,
        at_least: None,
        previous: Previous::Keep,
        bytes: 1,
        system_identifier: None,
        checks: None,
        options: Vec::new(),
    }
}

struct Volume(tempfile::TempDir);

impl Volume {
    fn new() -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(volume.layout().data).unwrap();
        fs::write(volume.layout().data.join("PG_VERSION"), "18").unwrap();
        volume
    }

    fn layout(&self) -> Layout {
        layout(self.0.path())
    }

    async fn work(&self, restore: &str, previous: Previous) -> Work {
        let layout = self.layout();
        Work {
            places: Places::of(&layout),
            publisher: Publisher::begin(|_| None).await,
            request: Request {
                restore: restore.to_owned(),
                previous,
                ..request()
            },
            layout,
            stop: CancellationToken::new(),
        }
    }

    fn journal(&self) -> Option<Journal> {
        Journal::read(self.0.path()).unwrap()
    }

    fn has_data(&self) -> bool {
        self.layout().data.join("PG_VERSION").exists()
    }

    fn undo(&self, restore: &str) -> Result<RestoreOutcome, Failed> {
        bring_back(&self.layout(), restore)
    }
}

#[tokio::test]
async fn what_was_there_is_moved_aside_and_comes_back_when_the_restore_is_undone() {
    let volume = Volume::new();
    let work = volume.work("one", Previous::Keep).await;
    let mut journal = work.begin().unwrap();
    work.make_place(&mut journal).unwrap();
    assert!(!volume.has_data() && work.places.has_previous());
    assert_eq!(volume.journal().unwrap().stage, Stage::Copying);
    volume.undo("one").unwrap();
    assert!(volume.has_data() && !work.places.has_previous());
    assert_eq!(volume.journal(), None);
    assert!(
        volume
            .undo("one")
            .unwrap()
            .message
            .contains("nothing was changed")
    );
}

#[tokio::test]
async fn one_that_was_killed_goes_on_from_where_it_was() {
    let volume = Volume::new();
    for stage in [Stage::Keeping, Stage::Copying, Stage::Recovering] {
        let work = volume.work("one", Previous::Keep).await;
        let mut journal = work.begin().unwrap();
        work.write(&mut journal, stage).unwrap();
        assert_eq!(
            volume.work("one", Previous::Keep).await.begin().unwrap().stage,
            stage
        );
    }
}

#[tokio::test]
async fn another_restore_brings_back_first_what_the_one_before_it_had_moved_aside() {
    let volume = Volume::new();
    let work = volume.work("one", Previous::Keep).await;
    let mut journal = work.begin().unwrap();
    work.make_place(&mut journal).unwrap();
    // Its undoing is not the other's to do.
    volume.undo("two").unwrap();
    assert!(!volume.has_data());
    assert_eq!(
        volume.work("two", Previous::Keep).await.begin().unwrap().stage,
        Stage::Keeping
    );
    assert!(volume.has_data());
    let mut journal = work.begin().unwrap();
    work.make_place(&mut journal).unwrap();
    // Once it is recovered, what it had replaced is let go.
    fs::create_dir_all(volume.layout().data).unwrap();
    work.write(&mut journal, Stage::Recovered).unwrap();
    volume.work("two", Previous::Keep).await.begin().unwrap();
    assert!(!work.places.has_previous());
}

#[tokio::test]
async fn what_nobody_has_written_down_is_left_alone() {
    let volume = Volume::new();
    let work = volume.work("one", Previous::Keep).await;
    fs::create_dir_all(work.places.previous_data()).unwrap();
    assert_eq!(work.begin().unwrap_err().category, report::Category::Refused);
    assert!(work.places.previous_data().exists());
}

#[tokio::test]
async fn data_that_was_given_up_is_neither_kept_nor_in_the_way_of_the_next_restore() {
    let volume = Volume::new();
    let work = volume.work("one", Previous::Discard).await;
    let mut journal = work.begin().unwrap();
    work.make_place(&mut journal).unwrap();
    assert!(!work.places.has_previous());
    assert_eq!(
        volume.undo("one").unwrap().category,
        Some(report::Category::Discarded)
    );
    // What is half restored is not worth keeping.
    assert!(!volume.work("two", Previous::Keep).await.begin().unwrap().keeps);
}

#[tokio::test]
async fn a_claim_without_room_is_refused_before_anything_is_moved() {
    let volume = Volume::new();
    let mut work = volume.work("one", Previous::Keep).await;
    work.request.bytes = u64::MAX;
    assert_eq!(work.begin().unwrap_err().category, report::Category::NoRoom);
    assert!(volume.has_data());
    assert_eq!(volume.journal(), None);
}

#[tokio::test]
async fn the_first_data_of_a_cluster_are_brought_only_where_no_database_is() {
    let volume = Volume::new();
    let refused = volume.work("one", Previous::Absent).await.begin().unwrap_err();
    assert_eq!(
        (refused.code, refused.category),
        (exit::PERMANENT, report::Category::Refused)
    );
    assert!(volume.has_data());
    assert_eq!(volume.journal(), None);

    // What this one or another has begun with and not ended is gone on with.
    fs::remove_file(volume.layout().data.join("PG_VERSION")).unwrap();
    let work = volume.work("one", Previous::Absent).await;
    let mut journal = work.begin().unwrap();
    work.make_place(&mut journal).unwrap();
    fs::write(volume.layout().data.join("PG_VERSION"), "18").unwrap();
    assert_eq!(
        volume.work("one", Previous::Absent).await.begin().unwrap().stage,
        Stage::Copying
    );
    assert_eq!(
        volume.work("two", Previous::Absent).await.begin().unwrap().stage,
        Stage::Keeping
    );

    // And one that has ended is a database.
    let work = volume.work("two", Previous::Absent).await;
    let mut journal = work.begin().unwrap();
    work.write(&mut journal, Stage::Recovered).unwrap();
    assert!(volume.work("three", Previous::Absent).await.begin().is_err());
    assert_eq!(
        volume.work("two", Previous::Absent).await.begin().unwrap().stage,
        Stage::Recovered
    );
}

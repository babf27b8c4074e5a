//! What later looks cost, and what they notice.

use std::sync::atomic::Ordering;

use super::*;

/// An archive of many parts, its newest segments with content.
fn large() -> Shelf {
    let mut shelf = Shelf::new(1000);
    shelf.names(1, 1..20_000);
    shelf.wal(1, 20_000..=20_001);
    shelf.backup(1, 2);
    shelf
}

#[tokio::test]
async fn a_later_look_at_a_large_archive_takes_three_listings() {
    let shelf = large();
    let mut known = KnownRepository::default();
    let picture = look(&mut known, &shelf, 30_000).await;
    assert_eq!(windows(&picture), [(2, Some(20_001), 1)]);
    assert_eq!(picture.requests.listings, 21);
    shelf.wal(1, 20_002..=20_011);
    let before = shelf.memory.listings();
    let picture = look(&mut known, &shelf, 30_001).await;
    assert_eq!(windows(&picture), [(2, Some(20_011), 1)]);
    assert_eq!(shelf.memory.listings() - before, 3);
    assert_eq!(picture.requests.segments, 1);
    // Nothing new: the commits of the last segment are known.
    let picture = look(&mut known, &shelf, 30_002).await;
    assert_eq!(picture.requests.segments, 0);
}

#[tokio::test]
async fn what_is_removed_from_a_small_archive_is_missed_at_the_next_look_and_found_again() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let mut known = KnownRepository::default();
    assert_eq!(windows(&look(&mut known, &shelf, 60).await), [(2, Some(9), 1)]);
    let taken = shelf.memory.take(&segment(1, 5).to_string());
    let picture = look(&mut known, &shelf, 61).await;
    assert_eq!(windows(&picture), [(2, Some(4), 1)]);
    assert_eq!(gaps(&picture.recovery.gaps_in_grace), [(5, 5)]);
    assert_eq!(picture.recovery.gaps_in_grace[0].since, minute(61));
    assert!(
        matches!(&picture.oddities[..], [Oddity::Vanished { range, .. }] if range.first == segment(1, 5))
    );
    let picture = look(&mut known, &shelf, 66).await;
    assert_eq!(gaps(&picture.recovery.gaps), [(5, 5)]);
    assert_eq!(picture.recovery.gaps[0].since, minute(61));
    assert_eq!(picture.requests.listings, 1);
    shelf.memory.put(&taken[0].0, &taken[0].1, None);
    let picture = look(&mut known, &shelf, 67).await;
    assert_eq!(windows(&picture), [(2, Some(9), 1)]);
    assert!(!picture.is_broken());
}

#[tokio::test]
async fn what_is_removed_from_a_large_archive_is_missed_when_the_listing_has_gone_round() {
    let shelf = large();
    let mut known = KnownRepository::default();
    look(&mut known, &shelf, 30_000).await;
    shelf.memory.take(&segment(1, 6999).to_string());
    shelf.wal(1, [6999]);
    shelf.memory.take(&segment(1, 7000).to_string());
    let mut looks = 0;
    let picture = loop {
        looks += 1;
        // New segments arrive all the while, behind and before the place that the listing has reached.
        shelf.wal(1, [20_001 + looks]);
        let now = 30_000 + i64::try_from(looks).unwrap();
        let picture = look(&mut known, &shelf, now).await;
        assert!(picture.requests.listings <= 4, "{:?}", picture.requests);
        if !picture.recovery.gaps.is_empty() {
            break picture;
        }
    };
    assert_eq!(gaps(&picture.recovery.gaps), [(7000, 7000)]);
    assert_eq!(
        picture.recovery.gaps[0].since,
        minute(30_004),
        "when the listing passed it"
    );
    // When it is put back, that is seen at once.
    shelf.names(1, [7000]);
    let picture = look(&mut known, &shelf, 30_100).await;
    assert_eq!(gaps(&picture.recovery.gaps), []);
    assert!((9..=12).contains(&looks), "{looks}");
}

#[tokio::test]
async fn what_arrives_behind_the_place_that_a_listing_has_reached_is_not_lost_at_its_end() {
    let mut shelf = Shelf::new(1000);
    shelf.names(1, (1..5999).chain(6001..20_000));
    shelf.wal(1, [5999, 20_000]);
    shelf.backup(1, 2);
    let mut known = KnownRepository::default();
    let missing = |picture: &Picture| {
        [
            gaps(&picture.recovery.gaps),
            gaps(&picture.recovery.gaps_in_grace),
        ]
        .concat()
    };
    for now in 30_000..30_010 {
        assert_eq!(missing(&look(&mut known, &shelf, now).await), [(6000, 6000)]);
    }
    // The listing is past the gap now. It is filled in, and seen since gaps are looked at in turn.
    shelf.names(1, [6000]);
    for now in 30_010..30_040 {
        let picture = look(&mut known, &shelf, now).await;
        assert_eq!(missing(&picture), [], "minute {now}");
        assert_eq!(windows(&picture), [(2, Some(20_000), 1)]);
    }
}

#[tokio::test]
async fn an_archiver_that_catches_up_out_of_order_leaves_no_gap() {
    let shelf = large();
    let mut known = KnownRepository::default();
    shelf.wal(1, 20_003..=20_004);
    let picture = look(&mut known, &shelf, 20_004).await;
    assert_eq!(gaps(&picture.recovery.gaps_in_grace), [(20_002, 20_002)]);
    assert_eq!(picture.recovery.gaps, []);
    shelf.wal(1, [20_002]);
    let picture = look(&mut known, &shelf, 20_005).await;
    assert_eq!(picture.recovery.gaps_in_grace, []);
    assert_eq!(windows(&picture), [(2, Some(20_004), 1)]);
}

#[tokio::test]
async fn the_old_timeline_is_looked_at_for_a_while_after_a_switch() {
    let shelf = large();
    let mut known = KnownRepository::default();
    shelf.wal(2, [20_004]);
    shelf.history(2, &[(1, 20_004)]);
    let picture = look(&mut known, &shelf, 20_005).await;
    assert_eq!(gaps(&picture.recovery.gaps_in_grace), [(20_002, 20_003)]);
    shelf.wal(1, 20_002..=20_003);
    let picture = look(&mut known, &shelf, 20_006).await;
    assert_eq!(picture.recovery.gaps_in_grace, []);
    assert_eq!(windows(&picture), [(2, Some(20_004), 2)]);
}

#[tokio::test]
async fn a_first_look_that_breaks_off_is_gone_on_with() {
    let shelf = large();
    let mut known = KnownRepository::default();
    shelf.memory.fails_at.store(15, Ordering::SeqCst);
    let error = known.look(&shelf.repository(), &terms(30_000)).await.unwrap_err();
    assert_eq!(error.category(), "unavailable");
    let picture = look(&mut known, &shelf, 30_001).await;
    assert_eq!(windows(&picture), [(2, Some(20_001), 1)]);
    assert_eq!(picture.requests.listings, 7);
    assert_eq!(picture.archives[0].segments, 20_001);
}

#[tokio::test]
async fn a_look_that_fails_leaves_what_was_known() {
    let shelf = large();
    let mut known = KnownRepository::default();
    look(&mut known, &shelf, 30_000).await;
    shelf.wal(1, [20_002]);
    shelf
        .memory
        .fails_at
        .store(shelf.memory.listings() + 2, Ordering::SeqCst);
    assert!(known.look(&shelf.repository(), &terms(30_001)).await.is_err());
    let picture = look(&mut known, &shelf, 30_002).await;
    assert_eq!(windows(&picture), [(2, Some(20_002), 1)]);
    assert!(picture.requests.listings <= 3);
}

#[tokio::test]
async fn what_is_known_can_be_stored_and_gone_on_with() {
    let shelf = large();
    let mut known = KnownRepository::default();
    look(&mut known, &shelf, 30_000).await;
    let stored = serde_json::to_string(&known).unwrap();
    assert!(stored.len() < 4096, "{} bytes", stored.len());
    let mut known: KnownRepository = serde_json::from_str(&stored).unwrap();
    let picture = look(&mut known, &shelf, 30_001).await;
    assert_eq!(windows(&picture), [(2, Some(20_001), 1)]);
    assert_eq!((picture.requests.listings, picture.requests.segments), (3, 0));
}

#[tokio::test]
async fn segments_without_commits_are_read_once_and_several_at_a_time() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=3);
    shelf.backup(1, 2);
    for index in 4..=40 {
        shelf.write(1, index, None, None);
    }
    let mut known = KnownRepository::default();
    let picture = look(&mut known, &shelf, 60).await;
    assert_eq!(windows(&picture), [(2, Some(3), 1)]);
    let read = picture.requests.segments;
    assert!((38..=40).contains(&read), "{read}");
    shelf.write(1, 41, None, None);
    let picture = look(&mut known, &shelf, 61).await;
    assert_eq!(windows(&picture), [(2, Some(3), 1)]);
    assert_eq!(picture.requests.segments, 1);
}

#[tokio::test]
async fn a_segment_that_is_listed_and_gone_when_it_is_read_is_missing() {
    let shelf = large();
    let mut known = KnownRepository::default();
    look(&mut known, &shelf, 30_000).await;
    // It is known by name, and its commits are not.
    let mut stored = serde_json::to_value(&known).unwrap();
    stored["contents"] = serde_json::json!({});
    let mut known: KnownRepository = serde_json::from_value(stored).unwrap();
    shelf.memory.take(&segment(1, 20_001).to_string());
    let picture = look(&mut known, &shelf, 30_001).await;
    assert_eq!(windows(&picture), [(2, Some(20_000), 1)]);
    assert_eq!(picture.recovery.unusable, []);
}

#[tokio::test]
async fn what_was_read_once_is_believed_until_the_listing_has_gone_round() {
    let shelf = large();
    let mut known = KnownRepository::default();
    look(&mut known, &shelf, 30_000).await;
    shelf.memory.take(&segment(1, 20_001).to_string());
    shelf.names(1, [20_003]);
    let mut picture = look(&mut known, &shelf, 30_001).await;
    assert_eq!(gaps(&picture.recovery.gaps_in_grace), [(20_002, 20_002)]);
    for now in 30_002..30_015 {
        picture = look(&mut known, &shelf, now).await;
    }
    assert_eq!(windows(&picture), [(2, Some(20_000), 1)]);
    assert_eq!(gaps(&picture.recovery.gaps), [(20_001, 20_002)]);
}

#[tokio::test]
async fn a_repository_swapped_for_an_older_copy_is_told() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let mut known = KnownRepository::default();
    look(&mut known, &shelf, 60).await;
    for index in 7..=9 {
        shelf.memory.take(&segment(1, index).to_string());
    }
    let picture = look(&mut known, &shelf, 61).await;
    assert_eq!(windows(&picture), [(2, Some(6), 1)]);
    assert_eq!(picture.recovery.gaps, []);
    let [Oddity::Vanished { range, .. }] = &picture.oddities[..] else {
        panic!("{:?}", picture.oddities);
    };
    assert_eq!((range.first, range.last), (segment(1, 7), segment(1, 9)));
}

#[tokio::test]
async fn a_look_reads_a_bounded_number_of_segments_and_the_next_one_goes_on() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=3);
    shelf.backup(1, 2);
    for index in 4..=140 {
        shelf.write(1, index, None, None);
    }
    let mut known = KnownRepository::default();
    let picture = look(&mut known, &shelf, 160).await;
    assert!(picture.requests.segments < 135, "{:?}", picture.requests);
    assert_eq!(windows(&picture), [(2, None, 1)]);
    assert!(matches!(&picture.oddities[..], [Oddity::Unfinished { .. }]));
    let picture = look(&mut known, &shelf, 161).await;
    assert_eq!(windows(&picture), [(2, Some(3), 1)]);
    assert_eq!(picture.oddities, []);
}

#[tokio::test]
async fn an_older_copy_of_the_repository_is_noticed_until_a_newer_backup_is_there() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=20);
    shelf.backup(1, 2);
    let old = shelf.memory.take("backup.info");
    for (name, content) in &old {
        shelf.memory.put(name, content, None);
    }
    shelf.backup(1, 12);
    let mut known = KnownRepository::default();
    assert_eq!(look(&mut known, &shelf, 60).await.oddities, []);
    shelf.memory.take("backup.info");
    for (name, content) in &old {
        shelf.memory.put(name, content, None);
    }
    for later in [61, 62] {
        let picture = look(&mut known, &shelf, later).await;
        assert!(
            matches!(&picture.oddities[..], [Oddity::RolledBack { .. }]),
            "{:?}",
            picture.oddities
        );
    }
    shelf.backup(1, 15);
    assert_eq!(look(&mut known, &shelf, 63).await.oddities, []);
}

#[tokio::test]
async fn a_clock_that_is_an_hour_ahead_is_noticed_and_five_minutes_are_not() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=70);
    shelf.backup(1, 2);
    let picture = first_look(&shelf, 10).await;
    assert!(
        matches!(&picture.oddities[..], [Oddity::ClockAhead { time, .. }] if *time == minute(70)),
        "{:?}",
        picture.oddities
    );
    assert_eq!(first_look(&shelf, 65).await.oddities, []);
}

#[tokio::test]
async fn what_protects_a_backup_in_its_store_is_asked_for_once_and_again_after_hours() {
    let mut shelf = Shelf::new(1000);
    shelf.wal(1, 1..=9);
    shelf.backup(1, 2);
    let mut known = KnownRepository::default();
    // Not to be had: nothing is known of it, and all else is.
    let picture = look(&mut known, &shelf, 10).await;
    assert_eq!(picture.protections.values().next(), Some(&Protection::default()));
    assert_eq!(windows(&picture), [(2, Some(9), 1)]);

    let label = picture.backups[0].label.clone();
    let manifest = format!("r/backup/db/{label}/backup.manifest");
    // Written a minute after the backup began, one second before minute 2.
    let began = minute(2) - TimeDelta::seconds(1);
    shelf
        .memory
        .put(&manifest, b"", Some(began + TimeDelta::minutes(1)));
    *shelf.memory.retained.lock().unwrap() = Some(minute(5000));
    let asked = shelf.memory.heads.load(Ordering::SeqCst);
    look(&mut known, &shelf, 11).await;
    assert_eq!(shelf.memory.heads.load(Ordering::SeqCst), asked);
    let picture = look(&mut known, &shelf, 10 + 6 * 60).await;
    let expected = Protection {
        retained_until: Some(minute(4999)),
        held: false,
        versioned: true,
    };
    assert_eq!(
        picture.protections,
        std::collections::BTreeMap::from([(label, expected)])
    );
}

//! The same of every kind of store: real servers over verified TLS, a directory, and one behind an agent; plain, and with a fault at every
//! other call that a retry saves.

use std::{sync::Arc, time::Duration};

use holdfast::storage::{
    ObjectStore, Page, StorageErrorKind,
    bounded::Bounded,
    careful,
    faults::{Fault, Faulty},
    list_all,
    retry::{RetryPolicy, Retrying},
};
use rstest::rstest;

use crate::places::{Kind, Place, read};

/// What of a store is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As the product uses it.
    Careful,
    /// With a fault at every other call.
    Faulty,
}

fn through(place: &Place, way: Way) -> Arc<dyn ObjectStore> {
    let store = Arc::clone(&place.store);
    match way {
        Way::Careful => careful(store),
        Way::Faulty => {
            let faults = [
                Fault::TimeOut,
                Fault::ShortPage(3),
                Fault::TooManyRequests(Some(Duration::from_millis(1))),
                Fault::BrokenBody(100_000),
                Fault::Unavailable,
                Fault::SlowBody(7),
            ];
            let policy = RetryPolicy {
                pause: Duration::from_millis(1),
                // Real servers are asked here: long enough for their first byte.
                stall: Duration::from_secs(3),
                ..RetryPolicy::default()
            };
            Arc::new(Retrying::with(
                Bounded::with(Faulty::every_other(store, faults), 4),
                policy,
            ))
        }
    }
}

fn segment(number: usize) -> String {
    format!(
        "archive/db/18-1/0000000100000000/{number:024X}-{:040x}.zst",
        number * 7
    )
}

#[rstest]
#[tokio::test]
async fn a_listing_goes_on_from_a_name_and_over_several_pages(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs, Kind::Posix, Kind::RepoHost)] kind: Kind,
) {
    // More than a page of any of them.
    let count = 1_300;
    let mut place = Place::of(kind).await;
    let objects = (0..count)
        .map(|number| (segment(number), b"content".to_vec()))
        .collect();
    place.put(objects).await;
    for way in [Way::Careful, Way::Faulty] {
        let store = through(&place, way);
        let prefix = place.name("archive/");
        let first = store.list(&prefix, None).await.unwrap();
        assert!(
            first.objects.len() < count && first.next.is_some(),
            "{way:?}: {}",
            first.objects.len()
        );

        let all = list_all(&*store, &prefix).await.unwrap();
        assert_eq!(all.len(), count, "{way:?}");
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert_eq!(all[7].name, place.name(&segment(7)));
        assert_eq!(all[7].size, 7);
        assert!(all[7].modified.is_some());

        // From a name that is there, and from one that is not; a prefix may end within a name.
        let last = place.name(&segment(count - 10));
        let page = store.list(&prefix, Some(&last)).await.unwrap();
        assert_eq!(
            page.objects.first().unwrap().name,
            place.name(&segment(count - 9))
        );
        let between = format!("{}~", place.name(&segment(count - 3)));
        let page = store.list(&prefix, Some(&between)).await.unwrap();
        assert_eq!((page.objects.len(), page.next), (2, None), "{way:?}");
        let within = place.name(&segment(0x20));
        let within = &within[..place.prefix.len() + 1 + "archive/db/18-1/0000000100000000/".len() + 23];
        assert_eq!(list_all(&*store, within).await.unwrap().len(), 16, "{within}");
        assert_eq!(store.list(&prefix, Some("zzz")).await.unwrap(), Page::default());
        assert!(list_all(&*store, &place.name("none/")).await.unwrap().is_empty());
    }
    place.clear().await;
}

#[rstest]
#[tokio::test]
async fn names_have_the_order_of_their_bytes(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs, Kind::Posix, Kind::RepoHost)] kind: Kind,
) {
    let mut place = Place::of(kind).await;
    let names = ["o/a-b", "o/a.b", "o/a/b", "o/a/z", "o/a0", "o/b"];
    place
        .put(
            names
                .iter()
                .rev()
                .map(|name| ((*name).to_owned(), vec![1]))
                .collect(),
        )
        .await;
    for way in [Way::Careful, Way::Faulty] {
        let store = through(&place, way);
        let all = list_all(&*store, &place.name("o/")).await.unwrap();
        let found: Vec<_> = all
            .iter()
            .map(|object| &object.name[place.prefix.len() + 1..])
            .collect();
        assert_eq!(found, names, "{way:?}");
    }
    place.clear().await;
}

#[rstest]
#[tokio::test]
async fn an_object_is_read_whole_in_parts_and_as_it_arrives(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs, Kind::Posix, Kind::RepoHost)] kind: Kind,
) {
    let mut place = Place::of(kind).await;
    let large: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    place
        .put(vec![
            ("small".into(), b"content of 2".to_vec()),
            ("empty".into(), Vec::new()),
            ("large".into(), large.clone()),
            (
                "odd/name +%&=?#ä.txt".replace(['?', '#', '%'], "_"),
                b"odd".to_vec(),
            ),
        ])
        .await;
    for way in [Way::Careful, Way::Faulty] {
        let store = through(&place, way);
        let small = place.name("small");
        assert_eq!(store.get(&small).await.unwrap(), b"content of 2");
        assert_eq!(store.get_range(&small, 8..10).await.unwrap(), b"of");
        assert_eq!(store.get_range(&small, 11..99).await.unwrap(), b"2");
        assert_eq!(store.get_range(&small, 5..5).await.unwrap(), b"");
        assert_eq!(
            store.get_range(&small, 12..20).await.unwrap(),
            b"",
            "{way:?}: behind the end"
        );
        assert_eq!(read(&*store, &small, 11).await, b"2");
        assert_eq!(read(&*store, &small, 12).await, b"");
        let head = store.head(&small).await.unwrap();
        assert_eq!(
            (head.object.size, head.object.name.as_str()),
            (12, small.as_str())
        );
        assert!(head.object.modified.is_some());
        assert_eq!(head.retain_until, None);

        let empty = place.name("empty");
        assert_eq!(store.get(&empty).await.unwrap(), b"");
        assert_eq!(store.head(&empty).await.unwrap().object.size, 0);
        assert_eq!(read(&*store, &empty, 0).await, b"");

        // Compared without printing three million bytes.
        for _ in 0..3 {
            assert!(read(&*store, &place.name("large"), 0).await == large, "{way:?}");
        }
        assert!(
            read(&*store, &place.name("large"), 1_000_001).await == large[1_000_001..],
            "{way:?}"
        );
        assert!(store.get(&place.name("large")).await.unwrap() == large, "{way:?}");

        let odd = list_all(&*store, &place.name("odd/")).await.unwrap();
        assert_eq!(
            store.get(&odd[0].name).await.unwrap(),
            b"odd",
            "{:?}",
            odd[0].name
        );
    }
    place.clear().await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_there_is_not_found(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs, Kind::Posix, Kind::RepoHost)] kind: Kind,
) {
    let place = Place::of(kind).await;
    for way in [Way::Careful, Way::Faulty] {
        let store = through(&place, way);
        let name = place.name("no/such/object");
        let errors = [
            store.get(&name).await.unwrap_err(),
            store.get_range(&name, 0..9).await.unwrap_err(),
            store.head(&name).await.unwrap_err(),
            store.open(&name, 0).await.err().unwrap(),
        ];
        for error in errors {
            assert_eq!(error.kind, StorageErrorKind::NotFound, "{way:?}: {error}");
            assert!(error.request.contains("no/such/object"), "{error}");
        }
    }
    place.clear().await;
}

#[rstest]
#[tokio::test]
async fn credentials_that_ran_out_are_told_and_not_tried_again(
    #[values(Kind::S3, Kind::Azure, Kind::Gcs, Kind::Posix, Kind::RepoHost)] kind: Kind,
) {
    let place = Place::of(kind).await;
    let faulty = Faulty::first(Arc::clone(&place.store), [Fault::CredentialsExpired; 9]);
    let store = Retrying::new(faulty);
    let error = store.list("", None).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::CredentialsRefused);
    place.clear().await;
}

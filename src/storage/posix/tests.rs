use std::{fs, os::unix::fs::symlink};

use futures::TryStreamExt as _;
use proptest::prelude::*;

use super::{super::list_all, *};

fn lay_down(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
}

fn names(objects: &[ObjectInfo]) -> Vec<&str> {
    objects.iter().map(|object| object.name.as_str()).collect()
}

#[tokio::test]
async fn names_have_the_order_of_their_bytes_and_not_of_directories() {
    let directory = tempfile::tempdir().unwrap();
    lay_down(directory.path(), &["a/z", "a-b", "a.b", "a0", "a/b/c", "b"]);
    let store = PosixStore::new(directory.path());
    let all = list_all(&store, "").await.unwrap();
    assert_eq!(names(&all), ["a-b", "a.b", "a/b/c", "a/z", "a0", "b"]);
    let page = store.list("a", Some("a/b/c")).await.unwrap();
    assert_eq!(names(&page.objects), ["a/z", "a0"]);
    let page = store.list("a/", Some("a/b")).await.unwrap();
    assert_eq!(names(&page.objects), ["a/b/c", "a/z"]);
}

#[tokio::test]
async fn links_are_not_listed_and_lead_nowhere_outside() {
    let outside = tempfile::tempdir().unwrap();
    lay_down(outside.path(), &["secret"]);
    let directory = tempfile::tempdir().unwrap();
    lay_down(directory.path(), &["backup/20260101-000000F/manifest"]);
    symlink("20260101-000000F", directory.path().join("backup/latest")).unwrap();
    symlink(outside.path(), directory.path().join("out")).unwrap();
    let store = PosixStore::new(directory.path());
    let all = list_all(&store, "").await.unwrap();
    assert_eq!(names(&all), ["backup/20260101-000000F/manifest"]);
    assert!(list_all(&store, "out/").await.unwrap().is_empty());
    assert!(list_all(&store, "../").await.unwrap().is_empty());
    assert!(store.get("backup/latest/manifest").await.is_ok());
    let above = format!(
        "../{}/secret",
        outside.path().file_name().unwrap().to_str().unwrap()
    );
    for name in ["out/secret", above.as_str()] {
        assert!(outside.path().join("secret").exists());
        assert!(store.get(name).await.unwrap_err().is_not_found(), "{name}");
        assert!(store.head(name).await.unwrap_err().is_not_found(), "{name}");
        assert!(store.open(name, 0).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_directory_that_is_away_is_no_empty_repository() {
    let directory = tempfile::tempdir().unwrap();
    let store = PosixStore::new(directory.path().join("away"));
    for error in [
        store.list("", None).await.unwrap_err(),
        store.get("a").await.unwrap_err(),
        store.head("a").await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StorageErrorKind::BucketMissing, "{error}");
    }
}

#[tokio::test]
async fn a_directory_is_no_object() {
    let directory = tempfile::tempdir().unwrap();
    lay_down(directory.path(), &["a/b"]);
    let store = PosixStore::new(directory.path());
    assert!(store.get("a").await.unwrap_err().is_not_found());
    assert!(store.get("a/b/c").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_file_larger_than_a_piece_comes_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..=250).cycle().take(PIECE * 2 + 7).collect();
    fs::write(directory.path().join("f"), &content).unwrap();
    let store = PosixStore::new(directory.path());
    let pieces: Vec<Bytes> = store.open("f", 5).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.len(), 3);
    assert_eq!(pieces.concat(), content[5..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_put_together_are_all_names_in_order(
        tree in proptest::collection::btree_set("[ab./-]{1,6}", 0..24),
        prefix in "[ab/-]{0,2}",
        after in proptest::option::of("[ab./-]{0,4}"),
        limit in 1_usize..5,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut expected = std::collections::BTreeSet::new();
        for name in tree {
            let plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
            let path = directory.path().join(&name);
            // What a file system cannot hold beside what it has is left out.
            if plain && fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, "x").is_ok() {
                expected.insert(name);
            }
        }
        expected.retain(|name| {
            name.starts_with(&prefix) && after.as_ref().is_none_or(|after| name > after)
        });
        let mut found = Vec::new();
        let mut from = after;
        loop {
            let page = walk::page(directory.path(), &prefix, from.as_deref(), limit).unwrap();
            prop_assert!(page.objects.len() <= limit);
            found.extend(page.objects.into_iter().map(|object| object.name));
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}

//! Catalogs that are damaged, locked, full of nothing, or do not answer.

use std::{
    fs,
    path::{Path, PathBuf},
    task::Poll,
    time::Duration,
};

use prometheus_client::{encoding::text::encode, registry::Registry};
use rstest::rstest;
use sqlx::{ConnectOptions as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    BOUNDS, in_file,
    suite::{at, backup, place, record},
};
use crate::catalog::{
    Bounds, Catalog, CatalogError, CatalogMetrics, CatalogPlace, RepositoryRecord, Standing,
};

async fn beside(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

/// A file with some pages of content, all of it in the one file.
async fn filled(path: &Path) {
    let catalog = in_file(path);
    for number in 0..50 {
        catalog
            .save(&place(&format!("c{number}")), &record(), at(1))
            .await
            .unwrap();
    }
    // The last connection to close moves everything into the one file.
    catalog.close().await;
}

fn moved_aside(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .filter(|path| {
            path.to_str().unwrap().contains(".damaged-") && !path.to_str().unwrap().ends_with("-wal")
        })
        .collect();
    found.sort();
    found
}

fn text_of(metrics: &CatalogMetrics) -> String {
    let mut registry = Registry::with_prefix("holdfast");
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn overwrite(path: &Path, from: usize, to: usize) {
    let mut content = fs::read(path).unwrap();
    let to = to.min(content.len());
    content[from..to].fill(0xA5);
    fs::write(path, content).unwrap();
}

#[rstest]
#[case::of_another_kind(|path: &Path| fs::write(path, vec![b'x'; 10_000]).unwrap())]
#[case::without_its_beginning(|path: &Path| overwrite(path, 0, 200))]
#[case::cut_short(|path: &Path| fs::write(path, &fs::read(path).unwrap()[..20_000]).unwrap())]
#[case::with_a_bad_page(|path: &Path| overwrite(path, 4096 * 2, 4096 * 12))]
// Of a repository that nobody asks for.
#[case::with_a_bad_page_at_its_end(|path: &Path| overwrite(path, 4096 * 30, usize::MAX))]
#[tokio::test]
async fn a_damaged_file_is_moved_aside_once_and_a_new_one_begun(#[case] damage: fn(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    filled(&path).await;
    damage(&path);
    let damaged = fs::read(&path).unwrap();

    let metrics = CatalogMetrics::default();
    let catalog = Catalog::new(CatalogPlace::File(path.clone()), BOUNDS, metrics.clone());
    assert_eq!(catalog.load(&place("c1")).await, Ok(None));
    catalog.save(&place("c1"), &record(), at(2)).await.unwrap();
    assert_eq!(catalog.load(&place("c1")).await, Ok(Some(record())));

    let health = catalog.health();
    assert_eq!((health.standing, health.skipped), (Standing::InOrder, 0));
    let replacement = health.replacement.unwrap();
    assert!(
        matches!(replacement.error, CatalogError::Damaged(_)),
        "{replacement:?}"
    );
    assert_eq!(moved_aside(directory.path()), [replacement.moved_to.as_path()]);
    assert_eq!(fs::read(replacement.moved_to).unwrap(), damaged);
    assert!(text_of(&metrics).contains("holdfast_catalog_replaced_total 1"));

    let next = in_file(&path);
    assert_eq!(next.load(&place("c1")).await, Ok(Some(record())));
    assert_eq!(next.health().replacement, None);
}

#[tokio::test]
async fn of_many_damaged_files_the_newest_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    let mut last = None;
    for content in [b"a", b"b", b"c", b"d"] {
        fs::write(&path, content.repeat(5000)).unwrap();
        let catalog = in_file(&path);
        assert_eq!(catalog.load(&place("x")).await, Ok(None));
        last = catalog
            .health()
            .replacement
            .map(|replacement| replacement.moved_to);
        catalog.close().await;
    }
    let kept = moved_aside(directory.path());
    assert_eq!(kept.len(), 2);
    assert_eq!(kept.last(), last.as_ref());
    assert_eq!(fs::read(&kept[0]).unwrap()[0], b'c');
}

#[tokio::test]
async fn a_schema_that_was_changed_is_begun_anew_and_a_newer_one_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    filled(&path).await;
    let mut connection = beside(&path).await;
    let newer = "INSERT INTO holdfast_migrations (version, description, success, checksum, execution_time) \
        VALUES (9999, 'later', true, x'00', 1)";
    connection.execute(newer).await.unwrap();
    let catalog = in_file(&path);
    assert_eq!(catalog.load(&place("c1")).await, Ok(Some(record())));
    catalog.close().await;
    connection
        .execute("UPDATE holdfast_migrations SET checksum = x'00' WHERE version = 1")
        .await
        .unwrap();
    let catalog = in_file(&path);
    assert_eq!(catalog.load(&place("c1")).await, Ok(None));
    let error = catalog.health().replacement.unwrap().error;
    assert!(matches!(error, CatalogError::OtherVersion(_)), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_understood_counts_as_not_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    filled(&path).await;
    let mut connection = beside(&path).await;
    connection
        .execute("UPDATE holdfast_repositories SET known = '{\"archives\":7}', picture = '', standing = '[]' WHERE cluster = 'c1'")
        .await
        .unwrap();
    let catalog = in_file(&path);
    assert_eq!(
        catalog.load(&place("c1")).await,
        Ok(Some(RepositoryRecord::default()))
    );
    assert_eq!(catalog.load(&place("c2")).await, Ok(Some(record())));
    catalog.save(&place("c1"), &record(), at(3)).await.unwrap();
    assert_eq!(catalog.load(&place("c1")).await, Ok(Some(record())));
}

#[tokio::test]
async fn a_locked_catalog_is_skipped_and_used_again_when_it_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    filled(&path).await;
    let metrics = CatalogMetrics::default();
    let bounds = Bounds {
        work: Duration::from_millis(200),
        ..BOUNDS
    };
    let catalog = Catalog::new(CatalogPlace::File(path.clone()), bounds, metrics.clone());
    let mut other = beside(&path).await;
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            catalog
                .save(&place("c1"), &RepositoryRecord::default(), at(3))
                .await,
            Err(CatalogError::Locked)
        );
    }
    let health = catalog.health();
    assert!(
        matches!(
            health.standing,
            Standing::Failing {
                error: CatalogError::Locked,
                ..
            }
        ),
        "{health:?}"
    );
    assert_eq!((health.skipped, health.replacement), (2, None));
    let text = text_of(&metrics);
    assert!(
        text.contains("holdfast_catalog_skipped_total{operation=\"save\",category=\"locked\"} 2"),
        "{text}"
    );
    assert!(text.contains("holdfast_catalog_in_order 0"), "{text}");

    other.execute("ROLLBACK").await.unwrap();
    catalog
        .save(&place("c1"), &RepositoryRecord::default(), at(3))
        .await
        .unwrap();
    assert_eq!(catalog.health().standing, Standing::InOrder);
    assert!(text_of(&metrics).contains("holdfast_catalog_in_order 1"));
}

#[tokio::test]
async fn a_catalog_that_failed_is_left_alone_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    // A directory in the place of the file.
    let path = directory.path().join("catalog.db");
    fs::create_dir(&path).unwrap();
    let bounds = Bounds {
        pause: Duration::from_hours(1),
        ..BOUNDS
    };
    let catalog = Catalog::new(CatalogPlace::File(path), bounds, CatalogMetrics::default());
    let error = catalog.load(&place("x")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable(_)), "{error:?}");
    assert_eq!(catalog.load(&place("x")).await, Err(CatalogError::LeftAlone));
    assert_eq!(
        catalog.save(&place("x"), &record(), at(1)).await,
        Err(CatalogError::LeftAlone)
    );
    assert_eq!(catalog.health().skipped, 3);
}

#[tokio::test]
async fn work_that_is_given_up_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("catalog.db");
    let catalog = in_file(&path);
    let mut before = record();
    before.picture.as_mut().unwrap().backups = vec![backup(1)];
    catalog.save(&place("x"), &before, at(1)).await.unwrap();
    let (x, after) = (place("x"), record());
    // Given up after each possible number of steps, until there are enough for all of it.
    let mut steps = 0;
    loop {
        let mut save = Box::pin(catalog.save(&x, &after, at(2)));
        let mut left = steps;
        let result = std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            save.as_mut().poll(context).map(Some)
        });
        if let Some(result) = result.await {
            result.unwrap();
            break;
        }
        drop(save);
        let (kept, labels) = settled(&catalog).await;
        assert!(
            (kept == before && labels == 1) || (kept == record() && labels == 2),
            "{labels} after {steps} steps: {kept:?}"
        );
        catalog.forget(&x).await.unwrap();
        catalog.save(&x, &before, at(1)).await.unwrap();
        steps += 1;
    }
    assert_eq!(catalog.load(&x).await, Ok(Some(record())));
}

/// What is there once nothing changes any more: the end of what was given up may still be on its way.
async fn settled(catalog: &Catalog) -> (RepositoryRecord, usize) {
    loop {
        let first = catalog.load(&place("x")).await.unwrap();
        let labels = catalog.history(&place("x")).await.unwrap().backups.len();
        let second = catalog.load(&place("x")).await.unwrap();
        if first == second {
            return (first.unwrap(), labels);
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let catalog = |port: u16| {
        let url = format!("postgres://u:geheim@127.0.0.1:{port}/d?sslmode=disable");
        let bounds = Bounds {
            open: Duration::from_millis(100),
            ..BOUNDS
        };
        Catalog::new(
            CatalogPlace::parse(&url).unwrap(),
            bounds,
            CatalogMetrics::default(),
        )
    };
    assert_eq!(
        catalog(port).save(&place("x"), &record(), at(1)).await,
        Err(CatalogError::TooSlow)
    );
    drop(silent);
    let error = catalog(port).load(&place("x")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable(_)), "{error:?}");
    assert!(!error.to_string().contains("geheim"));
}

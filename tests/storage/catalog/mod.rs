//! The catalog in a real PostgreSQL: what holds for any database, and what can happen to a server.

mod server;
#[path = "../../../src/catalog/tests/suite.rs"]
mod suite;

use std::time::Duration;

use holdfast::catalog::{Bounds, Catalog, CatalogError, CatalogMetrics, CatalogPlace, Standing};
use server::Server;
use suite::{at, place, record};
use tokio_postgres::NoTls;

// The suite names everything as a user of the library does.
use ::holdfast;

/// With no pause, so that a test need not wait for its end.
const BOUNDS: Bounds = Bounds {
    open: Duration::from_secs(30),
    work: Duration::from_secs(30),
    pause: Duration::ZERO,
};

fn catalog(url: &str, bounds: Bounds) -> Catalog {
    Catalog::new(
        CatalogPlace::parse(url).unwrap(),
        bounds,
        CatalogMetrics::default(),
    )
}

/// Another client of the server.
async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Two replicas of the operator can find an empty database at once.
async fn two_can_begin_at_once(server: &Server) {
    let (first, second) = (catalog(&server.url(), BOUNDS), catalog(&server.url(), BOUNDS));
    let (one, two) = (place("one"), place("two"));
    let record = record();
    let (first, second) = tokio::join!(
        first.save(&one, &record, at(1)),
        second.save(&two, &record, at(1))
    );
    assert_eq!((first, second), (Ok(()), Ok(())));
}

async fn a_lock_is_not_waited_for(server: &Server) {
    let bounds = Bounds {
        work: Duration::from_secs(2),
        ..BOUNDS
    };
    let catalog = catalog(&server.url(), bounds);
    let x = place("locked");
    catalog.save(&x, &record(), at(1)).await.unwrap();
    let other = client(&server.url()).await;
    other
        .batch_execute("BEGIN; LOCK TABLE holdfast_repositories")
        .await
        .unwrap();
    assert_eq!(
        catalog.save(&x, &record(), at(2)).await,
        Err(CatalogError::Locked)
    );
    // A read has no bound on the server, so the connection is given up.
    assert_eq!(catalog.load(&x).await, Err(CatalogError::TooSlow));
    let health = catalog.health();
    assert!(
        matches!(
            health.standing,
            Standing::Failing {
                error: CatalogError::TooSlow,
                ..
            }
        ),
        "{health:?}"
    );
    assert_eq!((health.skipped, health.replacement), (2, None));
    other.batch_execute("ROLLBACK").await.unwrap();
    catalog.save(&x, &record(), at(3)).await.unwrap();
    assert_eq!(catalog.load(&x).await, Ok(Some(record())));
    assert_eq!(catalog.health().standing, Standing::InOrder);
}

async fn a_connection_that_was_ended_is_made_again(server: &Server) {
    let catalog = catalog(&server.url(), BOUNDS);
    let x = place("ended");
    catalog.save(&x, &record(), at(1)).await.unwrap();
    let other = client(&server.url()).await;
    let ended = other
        .query_one(
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE application_name = 'holdfast') ended",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(ended.get::<_, i64>(0), 1);
    let error = catalog.load(&x).await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable(_)), "{error:?}");
    assert_eq!(catalog.load(&x).await, Ok(Some(record())));
}

async fn refusals_are_told_without_the_password(server: &Server) {
    let wrong = catalog(&server.url_as("postgres", "geheim"), BOUNDS);
    let error = wrong.load(&place("x")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Refused(_)), "{error:?}");
    assert!(!error.to_string().contains("geheim"), "{error}");

    let other = client(&server.url()).await;
    for statement in [
        "CREATE ROLE guest LOGIN PASSWORD 'guest'",
        "CREATE DATABASE empty",
    ] {
        other.batch_execute(statement).await.unwrap();
    }
    let guest = server.url_as("guest", "guest").replace("/postgres?", "/empty?");
    let error = catalog(&guest, BOUNDS).load(&place("x")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Refused(_)), "{error:?}");
    let missing = server.url().replace("/postgres?", "/missing?");
    let error = catalog(&missing, BOUNDS).load(&place("x")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Refused(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_in_postgresql_is_one_like_any_other() {
    let server = Server::start();
    two_can_begin_at_once(&server).await;
    a_lock_is_not_waited_for(&server).await;
    a_connection_that_was_ended_is_made_again(&server).await;
    refusals_are_told_without_the_password(&server).await;
    let open = || catalog(&server.url(), BOUNDS);
    suite::what_is_known_comes_back(open).await;
    suite::the_last_picture_stays_until_there_is_a_newer_one(open).await;
    suite::places_are_kept_apart(open).await;
    suite::backups_that_went_are_remembered(open).await;
    suite::gaps_that_closed_are_remembered(open).await;
    suite::drills_are_remembered(open).await;
    suite::sizes_are_sampled_and_thinned(open).await;
}

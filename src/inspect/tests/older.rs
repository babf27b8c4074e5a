//! Repositories that pgBackRest 2.45 wrote, the oldest that is read.

use super::*;

/// The last commits of both timelines, as `pg_waldump` told them when the files were made.
const LAST: [&str; 2] = ["2026-11-21T10:51:41.212623Z", "2026-11-21T10:51:43.253995Z"];

async fn inspected(repository: &str, variables: &[(&str, &str)]) -> Result<Report, InspectError> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pgbackrest/2.45");
    let request = Request {
        repository: Some(format!("{directory}/{repository}")),
        stanza: "old".into(),
        ..Request::default()
    };
    inspect(&request, &environment(variables)).await
}

#[tokio::test]
async fn a_repository_of_the_oldest_pgbackrest_is_read_to_its_last_commits() {
    let passphrase = ("HOLDFAST_CIPHER_PASS", "lab passphrase");
    for (repository, variables, backups) in [("plain", &[][..], 2), ("cipher", &[passphrase], 1)] {
        let report = inspected(repository, variables).await.unwrap();
        let windows: Vec<_> = report
            .windows
            .iter()
            .map(|window| (window.timelines.clone(), window.to))
            .collect();
        let [first, second] = LAST.map(|time| time.parse().ok());
        assert_eq!(windows, [(vec![1], first), (vec![1, 2], second)], "{repository}");
        assert_eq!(report.backups.len(), backups);
        assert_eq!(report.gaps, []);
        assert!(report.oddities.is_empty() && !report.is_broken());
    }
}

#[tokio::test]
async fn without_the_passphrase_it_stays_closed() {
    for variables in [&[][..], &[("HOLDFAST_CIPHER_PASS", "another")]] {
        let error = inspected("cipher", variables).await.unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
        assert!(error.advice().is_some());
    }
}

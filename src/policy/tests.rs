use chrono::{DateTime, Utc};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::PerconaPGClusterSpec;

fn now() -> DateTime<Utc> {
    // A Saturday.
    "2026-11-21T11:30:00Z".parse().unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "called with json! literals")]
fn spec(schedules: Value, global: Value) -> PerconaPGClusterSpec {
    let spec = json!({ "postgresVersion": 18, "instances": [], "backups": { "pgbackrest": {
        "global": global,
        "repos": [{ "name": "repo1", "gcs": { "bucket": "b" }, "schedules": schedules }],
    } } });
    serde_json::from_value(spec).unwrap()
}

#[test]
fn a_policy_is_explained_with_its_next_runs_and_what_it_comes_to() {
    let spec = spec(
        json!({ "full": "0 1 * * 0", "differential": "0 1 * * 1-6", "incremental": "0 */6 * * *" }),
        json!({ "repo1-retention-full": "30", "repo1-retention-full-type": "time" }),
    );
    let text = explain(&spec, now(), 365, 2).unwrap().text();
    assert_eq!(
        text,
        "repo1\n  \
         full  0 1 * * 0            Sun 2026-11-22 01:00 UTC, Sun 2026-11-29 01:00 UTC\n  \
         diff  0 1 * * 1-6          Mon 2026-11-23 01:00 UTC, Tue 2026-11-24 01:00 UTC\n  \
         incr  0 */6 * * *          Sat 2026-11-21 12:00 UTC, Sat 2026-11-21 18:00 UTC\n  \
         keeps full backups of 30 days, and the one before them\n  \
         on Sun 2027-11-21 11:30 UTC: 6 full, 30 diff, 141 incr of 1825 taken; restorable back to Sun 2027-10-17 01:00 UTC\n"
    );
}

#[test]
fn a_repository_that_keeps_everything_says_what_comes_of_it() {
    let explained = explain(&spec(json!({ "full": "@daily" }), json!({})), now(), 10, 1).unwrap();
    assert!(explained.text().contains("for ever: set repoN-retention-full"));
    assert_eq!((explained.repos[0].full, explained.repos[0].taken), (10, 10));
    let none = explain(&spec(json!({}), json!({})), now(), 10, 1).unwrap();
    assert!(none.text().contains("no schedules"), "{}", none.text());
}

#[rstest]
#[case(json!({ "full": "0 1 * *" }), json!({}), "repo1, schedules.full: '0 1 * *' is no schedule")]
#[case(json!({ "incremental": "0 0 30 2 *" }), json!({}), "never comes")]
#[case(json!({}), json!({ "repo1-retention-full": "0" }), "option 'repo1-retention-full' is '0', which is no number above 0")]
#[case(json!({}), json!({ "repo1-retention-full-type": "days" }), "which is no type of retention: count or time")]
fn what_cannot_be_understood_is_named(
    #[case] schedules: Value,
    #[case] global: Value,
    #[case] expected: &str,
) {
    let error = explain(&spec(schedules, global), now(), 10, 1).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

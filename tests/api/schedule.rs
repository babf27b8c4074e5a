//! Schedules: which cron expressions are accepted.

use serde_json::{Value, json};

use crate::objects::{cluster, s3, with};
use crate::server::Server;

const MESSAGE: &str = "not a schedule: write five cron fields (minute hour day-of-month month day-of-week, for example \"0 1 * * 0\") or one of \
    @hourly @daily @midnight @weekly @monthly @yearly @annually, with CRON_TZ=Zone before it for a time zone other than UTC";

async fn offer(server: &Server, schedule: &str) -> Result<serde_json::Value, crate::server::Refusal> {
    let repository = with(s3("repo1"), &json!({ "schedules": { "full": schedule } }));
    server
        .offer(&with(
            cluster(),
            &json!({ "spec": { "backups": { "pgbackrest": { "repos": [repository] } } } }),
        ))
        .await
}

async fn offer_backups(server: &Server, more: &Value) -> Result<Value, crate::server::Refusal> {
    let backups = with(json!({ "pgbackrest": { "repos": [s3("repo1")] } }), more);
    server
        .offer(&with(cluster(), &json!({ "spec": { "backups": backups } })))
        .await
}

#[tokio::test]
async fn what_is_said_beside_the_expression_is_checked_too() {
    let server = Server::for_test("schedule-terms").await;
    let schedules = |more: Value| {
        let schedules = with(json!({ "full": "@daily" }), &more);
        let repository = with(s3("repo1"), &json!({ "schedules": schedules }));
        json!({ "pgbackrest": { "repos": [repository] } })
    };
    for good in [
        schedules(
            json!({ "timeZone": "America/Argentina/Buenos_Aires", "suspend": true, "startingDeadlineSeconds": 600 }),
        ),
        schedules(json!({ "timeZone": "Etc/GMT+5", "jitterSeconds": 0, "catchUp": "Skip" })),
        json!({ "blackouts": [{ "schedule": "0 8 * * 1-5", "duration": "10h", "timeZone": "Europe/Berlin" }] }),
    ] {
        offer_backups(&server, &good)
            .await
            .unwrap_or_else(|refusal| panic!("{good}: {refusal:?}"));
    }
    let at = |field: &str| format!("spec.backups.pgbackrest.repos[0].schedules.{field}");
    for (bad, field) in [
        (schedules(json!({ "timeZone": "somewhere else" })), at("timeZone")),
        (
            schedules(json!({ "startingDeadlineSeconds": 0 })),
            at("startingDeadlineSeconds"),
        ),
        (schedules(json!({ "jitterSeconds": -1 })), at("jitterSeconds")),
        (schedules(json!({ "catchUp": "Twice" })), at("catchUp")),
        (
            json!({ "blackouts": [{ "schedule": "0 8 * * 1-5", "duration": "all day" }] }),
            "spec.backups.blackouts[0].duration".to_owned(),
        ),
        (
            json!({ "blackouts": [{ "schedule": "at eight", "duration": "8h" }] }),
            "spec.backups.blackouts[0].schedule".to_owned(),
        ),
    ] {
        let refusal = offer_backups(&server, &bad).await.expect_err(&bad.to_string());
        assert!(refusal.says(&field, ""), "{bad}: {refusal:?}");
    }
    server.done().await;
}

#[tokio::test]
async fn a_schedule_has_five_fields_or_is_one_of_the_words() {
    let server = Server::for_test("schedule").await;
    for schedule in [
        "0 1 * * 0",
        "*/15 * * * *",
        "0 0 1,15 * *",
        "0 0 * * 5-7",
        "59 23 31 12 7",
        "0 2 ? * MON-FRI",
        "30 4 * JAN,jul sun",
        "0 */6 * * *",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
        "CRON_TZ=Europe/Berlin 0 1 * * *",
        "TZ=America/Argentina/Buenos_Aires @daily",
        "  0   1 * * *  ",
        "00 01 * * *",
    ] {
        offer(&server, schedule)
            .await
            .unwrap_or_else(|refusal| panic!("{schedule}: {refusal:?}"));
    }
    for schedule in [
        "0 1 * * * *",
        "0 1 * *",
        "60 1 * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 32 * *",
        "0 0 * 13 *",
        "0 0 * * 8",
        "0 0 * * FOO",
        "*/0 * * * *",
        "@every 1h",
        "@sunday",
        "every day",
        "CRON_TZ= 0 1 * * *",
        "0 1 * * 5L",
        "0 1 * * SUN#1",
        "1;2 3 * * *",
    ] {
        let refusal = offer(&server, schedule).await.expect_err(schedule);
        assert!(
            refusal.says("spec.backups.pgbackrest.repos[0].schedules.full", MESSAGE),
            "{schedule}: {refusal:?}"
        );
    }
    server.done().await;
}

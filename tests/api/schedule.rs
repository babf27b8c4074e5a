//! Schedules: which cron expressions are accepted.

use serde_json::json;

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

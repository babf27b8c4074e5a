//! A day of four repositories in a few minutes: schedules, backups by hand, a failover, a pause, an outage of one store. In
//! the end every time that was due has become a backup or has a reason for being none.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use holdfast::api::backup::BackupOrigin;
use holdfast::api::schedules::{RunResult, ScheduleStatus};
use holdfast::api::{PerconaPGBackup, PerconaPGCluster, Reason, time};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::{Four, REPOSITORIES, Request, Scenario, minutes, state, status};

/// Whether it is due at a minute of the hour, in UTC.
type IsDue = fn(u32) -> bool;

/// Repository, field, expression, and what that means.
const SCHEDULES: [(&str, &str, &str, IsDue); 5] = [
    ("repo1", "incremental", "* * * * *", |_| true),
    ("repo1", "full", "*/2 * * * *", |minute| minute.is_multiple_of(2)),
    ("repo2", "incremental", "*/2 * * * *", |minute| {
        minute.is_multiple_of(2)
    }),
    ("repo3", "differential", "1-59/2 * * * *", |minute| {
        !minute.is_multiple_of(2)
    }),
    // By the clock of Kathmandu, which is a quarter of an hour off.
    ("repo4", "full", "*/2 * * * *", |minute| !minute.is_multiple_of(2)),
];

fn schedules(repo: &str, suspended: bool) -> Value {
    let mut schedules = json!({ "suspend": suspended });
    for (_, field, expression, _) in SCHEDULES.iter().filter(|(of, ..)| *of == repo) {
        schedules[*field] = json!(expression);
    }
    match repo {
        "repo3" => schedules["jitterSeconds"] = json!(20),
        "repo4" => schedules["timeZone"] = json!("Asia/Kathmandu"),
        _ => {}
    }
    schedules
}

#[tokio::test]
async fn every_time_that_is_due_becomes_a_backup_or_has_a_reason_why_not() {
    Scenario::alone("day", async |scenario| {
        let mut four = Four::new(scenario);
        four.instances = 2;
        four.schedules = REPOSITORIES.map(|repo| (repo, schedules(repo, false))).into();
        four.apply(&REPOSITORIES).await;
        four.cluster.ready(scenario, minutes(5)).await;
        // A first full backup comes by itself, or is what the first schedule makes.
        Request::new(&four.cluster, "by-hand", &["--type=diff"])
            .into("repo4")
            .create(scenario)
            .await;

        four.cluster.fail_over(scenario).await;
        four.cluster.ready(scenario, minutes(4)).await;
        scenario.succeeded("by-hand", minutes(4)).await;
        accounts(scenario, "one backup of each schedule", |schedule| {
            schedule.last_success.is_some()
        })
        .await;

        "not-the-secret-of-this-key".clone_into(&mut four.s3_secret);
        four.apply(&REPOSITORIES).await;
        four.is("RepositoryReady-repo1", ("False", "CredentialsRefused"))
            .await;
        let begun = Utc::now();
        accounts(scenario, "times come while one store is out", |schedule| {
            let due = schedule.last_due.as_ref().map(time::from_kubernetes);
            due > Some(begun) || !schedule.is_of("repo1", "incremental")
        })
        .await;
        scenario
            .stores
            .of("S3_SECRET_KEY")
            .clone_into(&mut four.s3_secret);
        four.apply(&REPOSITORIES).await;
        four.is("RepositoryReady-repo1", ("True", "AsSpecified")).await;

        // What waits for its turn is run before anything else is owed.
        accounts(scenario, "nothing waits", has_ended).await;
        four.cluster.pause(scenario, true).await;
        let skipped = accounts(scenario, "a time comes while the cluster is paused", |schedule| {
            !schedule.is_of("repo1", "incremental") || schedule.owed.is_some()
        })
        .await;
        let paused = skipped
            .iter()
            .find(|it| it.is_of("repo1", "incremental"))
            .unwrap();
        let reason = &paused.last_omitted.as_ref().unwrap().reason;
        scenario.tell(&format!("skipped for {reason}"));
        four.cluster.pause(scenario, false).await;
        four.cluster.ready(scenario, minutes(4)).await;
        accounts(scenario, "what was owed is made", |schedule| {
            schedule.owed.is_none()
        })
        .await;

        four.schedules = REPOSITORIES.map(|repo| (repo, schedules(repo, true))).into();
        four.apply(&REPOSITORIES).await;
        let evening = accounts(scenario, "every backup has ended", has_ended).await;
        the_sum_is_right(scenario, &evening).await;
    })
    .await;
}

fn has_ended(schedule: &ScheduleStatus) -> bool {
    let last = schedule.last_run.as_ref();
    last.is_some_and(|run| run.result != RunResult::Unfinished)
}

/// Waits until it holds of each schedule's account.
async fn accounts(
    scenario: &Scenario,
    what: &str,
    holds: impl Fn(&ScheduleStatus) -> bool,
) -> Vec<ScheduleStatus> {
    let found = |cluster: &PerconaPGCluster| cluster.status.clone().unwrap_or_default().schedules;
    let all = |cluster: &PerconaPGCluster| {
        let schedules = found(cluster);
        schedules.len() == SCHEDULES.len() && schedules.iter().all(&holds)
    };
    let cluster = scenario.until("app", what, minutes(5), all).await;
    scenario.tell(what);
    found(&cluster)
}

/// Against the clock, and against the backups that there are.
async fn the_sum_is_right(scenario: &Scenario, accounts: &[ScheduleStatus]) {
    let runs = ListParams::default().labels("holdfast.dev/schedule");
    let runs = scenario.api::<PerconaPGBackup>().list(&runs).await.unwrap().items;
    for (repo, field, _, is_due) in SCHEDULES {
        let account = accounts
            .iter()
            .find(|account| account.is_of(repo, field))
            .unwrap();
        let moment = |time: &Option<_>| time.as_ref().map(time::from_kubernetes).unwrap();
        let (since, last) = (moment(&account.since), moment(&account.last_due));
        let due = minutes_of(since, last)
            .filter(|time| is_due(time.minute()))
            .count();
        scenario.tell(&format!(
            "{repo} {field}: {} started, {} missed, {} skipped of {due}; last omitted {:?}",
            account.started, account.missed, account.skipped, account.last_omitted
        ));
        assert_eq!(account.due, i64::try_from(due).unwrap(), "{account:?}");
        assert_eq!(account.due, account.started + account.missed + account.skipped);
        if let Some(omitted) = &account.last_omitted {
            assert!(Reason::from_word(&omitted.reason).is_some(), "{omitted:?}");
        } else {
            assert_eq!(account.due, account.started);
        }
        let own: Vec<&PerconaPGBackup> = runs
            .iter()
            .filter(|backup| backup.spec.repo_name.as_deref() == Some(repo))
            .filter(|backup| backup.labels().get("holdfast.dev/schedule").map(String::as_str) == Some(field))
            .collect();
        assert_eq!(
            own.len(),
            usize::try_from(account.started).unwrap(),
            "{account:?}"
        );
        let times: BTreeSet<String> = own
            .iter()
            .map(|backup| backup.name_any().rsplit('-').next().unwrap().to_owned())
            .collect();
        assert_eq!(times.len(), own.len());
        for backup in own {
            assert!(state(backup).is_terminal(), "{} has not ended", backup.name_any());
            assert_eq!(
                status(backup).origin.as_ref().map(BackupOrigin::as_str),
                Some("Schedule")
            );
        }
    }
}

fn minutes_of(since: DateTime<Utc>, last: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    let first = since.with_second(0).unwrap();
    std::iter::successors(Some(first), |time| Some(*time + TimeDelta::minutes(1)))
        .skip_while(move |time| *time <= since)
        .take_while(move |time| *time <= last)
}

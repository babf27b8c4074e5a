//! What is said of a target before anything is done is right: what is refused cannot be reached by hand from any backup, and what
//! is allowed is reached by hand with what was chosen. Fifty targets at random, over a restore and a gap.

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::api::PerconaPGRestoreStatus;
use holdfast::api::backup::JobState;
use holdfast::domain::wal::Lsn;
use serde_json::{Value, json};

use crate::harness::{Cluster, Request, Scenario, as_target, condition, minutes};

const BY_HAND: &str = include_str!("verdicts/by_hand.sh");
const TARGETS: usize = 50;
const SEGMENT: u64 = 16 << 20;
/// So far beyond the ends of the history targets may lie.
const BEYOND: TimeDelta = TimeDelta::seconds(20);

#[tokio::test]
async fn what_is_refused_fails_by_hand_and_what_is_allowed_succeeds() {
    Scenario::alone_within(minutes(30), "verdicts", async |scenario| {
        let life = Life::lived(scenario).await;
        let mut asked = Vec::new();
        for number in 0..TARGETS {
            let target = life.target(number);
            let name = format!("target-{number}");
            scenario
                .restore(&name, json!({ "dryRun": true, "target": target }))
                .await;
            let status = scenario.restore_ended(&name, minutes(5)).await;
            asked.push((target, status));
        }
        let allowed = asked.iter().filter(|(_, status)| is_allowed(status)).count();
        scenario.tell(&format!("{allowed} of {TARGETS} are allowed"));
        assert!(
            (5..=TARGETS - 5).contains(&allowed),
            "one side is hardly looked at"
        );
        for some in asked.chunks(8) {
            life.are_right(some).await;
        }
    })
    .await;
}

fn is_allowed(status: &PerconaPGRestoreStatus) -> bool {
    status.state == Some(JobState::Succeeded)
}

/// What has happened to a cluster: commits, a restore to between them, more commits, a lost segment, a backup, more commits.
struct Life<'a> {
    scenario: &'a Scenario,
    cluster: Cluster,
    /// Labels, and when each was complete.
    backups: Vec<(String, DateTime<Utc>)>,
    timelines: [u32; 2],
    /// From when on the second of them took writes.
    turned: DateTime<Utc>,
    times: [DateTime<Utc>; 2],
    /// Where each commit began, and one position before and one behind all WAL.
    positions: Vec<u64>,
    xid: String,
}

impl<'a> Life<'a> {
    async fn lived(scenario: &'a Scenario) -> Self {
        let app = Cluster::plain("app", scenario);
        app.create(scenario).await;
        app.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        app.commits_nothing_by_itself(scenario).await;
        scenario.sql(&app, "create table written (n int)").await;
        let begun = Utc::now();
        let mut at = vec![app.position(scenario).await - SEGMENT];

        commits(scenario, &app, &mut at, 4).await;
        let middle = scenario.sql(&app, "select clock_timestamp()").await;
        commits(scenario, &app, &mut at, 2).await;
        scenario.sql(&app, "select pg_create_restore_point('left')").await;
        archived(scenario, &app).await;
        scenario
            .restore("back", json!({ "target": { "time": middle } }))
            .await;
        let back = scenario.restore_ended("back", minutes(6)).await;
        assert_eq!(back.state, Some(JobState::Succeeded), "{:?}", back.error);
        app.ready(scenario, minutes(5)).await;
        let turned = Utc::now();

        commits(scenario, &app, &mut at, 2).await;
        let counted = "insert into written values (0) returning pg_current_xact_id()";
        let xid = scenario.sql(&app, counted).await;
        scenario.sql(&app, "select pg_create_restore_point('kept')").await;
        let lost = commits(scenario, &app, &mut at, 2).await;
        commits(scenario, &app, &mut at, 2).await;
        archived(scenario, &app).await;
        let directory = format!("archive/db/18-1/{}", &lost[..16]);
        let _stays_away = app.take_away(scenario, &directory, &lost);
        Request::new(&app, "behind", &["--type=full"])
            .create(scenario)
            .await;
        scenario.succeeded("behind", minutes(4)).await;
        commits(scenario, &app, &mut at, 4).await;
        archived(scenario, &app).await;
        let ended = Utc::now();
        at.push(app.position(scenario).await + SEGMENT);
        let gap = |cluster: &holdfast::api::PerconaPGCluster| {
            let conditions = cluster.status.clone().unwrap_or_default().conditions;
            condition(&conditions, "WALContinuous").is_some_and(|found| found.0 == "False")
        };
        scenario
            .until("app", "known to have a gap", minutes(3), gap)
            .await;
        let timeline = scenario
            .sql(
                &app,
                "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int",
            )
            .await;
        let backups = scenario.info(&app).await;
        Self {
            scenario,
            backups: backups.iter().map(known).collect(),
            cluster: app,
            timelines: [1, timeline.parse().unwrap()],
            turned,
            times: [begun - BEYOND, ended + BEYOND],
            positions: at,
            xid,
        }
    }

    /// As `spec.target`.
    fn target(&self, number: usize) -> Value {
        let time = || {
            let reach = (self.times[1] - self.times[0]).num_microseconds().unwrap();
            let at = self.times[0] + TimeDelta::microseconds(rand::random_range(0..reach));
            as_target(at)
        };
        let position = || Lsn(self.positions[rand::random_range(0..self.positions.len())]).to_string();
        let timeline = self.timelines[number / 10 % 2].to_string();
        match (number % 10, number / 10) {
            (0..=4, _) => json!({ "time": time() }),
            (5 | 6, _) => json!({ "lsn": position() }),
            (7, _) => json!({ "lsn": position(), "timeline": timeline }),
            (8, _) => json!({ "time": time(), "timeline": timeline }),
            (_, 0) => json!({ "name": "left" }),
            (_, 1) => json!({ "name": "kept" }),
            (_, 2) => json!({ "name": "never" }),
            (_, 3) => json!({ "xid": self.xid }),
            _ => json!({ "immediate": true }),
        }
    }

    async fn are_right(&self, asked: &[(Value, PerconaPGRestoreStatus)]) {
        let tried: Vec<Vec<String>> = asked
            .iter()
            .map(|(target, status)| {
                if is_allowed(status) {
                    return vec![chosen(status)];
                }
                self.wanted(target)
            })
            .collect();
        let all: Vec<&str> = tried.iter().flatten().map(String::as_str).collect();
        let (well, said) = self.scenario.recovery_by_hand(&self.cluster, BY_HAND, &all).await;
        let verdicts: Vec<&str> = said
            .lines()
            .filter(|line| *line == "REACHED" || line.starts_with("NOT "))
            .collect();
        assert!(well && verdicts.len() == tried.iter().flatten().count(), "{said}");
        let mut verdicts = verdicts.into_iter();
        for ((target, status), tried) in asked.iter().zip(tried) {
            for options in tried {
                let verdict = verdicts.next().unwrap();
                let allowed = is_allowed(status);
                let told = format!("{target} allowed: {allowed}, by hand with {options}: {verdict}");
                self.scenario.tell(&told);
                // Whether a restore point or a transaction is there, nobody knows before all WAL was read.
                if allowed && status.preflight.as_ref().unwrap().certain == Some(false) {
                    continue;
                }
                assert_eq!(
                    allowed,
                    verdict == "REACHED",
                    "{told}: {:?} {:?}",
                    status.error,
                    status.preflight
                );
            }
        }
    }

    /// The options of somebody who only knows what he wants: with each backup that may serve, or as pgBackRest chooses.
    fn wanted(&self, target: &Value) -> Vec<String> {
        let mut options = Vec::new();
        for kind in ["time", "lsn", "name", "xid"] {
            if let Some(value) = target[kind].as_str() {
                options.extend([format!("--type={kind}"), format!("--target={value}")]);
            }
        }
        let read = |time| DateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.f%#z").unwrap();
        let time = target["time"].as_str().map(read);
        let timeline = match (target["timeline"].as_str(), time) {
            (Some(timeline), _) => Some(timeline.to_owned()),
            // A time means the timeline that took writes then.
            (None, Some(time)) => Some(self.timelines[usize::from(time >= self.turned)].to_string()),
            (None, None) => None,
        };
        options.extend(timeline.map(|timeline| format!("--target-timeline={timeline}")));
        // A backup that ended later has what was committed behind the time: PostgreSQL does not mind.
        let serving = self
            .backups
            .iter()
            .filter(|(_, stop)| time.is_none_or(|time| *stop <= time));
        let mut all: Vec<String> = serving
            .map(|(label, _)| format!("--set={label}|{}", options.join("|")))
            .collect();
        if all.is_empty() {
            all.push(options.join("|"));
        }
        all
    }
}

/// Label and end of a backup, as `pgbackrest info` has them.
fn known(seen: &Value) -> (String, DateTime<Utc>) {
    let stop = seen["timestamp"]["stop"].as_i64().unwrap();
    (
        seen["label"].as_str().unwrap().to_owned(),
        DateTime::from_timestamp(stop, 0).unwrap(),
    )
}

/// The options that were found to reach it.
fn chosen(status: &PerconaPGRestoreStatus) -> String {
    let found = status.preflight.clone().unwrap();
    let mut options = vec![
        format!("--set={}", found.backup.unwrap()),
        format!("--type={}", found.stop_type.clone().unwrap()),
    ];
    options.extend(found.stop_target.map(|target| format!("--target={target}")));
    if found.stop_type.as_deref() != Some("immediate") {
        options.push(format!("--target-timeline={}", found.timeline.unwrap()));
    }
    options.join("|")
}

/// Commits so many rows, each in a segment of its own; the last segment.
async fn commits(scenario: &Scenario, app: &Cluster, at: &mut Vec<u64>, rows: usize) -> String {
    let mut last = String::new();
    for _ in 0..rows {
        at.push(app.position(scenario).await);
        last = app.segment_with(scenario, "insert into written values (1)").await;
    }
    last
}

async fn archived(scenario: &Scenario, app: &Cluster) {
    let last = commits(scenario, app, &mut Vec::new(), 1).await;
    app.archived(scenario, &last).await;
}

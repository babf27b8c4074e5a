//! `make bench-schedule`: ten thousand clusters with three schedules each, a year of them on one core. The last line is JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use chrono::{DateTime, Days, TimeDelta, Utc};
use holdfast::domain::schedule::{Facts, Ledger, Schedule, Terms, delay, run_name};
use serde_json::json;

const CLUSTERS: u32 = 10_000;
const DAYS: u64 = 365;
const JITTER: TimeDelta = TimeDelta::minutes(10);

/// One schedule of one cluster.
struct One {
    cluster: String,
    kind: &'static str,
    schedule: Schedule,
    ledger: Ledger,
}

fn start() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Weekly full, daily differential and six-hourly incremental backups, in all the zones of a fleet.
fn fleet() -> Vec<One> {
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
    ];
    let mut all = Vec::new();
    for number in 0..CLUSTERS {
        let zone = zones[number as usize % zones.len()];
        let (minute, hour, day) = (number % 60, number / 60 % 24, number % 7);
        for (kind, text) in [
            ("full", format!("{minute} {hour} * * {day}")),
            ("diff", format!("{minute} {hour} * * *")),
            ("incr", format!("{minute} */6 * * *")),
        ] {
            all.push(One {
                cluster: format!("c{number}"),
                kind,
                schedule: Schedule::parse(&text, Some(zone), start()).unwrap(),
                ledger: Ledger::new(start()),
            });
        }
    }
    all
}

/// The controller's own way through a year: it looks when it is told to, and whenever it likes.
fn year(one: &mut One, runs: &mut HashSet<String>) {
    let end = start() + Days::new(DAYS);
    let mut now = start();
    // What is due in the year's last minutes begins a little later.
    while now <= end + JITTER {
        let facts = Facts::<()> {
            now,
            terms: Terms {
                jitter: JITTER,
                ..Terms::default()
            },
            suspended: false,
            running: false,
            held: None,
        };
        let name = |due: DateTime<Utc>| run_name(&one.cluster, "repo1", one.kind, due);
        let look = one.ledger.look(&one.schedule, &facts, &|due| {
            delay(&name(due), &one.cluster, JITTER)
        });
        if let Some(due) = look.run.filter(|due| *due <= end) {
            assert!(runs.insert(name(due)), "{} is run twice", name(due));
        }
        one.ledger = look.ledger;
        now = look.wake.expect("there is always a next time");
    }
}

#[test]
#[ignore = "a measurement: make bench-schedule"]
fn a_year_of_ten_thousand_clusters() {
    let mut fleet = fleet();
    let begun = Instant::now();
    let mut started: BTreeMap<&str, u64> = BTreeMap::new();
    let mut runs = HashSet::new();
    for one in &mut fleet {
        runs.clear();
        year(one, &mut runs);
        let ledger = &one.ledger;
        assert_eq!(
            (ledger.missed, ledger.skipped),
            (0, 0),
            "{} {}",
            one.cluster,
            one.kind
        );
        // Days by the zone's clock: none is lost or doubled where it is set forward or back.
        let expected = match one.kind {
            "full" => 52..=53,
            "diff" => DAYS..=DAYS,
            _ => DAYS * 4 - 1..=DAYS * 4 + 1,
        };
        let count = runs.len() as u64;
        assert!(expected.contains(&count), "{} {}: {count}", one.cluster, one.kind);
        *started.entry(one.kind).or_default() += count;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let total: u64 = started.values().sum();
    // The test's own name stands at the beginning of this line otherwise.
    println!(
        "\n{}",
        json!({
            "bench": "schedule", "clusters": CLUSTERS, "schedules": fleet.len(), "days": DAYS, "runs": total,
            "seconds": seconds, "limit": 30.0, "pass": seconds < 30.0,
        })
    );
    assert!(seconds < 30.0, "{seconds}");
}

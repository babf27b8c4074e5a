//! What must be there after a life of writing and going back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// A writer in one of its runs.
pub type Writer = (i64, i64);

/// A commit that was acknowledged; those of a writer are numbered from 1.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    pub writer: Writer,
    pub number: i64,
    pub at: DateTime<Utc>,
}

/// A moment, as well as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Moment {
    pub fn at(at: DateTime<Utc>) -> Self {
        Self { from: at, to: at }
    }
}

/// What happened, in order.
enum Event {
    Wrote(Vec<Acknowledged>),
    /// At a time the database became what was found then.
    WentBack(DateTime<Utc>, BTreeMap<Writer, i64>),
}

/// All of it.
#[derive(Default)]
pub struct Ledger(Vec<Event>);

impl Ledger {
    pub fn wrote(&mut self, acknowledged: Vec<Acknowledged>) {
        self.0.push(Event::Wrote(acknowledged));
    }

    /// When the first and the last commit of each run were acknowledged. Between runs the database is being restored, and between the
    /// end of one timeline and the beginning of the next there is nothing to go back to.
    pub fn spans(&self) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let runs = self.0.iter().filter_map(|event| match event {
            Event::Wrote(all) => Some(all),
            Event::WentBack(..) => None,
        });
        runs.map(|all| {
            let times = || all.iter().map(|one| one.at);
            (times().min().unwrap(), times().max().unwrap())
        })
        .collect()
    }

    /// How many commits of each writer had been acknowledged at a time.
    fn at(&self, time: DateTime<Utc>) -> BTreeMap<Writer, i64> {
        let mut counts: BTreeMap<Writer, i64> = BTreeMap::new();
        for event in &self.0 {
            match event {
                Event::Wrote(all) => {
                    for one in all.iter().filter(|one| one.at <= time) {
                        let count = counts.entry(one.writer).or_default();
                        *count = one.number.max(*count);
                    }
                }
                Event::WentBack(at, found) if *at <= time => counts.clone_from(found),
                Event::WentBack(..) => {}
            }
        }
        counts
    }

    /// Checks what is there after going back to a moment: writer, count, least and greatest number. Gives how many commits.
    pub fn is_right(&self, moment: Moment, there: &str) -> i64 {
        let found = read(there);
        let (least, most) = (self.at(moment.from), self.at(moment.to));
        for (writer, count) in &least {
            let there = found.get(writer).copied().unwrap_or_default();
            assert!(
                there >= *count,
                "{writer:?}: {count} were acknowledged before {moment:?}, and {there} are there"
            );
        }
        for (writer, there) in &found {
            // Of the one after those it is not certain that it was acknowledged, and another may be under way.
            let most = most.get(writer).copied().unwrap_or_default() + 2;
            assert!(
                *there <= most,
                "{writer:?}: {there} are there, and {most} at most before {moment:?}"
            );
        }
        found.values().sum()
    }

    /// It has been what is there since before the next run.
    pub fn went_back(&mut self, now: DateTime<Utc>, there: &str) {
        self.0.push(Event::WentBack(now, read(there)));
    }
}

/// Rows of writer, count, least and greatest number: none may be missing in between.
fn read(there: &str) -> BTreeMap<Writer, i64> {
    there
        .lines()
        .map(|line| {
            let numbers: Vec<i64> = line.split('|').map(|number| number.parse().unwrap()).collect();
            let [run, client, count, first, last] = numbers[..] else {
                panic!("{line}")
            };
            assert_eq!(
                (first, last),
                (1, count),
                "commits are missing in between: {line}"
            );
            ((run, client), count)
        })
        .collect()
}

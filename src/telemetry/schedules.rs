//! Metrics of schedules, by cluster, repository and type of backup: the accounts of the status as numbers.

use std::sync::atomic::AtomicU64;

use chrono::TimeDelta;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Cluster, REPOSITORIES, Repository};
use crate::api::schedules::ScheduleStatus;
use crate::api::time;

/// What a schedule can be of.
const KINDS: [&str; 3] = ["full", "differential", "incremental"];
const OUTCOMES: [&str; 3] = ["started", "missed", "skipped"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Schedule {
    #[prometheus(flatten)]
    repository: Repository,
    r#type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Counted {
    #[prometheus(flatten)]
    schedule: Schedule,
    outcome: &'static str,
}

impl Schedule {
    fn with(&self, outcome: &'static str) -> Counted {
        Counted {
            schedule: self.clone(),
            outcome,
        }
    }
}

/// How long there may be no backup by a schedule that is acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// `repo1` to `repo4`.
    pub repo: String,
    /// `full`, `differential` or `incremental`.
    pub kind: &'static str,
    /// The longest time between two of its backups, if all goes well.
    pub longest: TimeDelta,
}

type Moments = Family<Schedule, Gauge<f64, AtomicU64>>;

/// The metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ScheduleMetrics {
    times: Family<Counted, Gauge>,
    next_due: Moments,
    last_success: Moments,
    longest_pause: Moments,
}

impl ScheduleMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "schedule_times",
            "Due times of a schedule, by what became of them",
            self.times.clone(),
        );
        registry.register(
            "schedule_next_due_timestamp_seconds",
            "When the next backup is due",
            self.next_due.clone(),
        );
        registry.register(
            "schedule_last_success_timestamp_seconds",
            "When the last scheduled backup that succeeded ended",
            self.last_success.clone(),
        );
        registry.register(
            "schedule_longest_pause_seconds",
            "The longest time between two backups of a schedule that is acted on",
            self.longest_pause.clone(),
        );
    }

    /// Says what the accounts of a cluster say, and forgets schedules that it has no more.
    pub fn measure(&self, namespace: &str, cluster: &str, schedules: &[ScheduleStatus], pauses: &[Pause]) {
        let cluster = Cluster::new(namespace, cluster);
        for repo in REPOSITORIES {
            for kind in KINDS {
                let labels = Schedule {
                    repository: cluster.repository(repo),
                    r#type: kind,
                };
                match schedules.iter().find(|schedule| schedule.is_of(repo, kind)) {
                    Some(schedule) => self.set(&labels, schedule),
                    None => self.remove(&labels),
                }
                let pause = pauses
                    .iter()
                    .find(|pause| pause.repo == repo && pause.kind == kind);
                let longest = pause.map(|pause| pause.longest.as_seconds_f64());
                set_number(&self.longest_pause, &labels, longest);
            }
        }
    }

    /// Forgets a cluster.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        self.measure(namespace, cluster, &[], &[]);
    }

    /// Forgets all clusters.
    pub fn clear(&self) {
        self.times.clear();
        for moments in [&self.next_due, &self.last_success, &self.longest_pause] {
            moments.clear();
        }
    }

    fn set(&self, labels: &Schedule, schedule: &ScheduleStatus) {
        let counts = [schedule.started, schedule.missed, schedule.skipped];
        for (outcome, count) in OUTCOMES.into_iter().zip(counts) {
            self.times.get_or_create(&labels.with(outcome)).set(count);
        }
        set(&self.next_due, labels, schedule.next_due.as_ref());
        set(&self.last_success, labels, schedule.last_success.as_ref());
    }

    fn remove(&self, labels: &Schedule) {
        for outcome in OUTCOMES {
            self.times.remove(&labels.with(outcome));
        }
        set(&self.next_due, labels, None);
        set(&self.last_success, labels, None);
    }
}

fn set(moments: &Moments, labels: &Schedule, moment: Option<&Time>) {
    #[expect(clippy::cast_precision_loss, reason = "seconds fit for millions of years")]
    let seconds = moment.map(|moment| time::from_kubernetes(moment).timestamp() as f64);
    set_number(moments, labels, seconds);
}

fn set_number(numbers: &Moments, labels: &Schedule, number: Option<f64>) {
    match number {
        Some(number) => {
            numbers.get_or_create(labels).set(number);
        }
        None => {
            numbers.remove(labels);
        }
    }
}

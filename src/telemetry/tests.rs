//! What `deploy/monitoring` and the documents say of metrics and alerts, against what is registered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::archiver::Waiting;
use super::backups::{Backups, Kind, Running, Taken};
use super::labels::Cluster;
use super::metrics::Metrics;
use super::schedules::Pause;
use crate::api::cluster::drills::DrillStatus;
use crate::api::schedules::ScheduleStatus;
use crate::api::{ConditionType, Reason};
use crate::domain::windows::Recovery;
use crate::pgbackrest::repository::DatabaseIdentity;
use crate::survey::{Picture, Requests};

const RULES: &str = include_str!("../../deploy/monitoring/rules.yaml");
const DASHBOARD: &str = include_str!("../../deploy/monitoring/dashboard.json");
const ALERTS: &str = include_str!("../../docs/alerts.md");
const README: &str = include_str!("../../README.md");
const SCHEDULES: &str = include_str!("../../docs/schedules.md");
const TESTS: [&str; 7] = [
    include_str!("../../tests/monitoring/restorable.yaml"),
    include_str!("../../tests/monitoring/backups.yaml"),
    include_str!("../../tests/monitoring/archiving.yaml"),
    include_str!("../../tests/monitoring/standbys.yaml"),
    include_str!("../../tests/monitoring/repositories.yaml"),
    include_str!("../../tests/monitoring/growth.yaml"),
    include_str!("../../tests/monitoring/operator.yaml"),
];

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The text of a leading operator that knows something of everything.
fn text() -> String {
    let metrics = Metrics::default();
    metrics.leading(true);
    metrics.reconciled("backup", Duration::from_millis(3), Some("api-conflict"));
    metrics.not_acted("backup", "RepositoryBusy");
    metrics.queued("backup", 1);
    metrics.catalog().skipped("load", "damaged");
    let cluster = Cluster::new("prod", "shop");
    let waiting = Waiting {
        files: Some(1),
        bytes: Some(1),
        volume_size: Some(1),
        volume_free: Some(1),
        full_at: Some(now()),
    };
    metrics.archiver().measure(&cluster, &waiting);
    let picture = Picture {
        looked_at: now(),
        database: DatabaseIdentity {
            id: 1,
            version: "18".to_owned(),
            system_id: 7,
        },
        backups: vec![],
        recovery: Recovery {
            earliest_restorable_time: Some(now()),
            latest_restorable_time: Some(now()),
            ..Recovery::default()
        },
        archives: vec![],
        branches: std::collections::BTreeMap::default(),
        protections: std::collections::BTreeMap::default(),
        oddities: vec![],
        requests: Requests::default(),
    };
    let repository = cluster.repository("repo1");
    metrics.recovery().readable(&repository, true);
    metrics
        .recovery()
        .measure(&repository, &picture, Some(TimeDelta::zero()));
    let schedule = ScheduleStatus {
        repo: "repo1".to_owned(),
        kind: "full".to_owned(),
        next_due: Some(crate::api::time::to_kubernetes(now())),
        last_success: Some(crate::api::time::to_kubernetes(now())),
        ..ScheduleStatus::default()
    };
    let pause = Pause {
        repo: "repo1".to_owned(),
        kind: "full",
        longest: TimeDelta::days(1),
    };
    metrics.schedules().measure("prod", "shop", &[schedule], &[pause]);
    let proven = DrillStatus {
        name: "weekly".to_owned(),
        last_result: Some("Proven".to_owned()),
        last_proven: Some(crate::api::time::to_kubernetes(now())),
        total_seconds: Some(40),
        ..DrillStatus::default()
    };
    metrics.drills().measure("prod", "shop", &[&proven]);
    metrics.backups().measure(&cluster, &[("repo1", backups())]);
    let conditions = json!([
        { "type": "Ready", "status": "True", "reason": "AsSpecified", "message": "", "lastTransitionTime": now() },
        { "type": "RepositoryReady-repo1", "status": "False", "reason": "StoreFull", "message": "",
            "lastTransitionTime": now() },
        { "type": "WALContinuous", "status": "Unknown", "reason": "InProgress", "message": "",
            "lastTransitionTime": now() },
    ]);
    let conditions: Vec<_> = serde_json::from_value(conditions).unwrap();
    let objective = Some(TimeDelta::minutes(5));
    metrics.clusters().measure(&cluster, &conditions, objective);
    metrics.text()
}

fn backups() -> Backups {
    let full = Kind {
        taken: Some(Taken {
            ended: now(),
            took: TimeDelta::seconds(20),
            database: 1000,
            copied: 300,
            stored: 30,
        }),
        succeeded: Some(false),
        failures: 2,
        failed: Some(now()),
        running: Some(Running {
            since: Some(now()),
            copied: Some(3),
            total: Some(9),
        }),
    };
    Backups {
        kinds: [full, Kind::default(), Kind::default()],
        running: 1,
        ..Backups::default()
    }
}

#[test]
fn the_last_backup_is_told_with_its_time_duration_sizes_and_rate() {
    let text = text();
    for line in [
        "holdfast_last_backup_timestamp_seconds{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 1800000000.0",
        "holdfast_last_backup_duration_seconds{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 20.0",
        "holdfast_last_backup_database_bytes{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 1000.0",
        "holdfast_last_backup_copied_bytes{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 300.0",
        "holdfast_last_backup_stored_bytes{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 30.0",
        "holdfast_last_backup_bytes_per_second{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 15.0",
        "holdfast_last_backup_succeeded{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 0.0",
        "holdfast_backup_failures{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 2.0",
        "holdfast_backup_failures{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"incr\"} 0.0",
        "holdfast_unfinished_backups{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",state=\"running\"} 1",
        "holdfast_repository_retention_set{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\"} 0",
        "holdfast_schedule_longest_pause_seconds{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"full\"} 86400.0",
        "holdfast_condition{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",condition=\"RepositoryReady\",reason=\"StoreFull\"} 0",
        "holdfast_condition{namespace=\"prod\",cluster=\"shop\",repo=\"\",condition=\"Ready\",reason=\"AsSpecified\"} 1",
        "holdfast_recovery_point_objective_seconds{namespace=\"prod\",cluster=\"shop\"} 300.0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains(
        "last_backup_timestamp_seconds{namespace=\"prod\",cluster=\"shop\",repo=\"repo1\",type=\"incr\""
    ));
    assert!(!text.contains("condition=\"WALContinuous\""), "it cannot be told");
}

#[test]
fn a_cluster_that_is_gone_leaves_no_sample() {
    let metrics = Metrics::default();
    metrics.leading(true);
    let cluster = Cluster::new("prod", "shop");
    let ready = json!([{ "type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": now() }]);
    let ready: Vec<_> = serde_json::from_value(ready).unwrap();
    metrics.backups().measure(&cluster, &[("repo1", backups())]);
    metrics
        .clusters()
        .measure(&cluster, &ready, Some(TimeDelta::minutes(5)));
    assert!(metrics.text().contains("cluster=\"shop\""));
    metrics.backups().forget(&cluster);
    metrics.clusters().forget(&cluster);
    assert!(!metrics.text().contains("cluster=\"shop\""), "{}", metrics.text());
}

#[test]
fn a_condition_has_one_reason_at_a_time() {
    let metrics = Metrics::default();
    metrics.leading(true);
    let cluster = Cluster::new("prod", "shop");
    for reason in ["StoreFull", "CredentialsRefused"] {
        let conditions = json!([
            { "type": "ArchivingHealthy", "status": "False", "reason": reason, "message": "", "lastTransitionTime": now() },
        ]);
        let conditions: Vec<_> = serde_json::from_value(conditions).unwrap();
        metrics.clusters().measure(&cluster, &conditions, None);
    }
    let text = metrics.text();
    assert!(
        text.contains("CredentialsRefused") && !text.contains("StoreFull"),
        "{text}"
    );
}

/// Names of samples, by what is registered, with the labels that their samples have here.
fn registered() -> BTreeMap<String, BTreeSet<String>> {
    let text = text();
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        for end in ends {
            let sample = format!("{name}{end}");
            let labels = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{sample}{{")));
            let labels = labels.map(|labels| labels.split(',').filter_map(|one| one.split_once("=\"")));
            let labels = labels
                .into_iter()
                .flatten()
                .map(|(label, _)| label.to_owned())
                .collect();
            names.insert(sample, labels);
        }
    }
    names
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let ends = |c: char| !(c.is_ascii_lowercase() || c == '_');
    let places = text.match_indices("holdfast_").map(|(place, _)| &text[place..]);
    places
        .map(|rest| &rest[..rest.find(ends).unwrap_or(rest.len())])
        .collect()
}

/// Every expression of the rules and the dashboard.
fn expressions() -> Vec<String> {
    fn gather(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(expression)) = fields.get("expr") {
                    found.push(expression.clone());
                }
                fields.values().for_each(|value| gather(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| gather(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    gather(&serde_saphyr::from_str(RULES).unwrap(), &mut found);
    gather(&serde_json::from_str(DASHBOARD).unwrap(), &mut found);
    assert!(found.len() > 50, "{}", found.len());
    found
}

#[test]
fn rules_dashboard_and_documents_name_metrics_that_the_operator_has() {
    let registered = registered();
    for text in [RULES, DASHBOARD] {
        for name in named(text) {
            assert!(
                registered.contains_key(name),
                "{name} is no metric of the operator"
            );
        }
    }
    // To people a histogram is one metric.
    let is_told =
        |name: &str| registered.contains_key(name) || registered.contains_key(&format!("{name}_bucket"));
    for text in [ALERTS, README, SCHEDULES] {
        let named = named(text);
        assert!(!named.is_empty());
        for name in named {
            assert!(is_told(name), "{name} is no metric of the operator");
        }
    }
}

#[test]
fn every_metric_is_in_the_readme() {
    let named = named(README);
    for name in registered().keys() {
        let whole = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let name = whole.unwrap_or(name);
        assert!(named.contains(name), "{name} is not in README.md");
    }
}

#[test]
fn expressions_choose_by_labels_conditions_and_reasons_that_there_are() {
    let registered = registered();
    let conditions: Vec<&str> = ConditionType::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut chosen = 0;
    for expression in expressions() {
        for (name, rest) in expression.match_indices("holdfast_").map(|(place, _)| {
            let rest = &expression[place..];
            let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
            rest.split_at(end.unwrap_or(rest.len()))
        }) {
            let Some(matchers) = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
                continue;
            };
            for matcher in matchers.split(", ") {
                let end = matcher.find(['=', '!']).unwrap();
                let (label, value) = matcher.split_at(end);
                assert!(registered[name].contains(label), "{name} has no label {label}");
                let words = value
                    .trim_start_matches(['=', '!', '~'])
                    .trim_matches('"')
                    .split('|');
                for word in words.filter(|word| !word.is_empty() && !word.starts_with('$')) {
                    chosen += 1;
                    let known = match label {
                        "condition" => conditions.contains(&word),
                        "reason" => Reason::from_word(word).is_some(),
                        "state" | "outcome" => text().contains(&format!("{label}=\"{word}\"")),
                        _ => false,
                    };
                    assert!(known, "{name}: {label} is never {word}");
                }
            }
        }
    }
    assert!(chosen > 10, "{chosen}");
}

/// The alerts by name.
fn alerts() -> BTreeMap<String, Value> {
    let rules: Value = serde_saphyr::from_str(RULES).unwrap();
    let groups = rules["spec"]["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let alerts: BTreeMap<String, Value> = rules
        .map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule.clone()))
        .collect();
    assert!(alerts.len() > 15);
    alerts
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    for (name, rule) in alerts() {
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let annotation = |key: &str| {
            rule["annotations"][key]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {key}"))
        };
        assert!(!annotation("summary").is_empty());
        assert!(annotation("description").len() > 150, "{name}");
        assert_eq!(
            annotation("runbook"),
            format!("docs/alerts.md#{}", name.to_lowercase())
        );
    }
}

#[test]
fn every_alert_has_a_section_that_explains_it_and_every_section_an_alert() {
    let sections: BTreeMap<&str, &str> = ALERTS
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .filter(|(title, _)| title.starts_with("Holdfast"))
        .collect();
    let alerts = alerts();
    let names: BTreeSet<&str> = alerts.keys().map(String::as_str).collect();
    assert_eq!(sections.keys().copied().collect::<BTreeSet<_>>(), names);
    for (name, section) in sections {
        for part in ["**Meaning.** ", "**Look.** ", "**Ways out.** "] {
            assert!(section.contains(part), "{name}: {part}");
        }
    }
    for link in ALERTS
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        assert!(names.iter().any(|name| name.to_lowercase() == link), "{link}");
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to_fire() {
    let mut fires = BTreeSet::new();
    let mut rests = BTreeSet::new();
    for file in TESTS {
        let file: Value = serde_saphyr::from_str(file).unwrap();
        for test in file["tests"].as_array().unwrap() {
            for case in test["alert_rule_test"].as_array().unwrap() {
                let name = case["alertname"].as_str().unwrap().to_owned();
                let expected = case["exp_alerts"]
                    .as_array()
                    .is_some_and(|alerts| !alerts.is_empty());
                if expected {
                    fires.insert(name)
                } else {
                    rests.insert(name)
                };
            }
        }
    }
    let names: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(fires, names);
    assert_eq!(rests, names);
}

#[test]
fn the_pod_monitor_finds_the_operators_pods_and_keeps_their_labels() {
    let monitor: Value =
        serde_saphyr::from_str(include_str!("../../deploy/monitoring/pod-monitor.yaml")).unwrap();
    let operator: Value = serde_saphyr::from_str(include_str!("../../deploy/base/deployment.yaml")).unwrap();
    let template = &operator["spec"]["template"];
    let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    for (label, value) in wanted {
        assert_eq!(&template["metadata"]["labels"][label], value);
    }
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let ports = template["spec"]["containers"][0]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| port["name"] == endpoint["port"]));
    assert_eq!(endpoint["honorLabels"], true);
    assert!(!wanted.is_empty());
}

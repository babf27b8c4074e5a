//! What a restore asks for, as it was understood: the proof that it can be.

use chrono::{DateTime, Utc};

use crate::api::restore::RestoreTarget;
use crate::api::{PerconaPGRestoreSpec, Reason, time};
use crate::domain::label::Label;
use crate::domain::restore::{RestoreOptions, Stop, Target, TargetError, Timeline};

/// Why a restore is not done. Others than the person who asked are not affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Public word.
    pub reason: Reason,
    /// What it is about in particular.
    pub what: String,
}

impl Refused {
    /// For this reason.
    pub fn new(reason: Reason, what: impl Into<String>) -> Self {
        Self {
            reason,
            what: what.into(),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The repository, where one is named.
    pub repository: Option<String>,
    /// The repository is read as it stood then.
    pub repository_time: Option<DateTime<Utc>>,
    /// Where it stops.
    pub target: Target,
    /// The backup, where one is named.
    pub set: Option<Label>,
    /// What else pgBackRest is given.
    pub arguments: Vec<String>,
}

impl Wanted {
    /// Checks a specification.
    pub fn of(spec: &PerconaPGRestoreSpec) -> Result<Self, Refused> {
        if spec.volume_snapshot_backup_name.is_some() {
            let what = "Restores from volume snapshots are not built yet";
            return Err(Refused::new(Reason::NotSupported, what));
        }
        let options = RestoreOptions::parse(&spec.options)
            .map_err(|error| Refused::new(Reason::InvalidOptions, format!("The {error}")))?;
        let target = match &spec.target {
            None => options.target,
            Some(target) => typed(target).map_err(|error| {
                Refused::new(Reason::InvalidSpecification, format!("In spec.target, {error}"))
            })?,
        };
        Ok(Self {
            repository: spec.repo_name.clone().filter(|name| !name.is_empty()),
            repository_time: spec.repository_time.as_ref().map(time::from_kubernetes),
            target,
            set: options.set,
            arguments: options.arguments,
        })
    }
}

fn typed(target: &RestoreTarget) -> Result<Target, TargetError> {
    let given = [
        ("time", &target.time),
        ("lsn", &target.lsn),
        ("xid", &target.xid),
        ("name", &target.name),
    ];
    let mut stops = given
        .into_iter()
        .filter_map(|(kind, value)| Some((kind, value.as_deref()?)));
    let (kind, value) = match stops.next() {
        Some(stop) => stop,
        None if target.immediate == Some(true) => ("immediate", ""),
        None => ("default", ""),
    };
    let timeline = match (target.previous, &target.timeline) {
        (Some(true), _) => Some(Timeline::Left),
        (_, named) => named.as_deref().map(Timeline::read).transpose()?,
    };
    Ok(Target {
        // The kinds above are all known.
        stop: Stop::read(kind, value)?.unwrap_or(Stop::Latest),
        exclusive: target.exclusive.unwrap_or(false),
        timeline: timeline.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn wanted(spec: &Value) -> Result<Wanted, Refused> {
        let mut whole = json!({"pgCluster": "c"});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        Wanted::of(&serde_json::from_value(whole).unwrap())
    }

    #[rstest]
    #[case(json!({}), "the latest that can be reached")]
    #[case(json!({"target": {"time": "2026-11-22 15:12:11+01"}}), "2026-11-22 14:12:11 UTC")]
    #[case(
        json!({"target": {"time": "2026-11-22T15:12:11Z", "exclusive": true, "timeline": "3"}}),
        "just before 2026-11-22 15:12:11 UTC on timeline 3"
    )]
    #[case(json!({"target": {"lsn": "0/5000028"}}), "position 0/5000028")]
    #[case(json!({"target": {"xid": "731"}}), "transaction 731")]
    #[case(json!({"target": {"name": "before"}}), "restore point 'before'")]
    #[case(json!({"target": {"immediate": true}}), "the end of the backup")]
    #[case(json!({"target": {"previous": true}}), "the latest that can be reached on the timeline that was left last")]
    #[case(json!({"target": {"timeline": "latest"}}), "the latest that can be reached on the newest timeline")]
    #[case(json!({"options": ["--type=time", "--target=\"2022-11-30 15:12:11+03\""]}), "2022-11-30 12:12:11 UTC")]
    fn a_target_is_understood_whichever_way_it_is_written(#[case] spec: Value, #[case] understood: &str) {
        assert_eq!(wanted(&spec).unwrap().target.to_string(), understood);
    }

    #[rstest]
    #[case(json!({"target": {"time": "noon"}}), Reason::InvalidSpecification)]
    #[case(json!({"target": {"xid": "2"}}), Reason::InvalidSpecification)]
    #[case(json!({"options": ["--repo=2"]}), Reason::InvalidOptions)]
    #[case(json!({"volumeSnapshotBackupName": "b"}), Reason::NotSupported)]
    fn what_cannot_be_understood_is_refused_with_the_reason(#[case] spec: Value, #[case] reason: Reason) {
        assert_eq!(wanted(&spec).unwrap_err().reason, reason);
    }
}

//! Which backups the repository holds, and whether those that are to go may go together.

use std::collections::BTreeSet;

use crate::pgbackrest::info::{Backup, Info};

/// What is to be done about labels that are to go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Plan {
    /// These in this order; what depends on one of them goes with it.
    Expire(Vec<String>),
    /// Not one, since backups would go that were not meant to: each with the one it depends on.
    Refuse(Vec<(String, String)>),
}

/// Plans. Labels that the repository does not hold are gone already.
#[must_use]
pub fn plan(info: &Info, labels: &[String]) -> Plan {
    let wanted: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
    let backups = || info.stanzas.iter().flat_map(|stanza| &stanza.backup);
    let depends = |backup: &Backup| {
        let needs = backup.reference.iter().flatten().chain(&backup.prior);
        needs
            .map(String::as_str)
            .find(|label| wanted.contains(label))
            .map(str::to_owned)
    };
    let others = backups()
        .filter(|backup| !wanted.contains(backup.label.as_str()))
        .filter_map(|backup| Some((backup.label.clone(), depends(backup)?)));
    let others: Vec<(String, String)> = others.collect();
    if !others.is_empty() {
        return Plan::Refuse(others);
    }
    let roots = backups()
        .filter(|backup| wanted.contains(backup.label.as_str()) && depends(backup).is_none())
        .map(|backup| backup.label.clone());
    Plan::Expire(roots.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> Info {
        Info::parse(
            br#"[{"name":"db","backup":[
            {"label":"F1","type":"full","prior":null,"reference":null},
            {"label":"D1","type":"diff","prior":"F1","reference":["F1"]},
            {"label":"I1","type":"incr","prior":"D1","reference":["F1","D1"]},
            {"label":"I2","type":"incr","prior":"I1","reference":["F1"]},
            {"label":"F2","type":"full"}]}]"#,
        )
        .unwrap()
    }

    fn labels(all: &[&str]) -> Vec<String> {
        all.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn a_chain_goes_by_its_first_backup() {
        assert_eq!(
            plan(&info(), &labels(&["F1", "D1", "I1", "I2"])),
            Plan::Expire(labels(&["F1"]))
        );
        assert_eq!(
            plan(&info(), &labels(&["I1", "I2", "F2"])),
            Plan::Expire(labels(&["I1", "F2"]))
        );
    }

    #[test]
    fn what_nobody_meant_to_go_stops_it_all() {
        let refused = plan(&info(), &labels(&["F2", "D1", "I1"]));
        assert_eq!(refused, Plan::Refuse(vec![("I2".to_owned(), "I1".to_owned())]));
    }

    #[test]
    fn what_is_gone_already_is_no_matter() {
        assert_eq!(plan(&info(), &labels(&["F0"])), Plan::Expire(Vec::new()));
        assert_eq!(plan(&Info::default(), &labels(&["F0"])), Plan::Expire(Vec::new()));
    }
}

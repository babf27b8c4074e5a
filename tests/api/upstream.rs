//! Our definitions against upstream's: not only the fields, also defaults, enumerations, patterns, bounds, keyed
//! lists, required fields, rules, short names and columns. Upstream's are data outside this repository
//! (`../shared/compat`); without them this is skipped, and says so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast::api::crds;
use serde_json::Value;

/// Where ours differ on purpose: a path ending, the keyword, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        ".conditions",
        "x-kubernetes-list-type",
        "keyed by type: two writers must not overwrite each other",
    ),
    (".conditions", "x-kubernetes-list-map-keys", "as above"),
    (".differential", "maxLength", "bounds the cost of the cron rule"),
    (".full", "maxLength", "bounds the cost of the cron rule"),
    (".incremental", "maxLength", "bounds the cost of the cron rule"),
    (
        ".volumeSnapshots.schedule",
        "maxLength",
        "bounds the cost of the cron rule",
    ),
    (
        ".containerOptions.env",
        "maxItems",
        "bounds the cost of the rule that the specification is fixed",
    ),
    (
        ".containerOptions.envFrom",
        "maxItems",
        "bounds the cost of the rule that the specification is fixed",
    ),
    (".options", "maxItems", "bounds the cost of the rules on options"),
    (
        ".options[]",
        "maxLength",
        "bounds the cost of the rules on options",
    ),
    (
        ".spec.instances",
        "maxItems",
        "bounds the cost of the rule on names",
    ),
    (
        ".spec.instances[].name",
        "maxLength",
        "bounds the cost of the rule on names",
    ),
    (
        ".spec.logicalReplicas",
        "maxItems",
        "bounds the cost of the rule on names",
    ),
    (".repos", "maxItems", "names and their pattern allow four"),
    (".repos[].name", "maxLength", "the pattern allows five characters"),
    (".repo.name", "maxLength", "the pattern allows five characters"),
    (".repo", "maxLength", "the pattern allows five characters"),
    (".spec.postgresVersion", "format", "12 to 18 fit"),
    (".status.postgres.version", "format", "a major version fits"),
];

/// Upstream's rules that ours say differently: the rule, and why.
const RULES: &[(&str, &str)] = &[
    (
        "(has(self.enabled) && self.enabled == false) || (has(self.pgbackrest.repos) && size(self.pgbackrest.repos) > 0)",
        "without pgbackrest it fails with \"no such key\" instead of its message",
    ),
    (
        "((has(self.repoName) && self.repoName != \"\") || (has(self.volumeSnapshotBackupName) && self.volumeSnapshotBackupName != \"\"))",
        "a restore that names no repository takes the one that serves its target best",
    ),
];

/// Columns that upstream does not have.
const COLUMNS: &[(&str, &[&str])] = &[
    ("perconapgbackups", &["Progress", "Origin"]),
    ("perconapgrestores", &["Progress", "Target", "Backup", "Repo"]),
];

/// Keywords that say something about documentation or are said in another way.
const IGNORED: &[&str] = &[
    "description",
    "properties",
    "items",
    "additionalProperties",
    "anyOf",
    "required",
    "x-kubernetes-validations",
];

#[test]
fn nothing_of_upstreams_schemas_is_missing_or_different() {
    let Some(upstream) = upstream() else { return };
    let mut found = Vec::new();
    for (plural, definition) in ours() {
        for version in 0..2 {
            let mine = &definition["spec"]["versions"][version]["schema"]["openAPIV3Schema"];
            let theirs = &upstream[&plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            compare(theirs, mine, &plural, &mut found);
        }
    }
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn names_scope_and_columns_are_upstreams() {
    let Some(upstream) = upstream() else { return };
    for (plural, mine) in ours() {
        let theirs = &upstream[&plural];
        for field in ["kind", "plural", "singular", "shortNames"] {
            assert_eq!(
                mine["spec"]["names"][field], theirs["spec"]["names"][field],
                "{plural} {field}"
            );
        }
        assert_eq!(mine["spec"]["scope"], theirs["spec"]["scope"], "{plural}");
        let additional = COLUMNS.iter().find(|(of, _)| *of == plural);
        let additional = additional.map_or(&[][..], |(_, names)| *names);
        let columns = |definition: &Value| -> Vec<[String; 3]> {
            definition["spec"]["versions"][0]["additionalPrinterColumns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| {
                    ["name", "type", "jsonPath"].map(|field| column[field].as_str().unwrap().to_owned())
                })
                .filter(|column| !additional.contains(&column[0].as_str()))
                .collect()
        };
        assert_eq!(columns(&mine), columns(theirs), "{plural}");
    }
}

fn compare(theirs: &Value, mine: &Value, path: &str, found: &mut Vec<String>) {
    let mut differ = |keyword: &str, upstream: &Value, here: &Value| {
        if !DIFFERENCES
            .iter()
            .any(|(end, word, _)| path.ends_with(end) && *word == keyword)
        {
            found.push(format!("{path}: {keyword} is {upstream} upstream, {here} here"));
        }
    };
    let keywords = theirs
        .as_object()
        .unwrap()
        .keys()
        .chain(mine.as_object().unwrap().keys());
    for keyword in keywords.filter(|keyword| !IGNORED.contains(&keyword.as_str())) {
        let (upstream, here) = (&theirs[keyword.as_str()], &mine[keyword.as_str()]);
        // A list that says nothing of its type is atomic.
        let is_atomic_list = keyword == "x-kubernetes-list-type" && upstream == "atomic" && here.is_null();
        if !same(upstream, here) && !is_atomic_list {
            differ(keyword, upstream, here);
        }
    }
    for name in mine["required"].as_array().into_iter().flatten() {
        if !theirs["required"]
            .as_array()
            .is_some_and(|names| names.contains(name))
        {
            differ("required", &theirs["required"], name);
        }
    }
    for name in theirs["required"].as_array().into_iter().flatten() {
        let is_defaulted = !mine["properties"][name.as_str().unwrap()]["default"].is_null();
        if !is_defaulted
            && !mine["required"]
                .as_array()
                .is_some_and(|names| names.contains(name))
        {
            differ("required", name, &mine["required"]);
        }
    }
    for rule in theirs["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let is_here = mine["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|own| {
                own["rule"] == rule["rule"]
                    && (rule["message"].is_null() || own["message"] == rule["message"])
            });
        if !is_here && !RULES.iter().any(|(known, _)| rule["rule"] == *known) {
            differ("rule", rule, &Value::Null);
        }
    }
    for (name, property) in theirs["properties"].as_object().into_iter().flatten() {
        match mine["properties"].get(name) {
            Some(own) => compare(property, own, &format!("{path}.{name}"), found),
            None => found.push(format!("{path}.{name}: absent")),
        }
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        match (&theirs[keyword], &mine[keyword]) {
            (Value::Object(_), Value::Object(_)) => {
                compare(&theirs[keyword], &mine[keyword], &format!("{path}{mark}"), found);
            }
            (Value::Null, Value::Null) => {}
            (upstream, here) => found.push(format!("{path}{mark}: {upstream} upstream, {here} here")),
        }
    }
}

/// Bounds are floating-point numbers in the generated types: 1024 and 1024.0 are the same.
fn same(upstream: &Value, here: &Value) -> bool {
    upstream == here || (upstream.is_number() && upstream.as_f64() == here.as_f64())
}

fn ours() -> Vec<(String, Value)> {
    crds::all()
        .unwrap()
        .into_iter()
        .map(|(name, definition)| (name.to_owned(), serde_json::to_value(definition).unwrap()))
        .collect()
}

/// Where facts about upstream are kept: beside the checkout, or where `HOLDFAST_SHARED` says.
pub fn shared() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("HOLDFAST_SHARED").map_or(beside, PathBuf::from)
}

/// Upstream's definitions by plural name, when they are there.
fn upstream() -> Option<BTreeMap<String, Value>> {
    let root =
        std::env::var_os("HOLDFAST_ROOT").map_or(PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let path = root.join("../shared/compat/upstream-crd.yaml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let documents = text
        .split("\n---\n")
        .filter(|document| document.contains("group: pgv2.percona.com\n"));
    let definitions = documents.map(|document| {
        let definition: Value = serde_saphyr::from_str(document).unwrap();
        (
            definition["spec"]["names"]["plural"].as_str().unwrap().to_owned(),
            definition,
        )
    });
    Some(definitions.collect())
}

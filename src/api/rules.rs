//! Validation rules that several resources share, with the messages that users see.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of a document that the user writes freely.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A rule and its message.
pub(super) fn rule(rule: &str, message: &str) -> Rule {
    Rule::new(rule).message(message)
}

/// Services are named after the cluster, and a Service's name is a DNS label that starts with a letter.
pub(super) fn cluster_name() -> Rule {
    Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "a cluster's name has lower-case letters, digits and '-', starts with a letter and ends with a letter or digit: \
         its Services are named after it",
    )
}

/// `StatefulSet`s are named `<cluster>-<set>-<4 characters>`, and 11 more characters go into a label of at most 63.
pub(super) fn cluster_name_length() -> Rule {
    Rule::new("self.spec.instances.all(i, size(self.metadata.name) + (size(i.name) > 0 ? size(i.name) : 2) <= 46)").message(
        "the cluster's name and the name of an instance set may have 46 characters together: Pods and their labels are \
         named after both",
    )
}

/// WAL that reaches no repository is kept nowhere but on the primary.
pub(super) fn archiving_goes_on() -> Rule {
    Rule::new(
        "!has(self.pgbackrest) || !has(self.pgbackrest.repos) || size(self.pgbackrest.repos) == 0 || \
         self.pgbackrest.repos.exists(repo, !has(repo.suspendArchiving) || !repo.suspendArchiving)",
    )
    .message(
        "archiving cannot be suspended to every repository: WAL would be nowhere but on the primary's volume",
    )
}

/// A field of the specification that may be absent keeps its value, or stays absent.
fn kept(field: &str) -> String {
    format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    )
}

/// A backup asks for the same thing from its creation to its end.
pub(super) fn backup_is_fixed() -> Rule {
    let optional = ["repoName", "options", "containerOptions"].map(kept).join(" && ");
    Rule::new(format!("self.pgCluster == oldSelf.pgCluster && self.method == oldSelf.method && {optional}")).message(
        "the specification of a backup cannot be changed, except startingDeadlineSeconds, deletionPolicy and pinned: create another \
         PerconaPGBackup",
    )
}

/// A restore asks for the same thing from its creation to its end.
pub(super) fn restore_is_fixed() -> Rule {
    let optional = [
        "options",
        "containerOptions",
        "target",
        "dryRun",
        "previousData",
        "deadlineSeconds",
        "supersede",
        "bootstrap",
        "drill",
    ]
    .map(kept)
    .join(" && ");
    let stay = "has(self.repoName) == has(oldSelf.repoName) && \
                has(self.volumeSnapshotBackupName) == has(oldSelf.volumeSnapshotBackupName)";
    Rule::new(format!("{optional} && {stay}"))
        .message("the specification of a restore cannot be changed: create another PerconaPGRestore")
}

/// Of two places that say where to stop, one would be overlooked.
pub(super) fn one_target() -> Rule {
    Rule::new(format!(
        "!has(self.target) || !has(self.options) || !self.options.join(' ').matches(r'{}')",
        option(r"(type|target|target-exclusive|target-timeline)")
    ))
    .message("where to stop is said by spec.target or by --type and --target among spec.options, not by both")
}

/// Options that pgBackRest gets from us and that would point it elsewhere.
///
/// Options are split as a shell would; here they are joined and looked at as one line, quotes allowed.
pub(super) fn backup_options() -> Rule {
    Rule::new(format!(
        "!self.join(' ').matches(r'{}')",
        option(r"(repo|stanza|pg[0-9]*(-[a-z0-9-]+)?)") + r"|" + &annotation(r"percona\.com/")
    ))
    .message(
        "--repo, --stanza, --pg… and annotations under percona.com/ are set by the operator: the repository is \
         spec.repoName, the rest comes from the cluster",
    )
}

/// Options that a restore gets from us and that would point it elsewhere or promote too early.
pub(super) fn restore_options() -> Rule {
    Rule::new(format!(
        "!self.join(' ').matches(r'{}')",
        option(r"(repo|stanza|pg[0-9]*(-[a-z0-9-]+)?|target-action|link-map)")
    ))
    .message(
        "--repo, --stanza, --pg…, --target-action and --link-map are set by the operator: the repository is repoName, \
         the rest comes from the cluster",
    )
}

/// A type of recovery that pgBackRest knows.
pub(super) fn restore_type() -> Rule {
    let known = option_value(
        "type",
        "(default|immediate|lsn|name|none|preserve|standby|time|xid)",
    );
    Rule::new(format!(
        "!self.join(' ').matches(r'{}') || self.join(' ').matches(r'{known}')",
        option("type")
    ))
    .message("--type is one of default, immediate, lsn, name, none, preserve, standby, time and xid")
}

/// A target and the type that says how to read it come together.
pub(super) fn restore_target() -> Rule {
    let typed = option_value("type", "(lsn|name|time|xid)");
    Rule::new(format!(
        "self.join(' ').matches(r'{}') == self.join(' ').matches(r'{typed}')",
        option("target")
    ))
    .message("--target and --type=time, lsn, xid or name come together: one says where to stop, the other how to read it")
}

/// Only these targets have a before and an after.
pub(super) fn restore_exclusive() -> Rule {
    let typed = option_value("type", "(lsn|time|xid)");
    Rule::new(format!(
        "!self.join(' ').matches(r'{}') || self.join(' ').matches(r'{typed}')",
        option("target-exclusive")
    ))
    .message("--target-exclusive has a meaning with --type=time, lsn or xid only")
}

/// Matches a use of the option, with or without a value, quotes allowed.
fn option(name: &str) -> String {
    format!(r"(^|\s)[\x22\x27]*--{name}[\x22\x27]*([=\s]|$)")
}

/// Matches a use of the option with such a value.
fn option_value(name: &str, value: &str) -> String {
    format!(r"(^|\s)[\x22\x27]*--{name}[\x22\x27]*[=\s][\x22\x27\s]*{value}[\x22\x27]*(\s|$)")
}

/// Matches an annotation whose key starts so.
fn annotation(key: &str) -> String {
    format!(r"(^|\s)[\x22\x27]*--annotation[\x22\x27]*[=\s][\x22\x27\s]*{key}")
}

/// Key of a list of conditions.
pub(super) fn by_type() -> Vec<String> {
    vec!["type".to_owned()]
}

/// Key of the list of schedules.
pub(super) fn by_repo_and_type() -> Vec<String> {
    vec!["repo".to_owned(), "type".to_owned()]
}

/// Key of a list whose items have a name.
pub(super) fn by_name() -> Vec<String> {
    vec!["name".to_owned()]
}

/// A cron expression of five fields, or a word for one, with an optional zone before it.
pub(super) fn cron() -> Rule {
    let minute = r"([0-5]?[0-9])";
    let hour = r"([01]?[0-9]|2[0-3])";
    let day = r"(0?[1-9]|[12][0-9]|3[01])";
    let month = r"(0?[1-9]|1[0-2]|[Jj][Aa][Nn]|[Ff][Ee][Bb]|[Mm][Aa][RrYy]|[Aa][Pp][Rr]|[Jj][Uu][NnLl]|[Aa][Uu][Gg]|[Ss][Ee][Pp]|[Oo][Cc][Tt]|[Nn][Oo][Vv]|[Dd][Ee][Cc])";
    let weekday =
        r"([0-7]|[Ss][Uu][Nn]|[Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt])";
    let field = |value: &str, any: &str| {
        let item = format!(r"({any}|{value}(-{value})?)(/[1-9][0-9]*)?");
        format!(r"{item}(,{item})*")
    };
    let expression = [
        field(minute, r"\*"),
        field(hour, r"\*"),
        field(day, r"[*?]"),
        field(month, r"\*"),
        field(weekday, r"[*?]"),
    ]
    .join(r"\s+");
    let pattern = format!(
        r"^\s*((CRON_TZ|TZ)=[A-Za-z0-9_+/-]+\s+)?(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{expression})\s*$"
    );
    // A raw CEL string: backslashes in it mean themselves.
    Rule::new(format!("self.matches(r'{pattern}')")).message(
        "not a schedule: write five cron fields (minute hour day-of-month month day-of-week, for example \"0 1 * * 0\") or one of \
         @hourly @daily @midnight @weekly @monthly @yearly @annually, with CRON_TZ=Zone before it for a time zone other than UTC",
    )
}

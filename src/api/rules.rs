//! Validation rules that several resources share, with the messages that users see.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// Schema of a document that the user writes freely.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A rule on `spec.config.parameters`.
pub(super) fn parameter(rule: &str, message: &str) -> Rule {
    Rule::new(rule).message(message)
}

/// Key of a list of conditions.
pub(super) fn by_type() -> Vec<String> {
    vec!["type".to_owned()]
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

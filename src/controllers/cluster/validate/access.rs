//! `authentication.rules` as lines of `pg_hba.conf`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Refusal;
use crate::api::cluster::access::AuthenticationRule;
use crate::api::{PerconaPGClusterSpec, Reason};

/// The user's rules in order. With `tlsOnly` what would also match unencrypted connections matches encrypted ones only.
pub fn lines(spec: &PerconaPGClusterSpec) -> Result<Vec<String>, Refusal> {
    let rules = spec
        .authentication
        .as_ref()
        .map(|authentication| authentication.rules.as_slice())
        .unwrap_or_default();
    let tls_only = spec.tls_only.unwrap_or(false);
    rules
        .iter()
        .map(|rule| {
            let line = rule
                .hba
                .clone()
                .filter(|line| !line.is_empty())
                .unwrap_or_else(|| structured(rule));
            if line.contains(['\n', '\r']) {
                return Err(Refusal::new(
                    Reason::InvalidSpecification,
                    "authentication.rules: a rule is one line",
                ));
            }
            Ok(if tls_only { encrypted(&line) } else { line })
        })
        .collect()
}

fn structured(rule: &AuthenticationRule) -> String {
    let list = |names: &[String]| {
        if names.is_empty() {
            "all".to_owned()
        } else {
            names
                .iter()
                .map(|name| quoted(name))
                .collect::<Vec<_>>()
                .join(",")
        }
    };
    let mut words = vec![rule.connection.clone(), list(&rule.databases), list(&rule.users)];
    if rule.connection != "local" {
        words.push("all".to_owned());
    }
    words.push(rule.method.clone());
    for (key, value) in &rule.options {
        let value = match value {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => text.clone(),
        };
        words.push(format!("{key}={}", quoted(&value)));
    }
    words.join(" ")
}

/// Quoted, a name such as `replication` or `all` is only a name.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn encrypted(line: &str) -> String {
    match line.trim_start().split_once(char::is_whitespace) {
        Some(("host" | "hostnossl", rest)) => format!("hostssl {}", rest.trim_start()),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{encrypted, structured};
    use crate::api::cluster::access::AuthenticationRule;

    #[test]
    fn a_structured_rule_becomes_a_line_with_quoted_names() {
        let rule = AuthenticationRule {
            connection: "hostssl".to_owned(),
            method: "ldap".to_owned(),
            users: vec!["all".to_owned(), "o\"x".to_owned()],
            options: [(
                "ldaptls".to_owned(),
                k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(1),
            )]
            .into(),
            ..AuthenticationRule::default()
        };
        assert_eq!(
            structured(&rule),
            r#"hostssl all "all","o""x" all ldap ldaptls="1""#
        );
    }

    #[rstest]
    #[case("host all all 10.0.0.0/8 md5", "hostssl all all 10.0.0.0/8 md5")]
    #[case("hostnossl  all all all trust", "hostssl all all all trust")]
    #[case("hostgssenc all all all gss", "hostgssenc all all all gss")]
    #[case("local all all peer", "local all all peer")]
    fn unencrypted_rules_are_turned_when_only_tls_is_wanted(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(encrypted(line), expected);
    }
}

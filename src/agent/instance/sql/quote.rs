//! Quoting for statements that take no parameters.

/// A name as it is, whatever it holds: `a"b` becomes `"a""b"`.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", without_nul(name).replace('"', "\"\""))
}

/// A string constant that does not depend on `standard_conforming_strings`.
#[must_use]
pub fn literal(text: &str) -> String {
    let text = without_nul(text).replace('\'', "''");
    if text.contains('\\') {
        format!(" E'{}'", text.replace('\\', "\\\\"))
    } else {
        format!("'{text}'")
    }
}

/// PostgreSQL has no NUL in text; it would end the message early.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(identifier(r#"a"; DROP ROLE x; --"#), r#""a""; DROP ROLE x; --""#);
        assert_eq!(literal("o'clock"), "'o''clock'");
        assert_eq!(literal(r"\'; x"), r" E'\\''; x'");
        assert_eq!(literal("a\0b"), "'ab'");
    }

    proptest! {
        #[test]
        fn a_quoted_identifier_reads_back(name in "\\PC{0,40}") {
            let quoted = identifier(&name);
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert!(!inner.replace("\"\"", "").contains('"'));
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}

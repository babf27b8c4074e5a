//! What of pgBackRest's log may be passed on to our own.
//!
//! pgBackRest redacts secrets in its options, but a failed request makes it print the whole HTTP exchange: access
//! key id, string to sign, session token. Continuation lines with such words are withheld as a whole.

/// Words (lower case) of lines that may tell about credentials or signed requests.
const WITHHELD: [&str; 16] = [
    "authorization",
    "credential",
    "x-amz-",
    "x-ms-",
    "x-goog-",
    "awsaccesskeyid",
    "accesskeyid",
    "stringtosign",
    "canonicalrequest",
    "signature",
    "string to sign",
    "sig=",
    "token",
    "cipher-pass",
    "key-secret",
    "private key",
];

/// Replacement of a withheld line.
pub const REPLACEMENT: &str = "[withheld: may tell about credentials]";

/// Longest line passed on, in characters.
const LONGEST: usize = 2000;

/// The line without control characters, or [`REPLACEMENT`].
#[must_use]
pub fn line(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    // "<redacted>" is pgBackRest's own mark on a line that lists its options, which is worth reading.
    if !lower.contains("<redacted>") && WITHHELD.iter().any(|word| lower.contains(word)) {
        return REPLACEMENT.to_owned();
    }
    line.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .take(LONGEST)
        .collect()
}

/// Follows a log line by line and withholds what belongs to a failed HTTP request.
#[derive(Debug, Default)]
pub struct Redactor {
    in_exchange: bool,
}

impl Redactor {
    /// What may be passed on of the next line; nothing for a line of a withheld exchange.
    pub fn next(&mut self, text: &str) -> Option<String> {
        if begins_entry(text) {
            self.in_exchange = text.contains("HTTP request failed");
        } else if self.in_exchange {
            return None;
        }
        (!text.trim().is_empty()).then(|| line(text))
    }
}

/// `P00   INFO: …`, with or without a time before it, or on standard error `INFO: …` alone; the further lines of an
/// entry are indented.
fn begins_entry(text: &str) -> bool {
    let is_process = |word: &str| {
        word.strip_prefix('P')
            .is_some_and(|digits| digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_level = |word: &str| {
        matches!(
            word,
            "ASSERT:" | "ERROR:" | "WARN:" | "INFO:" | "DETAIL:" | "DEBUG:" | "TRACE:"
        )
    };
    let mut words = text.split_whitespace();
    !text.starts_with(' ')
        && (words.clone().next().is_some_and(is_level) || words.by_ref().take(3).any(is_process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_signed_request_are_withheld() {
        for secret in [
            "       authorization: <redacted-not>",
            "      <AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId>",
            "<StringToSign>AWS4-HMAC-SHA256",
            "x-amz-security-token: FQoGZXIvYXdzE",
            "?sv=2022&sig=abc",
        ] {
            assert_eq!(line(secret), REPLACEMENT, "{secret}");
        }
    }

    #[test]
    fn the_option_list_that_pgbackrest_redacts_itself_is_kept() {
        let options = "P00   INFO: backup command begin 2.60.0: --repo1-cipher-pass=<redacted> --repo1-s3-key-secret=<redacted>";
        assert_eq!(line(options), options);
    }

    #[test]
    fn control_characters_do_not_reach_the_log() {
        assert_eq!(line("a\u{1b}[31mb\u{7}"), "a[31mb");
    }

    #[test]
    fn the_exchange_below_a_failed_request_is_withheld_and_the_next_entry_is_not() {
        let log = "2026-11-21 01:56:34.608 P00  ERROR: [039]: HTTP request failed with 403 (Forbidden):\n\
            \x20             *** Request Headers ***:\n              host: s3\nGET /bucket\n\
            P00   INFO: backup command end: aborted with exception [039]\n              HINT: x";
        let mut redactor = Redactor::default();
        let passed: Vec<String> = log.lines().filter_map(|line| redactor.next(line)).collect();
        assert_eq!(passed.len(), 3, "{passed:?}");
        assert!(
            passed[0].ends_with("(Forbidden):") && passed[1].contains("[039]") && passed[2].contains("HINT")
        );
    }
}

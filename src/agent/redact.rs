//! What of pgBackRest's log may be passed on, and what can be learnt from it.
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

/// pgBackRest's error type names in brackets, in order of appearance: `[LockAcquireError]`.
#[must_use]
pub fn error_types(line: &str) -> Vec<String> {
    line.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']').map(|(name, _)| name))
        .filter(|name| {
            name.ends_with("Error") && name.len() > 5 && name.chars().all(|c| c.is_ascii_alphabetic())
        })
        .map(str::to_owned)
        .collect()
}

/// Status of a failed HTTP request, from `HTTP request failed with 403 (Forbidden)`.
#[must_use]
pub fn http_status(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("HTTP request failed with ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|status| (100..600).contains(status))
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
    fn error_type_names_are_found_and_other_brackets_are_not() {
        let text =
            "P00   WARN: unable to check pg1: [LockAcquireError] unable [1] [Error] [DbConnectError] x";
        assert_eq!(error_types(text), ["LockAcquireError", "DbConnectError"]);
    }

    #[test]
    fn the_http_status_is_read_from_its_sentence_only() {
        assert_eq!(
            http_status("HTTP request failed with 403 (Forbidden):"),
            Some(403)
        );
        assert_eq!(http_status("copied 403 files"), None);
    }
}

//! What may be taken out of pgBackRest's log output: error type names, an HTTP status, one safe line.
//!
//! The last resort after exit codes and our own requests to the store. Type names in square brackets
//! (`[LockAcquireError]`) are the most stable part of the text. The lines below an HTTP error repeat the request
//! with the access key id and the string to sign, so only first lines are ever handed on, and those are cut.

/// Longest [`Report::summary`], in bytes.
const SUMMARY_BYTES: usize = 300;

/// What an output says about a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Error type names in order of appearance, each once: `LockAcquireError`.
    pub error_types: Vec<String>,
    /// Status of the last HTTP request that failed.
    pub http_status: Option<u16>,
    /// The code on the last `ERROR:` line: what the command exits with, once it does.
    pub code: Option<i32>,
    /// The last `ERROR:` line, without time stamp, details and anything that looks like a credential.
    pub summary: Option<String>,
}

impl Report {
    /// Reads an output, standard output or standard error alike.
    #[must_use]
    pub fn scan(output: &str) -> Self {
        let mut report = Self::default();
        for line in output.lines() {
            report.add_line(line);
        }
        report
    }

    /// Adds one line, for those who follow an output while it is written.
    pub fn add_line(&mut self, line: &str) {
        for name in bracketed_types(line) {
            if !self.error_types.iter().any(|known| known == name) {
                self.error_types.push(name.to_owned());
            }
        }
        if let Some(status) = http_status(line) {
            self.http_status = Some(status);
        }
        if let Some((_, text)) = line.split_once("ERROR: ") {
            self.code = text
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("]: "))
                .and_then(|(code, _)| code.parse().ok());
            self.summary = Some(safe(text));
        }
    }
}

/// `[SomethingError]` anywhere in a line.
fn bracketed_types(line: &str) -> impl Iterator<Item = &str> {
    line.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .map(|(name, _)| name)
        .filter(|name| {
            name.ends_with("Error")
                && name.starts_with(|first: char| first.is_ascii_uppercase())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// `HTTP request failed with 403 (Forbidden)`, or `[507] Insufficient Storage` in the lines of retries. Exit codes
/// look alike (`[039]:`) but are followed by a colon and are smaller than any status.
fn http_status(line: &str) -> Option<u16> {
    let number = |text: &str| {
        text.get(..3)?
            .parse::<u16>()
            .ok()
            .filter(|status| (400..600).contains(status))
    };
    let plain = line
        .split_once("HTTP request failed with ")
        .and_then(|(_, rest)| number(rest));
    plain.or_else(|| {
        let mut brackets = line.split('[').skip(1);
        brackets.find_map(|rest| number(rest).filter(|_| rest.get(3..5) == Some("] ")))
    })
}

/// One line without words that carry a credential, cut at a character boundary.
fn safe(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let lower = word.to_ascii_lowercase();
        let telling = [
            "secret",
            "credential=",
            "signature",
            "token=",
            "-key=",
            "cipher-pass",
            "authorization",
        ];
        if telling.iter().any(|mark| lower.contains(mark)) && (lower.contains('=') || lower.contains("://")) {
            "<redacted>"
        } else {
            word
        }
    });
    let mut line = words.collect::<Vec<_>>().join(" ").replace(char::is_control, "");
    if line.len() > SUMMARY_BYTES {
        let end = line
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| *at <= SUMMARY_BYTES)
            .last()
            .unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: &str = "P00   WARN: unable to check pg1: [LockAcquireError] raised from remote-0 tls protocol on 'pg-0': \
        unable to acquire lock on file '/pgdata/lock/db-backup-1.lock'\n\
        P00  ERROR: [056]: unable to find primary cluster - cannot proceed\n\
        \x20                 HINT: are all available clusters in recovery?\n";

    #[test]
    fn error_types_and_the_error_line_are_found() {
        let report = Report::scan(BUSY);
        assert_eq!(report.error_types, ["LockAcquireError"]);
        assert_eq!(
            report.summary.as_deref(),
            Some("[056]: unable to find primary cluster - cannot proceed")
        );
        assert_eq!(report.http_status, None);
    }

    #[test]
    fn an_http_status_is_read_and_the_exchange_below_it_is_not_handed_on() {
        let report = Report::scan(
            "2026-11-21 01:56:34.608 P00  ERROR: [039]: HTTP request failed with 403 (Forbidden):\n\
             *** Path/Query ***:\nGET /b?list-type=2\n*** Request Headers ***:\nauthorization: <redacted>\n\
             <AWSAccessKeyId>AKID</AWSAccessKeyId>\n",
        );
        assert_eq!(report.http_status, Some(403));
        assert_eq!(
            report.summary.as_deref(),
            Some("[039]: HTTP request failed with 403 (Forbidden):")
        );
    }

    #[test]
    fn the_status_of_a_full_store_is_read_from_the_retries() {
        let report = Report::scan(
            "P00  ERROR: [101]: raised from local-1 protocol: [507] Insufficient Storage\n\
             \x20        [ServiceError] on 7 retries from 116-5007ms: [507] Insufficient Storage\n",
        );
        assert_eq!(
            (report.http_status, report.error_types),
            (Some(507), vec!["ServiceError".to_owned()])
        );
    }

    #[test]
    fn a_long_line_with_a_credential_is_cut_and_redacted() {
        let report = Report::scan(&format!(
            "ERROR: [031]: --repo1-s3-key-secret=hunter2 \u{7} {}",
            "é".repeat(400)
        ));
        let summary = report.summary.unwrap();
        assert!(!summary.contains("hunter2"), "{summary}");
        assert!(
            summary.len() < SUMMARY_BYTES + 8 && summary.ends_with('…'),
            "{summary}"
        );
    }
}

//! What PostgreSQL says while it recovers, line by line, with the SQLSTATE before each (`log_line_prefix = '%e '`). Pure.
//!
//! The words are those of `src/backend/access/transam/xlogrecovery.c`, untranslated (`lc_messages = C`).

use chrono::{DateTime, Utc};

/// SQLSTATE of a recovery that ended before its target (`ERRCODE_CONFIG_FILE_ERROR`).
const CONFIGURATION_FILE: &str = "F0000";

/// SQLSTATE of a connection that was refused while it starts: our own looks (`ERRCODE_CANNOT_CONNECT_NOW`).
const NOT_YET: &str = "57P03";

/// What has been learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The last file that was fetched.
    pub segment: Option<String>,
    /// How far it is.
    pub position: Option<String>,
    /// The last commit that was replayed.
    pub last_commit: Option<DateTime<Utc>>,
    /// Where it stopped, in its words.
    pub stopped: Option<String>,
    /// Why it ended.
    pub fatal: Option<Fatal>,
}

/// Why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// SQLSTATE.
    pub code: String,
    /// The sentence.
    pub text: String,
}

impl Fatal {
    /// The WAL ended before the target.
    pub fn is_not_reached(&self) -> bool {
        self.code == CONFIGURATION_FILE
            && self
                .text
                .contains("recovery ended before configured recovery target was reached")
    }

    /// A file could not be fetched, which is not that it is not there.
    pub fn is_of_fetching(&self) -> bool {
        self.text.starts_with("could not restore file")
    }
}

impl Log {
    /// Learns from a line.
    pub fn add(&mut self, line: &str) {
        let Some((code, rest)) = line.split_once(' ') else {
            return;
        };
        let Some((severity, text)) = rest.split_once(":  ") else {
            return;
        };
        match severity {
            "LOG" => self.learn(text),
            // The first one is the cause of those that follow.
            "FATAL" | "PANIC" if self.fatal.is_none() && code != NOT_YET => {
                self.fatal = Some(Fatal {
                    code: code.to_owned(),
                    text: text.to_owned(),
                });
            }
            _ => {}
        }
    }

    fn learn(&mut self, text: &str) {
        if let Some(file) = between(text, "restored log file \"", "\" from archive") {
            self.segment = Some(file.to_owned());
        } else if let Some(position) = text.rsplit_once("current LSN: ").map(|(_, position)| position) {
            self.position = Some(position.to_owned());
        } else if let Some(at) = text.strip_prefix("last completed transaction was at log time ") {
            self.last_commit = time(at);
        } else if text.starts_with("recovery stopping ") {
            self.stopped = Some(text.to_owned());
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.strip_prefix(before)?.split_once(after)?.0)
}

/// `2026-11-20 23:31:05.060835+00`, as written where `log_timezone` is UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let whole = format!("{}:00", text.trim());
    DateTime::parse_from_str(&whole, "%Y-%m-%d %H:%M:%S%.f%:z")
        .ok()
        .map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> Log {
        let mut log = Log::default();
        for line in lines {
            log.add(line);
        }
        log
    }

    #[test]
    fn a_recovery_is_followed() {
        let log = log(&[
            "00000 LOG:  starting backup recovery with redo LSN 0/2000028, checkpoint LSN 0/2000080, on timeline ID 1",
            "2026-11-20 23:31:05.123 P00   INFO: archive-get command begin 2.59.0",
            "00000 LOG:  restored log file \"000000010000000000000007\" from archive",
            "00000 LOG:  redo in progress, elapsed time: 2.00 s, current LSN: 0/5A3D2E0",
            "00000 LOG:  recovery stopping before commit of transaction 742, time 2026-11-20 23:31:06.198875+00",
            "00000 LOG:  last completed transaction was at log time 2026-11-20 23:31:05.060835+00",
        ]);
        assert_eq!(log.segment.as_deref(), Some("000000010000000000000007"));
        assert_eq!(log.position.as_deref(), Some("0/5A3D2E0"));
        assert_eq!(log.last_commit, "2026-11-20T23:31:05.060835Z".parse().ok());
        assert!(log.stopped.unwrap().contains("transaction 742"));
        assert_eq!(log.fatal, None);
    }

    #[test]
    fn a_target_that_was_not_reached_and_wal_that_could_not_be_fetched_are_told_apart() {
        let missed = log(&[
            "57P03 FATAL:  the database system is starting up",
            "F0000 FATAL:  recovery ended before configured recovery target was reached",
            "00000 LOG:  startup process (PID 22) exited with exit code 1",
            "XX000 FATAL:  another",
        ]);
        assert!(missed.fatal.as_ref().is_some_and(Fatal::is_not_reached));
        let away = log(&[
            "XX000 FATAL:  could not restore file \"00000002.history\" from archive: child process exited with exit code 250",
        ]);
        let fatal = away.fatal.unwrap();
        assert!(fatal.is_of_fetching() && !fatal.is_not_reached());
    }
}

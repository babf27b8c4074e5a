//! The last word of a Job's container: where Kubernetes reads it.

use std::path::PathBuf;

use serde::Serialize;

use super::environment;
use super::report::TERMINATION_MESSAGE_BYTES;

/// Where Kubernetes reads the termination message.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// How the work of a Job ended.
pub trait Outcome: Clone + Serialize {
    /// Leaves out what matters least of what is left; false where nothing can be left out any more.
    fn shorten(&mut self) -> bool;
}

/// Writes it. What cannot be written is logged: the exit code says the most important of it.
pub fn tell(outcome: &impl Outcome) {
    let path = environment::optional(environment::variable, "HOLDFAST_TERMINATION_LOG")
        .map_or_else(|| PathBuf::from(TERMINATION_LOG), PathBuf::from);
    if let Err(error) = std::fs::write(&path, message(outcome)) {
        tracing::warn!(path = %path.display(), %error, "cannot write the termination message");
    }
}

/// The JSON, shortened until Kubernetes keeps all of it.
pub fn message(outcome: &impl Outcome) -> String {
    let mut outcome = outcome.clone();
    loop {
        let json = serde_json::to_string(&outcome).unwrap_or_default();
        if json.len() <= TERMINATION_MESSAGE_BYTES || !outcome.shorten() {
            return json;
        }
    }
}

/// Keeps the first half of a text; false where there is none.
pub fn halve(text: &mut String) -> bool {
    let was_there = !text.is_empty();
    let keep = text.chars().count() / 2;
    *text = text.chars().take(keep).collect();
    was_there
}

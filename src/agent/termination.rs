//! The last word of a Job's container: where Kubernetes reads it.

use std::path::PathBuf;

use super::environment;

/// Where Kubernetes reads the termination message.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Writes it. What cannot be written is logged: the exit code says the most important of it.
pub fn tell(message: &str) {
    let path = environment::optional(environment::variable, "HOLDFAST_TERMINATION_LOG")
        .map_or_else(|| PathBuf::from(TERMINATION_LOG), PathBuf::from);
    if let Err(error) = std::fs::write(&path, message) {
        tracing::warn!(path = %path.display(), %error, "cannot write the termination message");
    }
}

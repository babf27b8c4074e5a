//! `holdfast reasons`: what every condition reason means, as the Markdown of `docs/reasons.md`.

use std::process::ExitCode;

use crate::api::reasons;

/// Prints the document.
#[must_use]
pub fn run() -> ExitCode {
    print!("{}", reasons::document());
    ExitCode::SUCCESS
}

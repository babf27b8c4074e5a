//! Dispatch only: parse the arguments, install the one TLS provider, run the role that was asked for.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast::cli::run()
}

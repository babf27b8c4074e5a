//! The engine: configuration, commands, exit codes, repository layout and ciphers.

pub mod configuration;
pub mod exit_code;
pub mod failure;
pub mod ini;
pub mod lease;
pub mod output;
pub mod user_options;

/// The one stanza of a cluster. Upstream's name, on which existing repositories rely.
pub const STANZA: &str = "db";

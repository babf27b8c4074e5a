//! The engine: configuration, commands, exit codes, repository layout and ciphers.

pub mod access;
pub mod annotations;
pub mod check;
pub mod cipher;
pub mod configuration;
pub mod content;
pub mod exit_code;
pub mod failure;
pub mod info;
pub mod info_file;
pub mod ini;
pub mod lease;
pub mod lock_file;
pub mod output;
pub mod repository;
pub mod user_options;

/// The one stanza of a cluster. Upstream's name, on which existing repositories rely.
pub const STANZA: &str = "db";

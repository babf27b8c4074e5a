//! The engine: configuration, commands, exit codes, repository layout and ciphers.

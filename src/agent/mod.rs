//! What runs inside pods: the instance agent, the repository host's, the backup agent, the binary's installation.
//!
//! Agents act on what is in their own pod and write nothing to the API server but reports on their own Pod, and
//! Leases. They log to standard error; a secret never gets into a log, an argument list or a report.

pub mod backup;
pub mod delete_stanza;
pub mod desired;
pub mod environment;
pub mod expire;
pub mod fingerprint;
pub mod install;
pub mod instance;
pub mod pgbackrest;
pub mod pgbouncer;
pub mod postgres;
mod processes;
mod progress;
pub mod reaper;
pub mod redact;
pub mod repo_host;
pub mod report;
pub mod restore;
pub mod runtime;
mod severed;
pub mod supervise;
mod termination;

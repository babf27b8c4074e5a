//! The custom resources against a real API server (`make test-api`), and against upstream's definitions.
//!
//! What is tested is what a user meets: which objects are accepted, which are refused, at which field and with
//! which message. Nothing is left behind but the definitions themselves: most writes are dry runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod backup;
mod cluster;
mod kubectl;
mod objects;
mod parameters;
mod policies;
mod restore;
mod samples;
mod schedule;
mod server;
mod upstream;

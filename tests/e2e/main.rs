//! End-to-end scenarios: a real Kubernetes, PostgreSQL, pgBackRest and S3 server, and the deployed operator.
//!
//! `make test-e2e` and `make test-restores` run all, `make test-e2e SCENARIO=words_of_the_name` some. Each failure that the product promises to
//! survive or to explain is one of them. Every scenario ends with a search for leaked secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs
)]

mod archiving;
mod backups;
mod day;
mod failovers;
mod following;
mod harness;
mod interruptions;
mod jobs;
mod kinds;
mod operators;
mod permissions;
mod recovery;
mod repositories;
mod restoring;
mod retention;
mod service;
mod standby;

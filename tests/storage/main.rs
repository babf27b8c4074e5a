//! Stores and repositories, against the real S3, Azure and GCS servers of the test cluster and a real pgBackRest in a
//! pod (`make test-storage`). Runs inside the cluster's network: `tests/cluster/in`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod catalog;
mod engine;
mod inspect;
mod lock;
mod million;
mod places;
mod protocols;
mod refusals;
mod repository;
mod s3;
mod server;
mod stores;
mod suite;
mod volume;
mod wal;
mod wire;

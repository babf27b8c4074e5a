//! `make bench-scale` and `make bench-due`: the operator's binary and a thousand clusters on a real API server, of which no pod
//! runs. Run by `tests/scale/control-plane`. The last line is JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs,
    // Numbers that are shown to people.
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

mod due;
mod fleet;
mod operator;
mod reference;
mod scale;
mod server;

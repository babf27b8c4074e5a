//! Reconcilers: dereference, validate, build, apply, status.
//!
//! What they share is here: the context, the one writer with its claim of leadership, Events, and the round that
//! measures every reconcile. Every replica watches; only the leader's reconciles do anything.

pub mod archive;
pub mod backup;
pub mod cluster;
pub mod context;
#[cfg(debug_assertions)]
mod death;
pub mod drill;
pub mod events;
pub mod fleet;
pub mod leadership;
pub mod operator;
pub mod reading;
pub mod restore;
pub mod retention;
pub mod round;
pub mod schedule;
pub mod turns;
pub mod watching;
pub mod writer;

//! Reconcilers: dereference, validate, build, apply, status.

pub mod cluster;

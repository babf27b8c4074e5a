//! Reconcilers: dereference, validate, build, apply, status.

//! The cluster controller: dereference, validate, build, apply, status.
//!
//! Invariants: nothing that the user wrote is changed but finalizers; everything can be derived again after a restart;
//! each thing that is not done is told in a condition, an Event and a counter.

pub(crate) mod announce;
mod apply;
pub(crate) mod bootstrap;
pub(crate) mod build;
mod delete_backups;
pub(crate) mod dereference;
pub(crate) mod engine;
pub(crate) mod existence;
mod finalize;
mod initial;
mod inspect;
mod instances;
mod looks;
pub(crate) mod names;
mod neighbours;
mod reconcile;
mod record;
mod release;
pub(crate) mod repositories;
mod rolling;
mod shared;
mod standby;
pub(crate) mod status;
mod told;
pub(crate) mod user_files;
pub(crate) mod validate;
pub(crate) mod validated;
mod verifier;
pub(crate) mod volumes;
mod watch;

pub use looks::Looks;
pub use reconcile::Failure;
pub use shared::Shared;
pub use watch::run;

//! The cluster controller.

pub(crate) mod build;
mod dereference;
mod initial;
mod instances;
pub(crate) mod names;
mod repositories;
mod rolling;
mod status;
mod user_files;
mod validate;
pub(crate) mod validated;
mod verifier;

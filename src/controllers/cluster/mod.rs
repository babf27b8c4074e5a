//! The cluster controller.

pub(crate) mod build;
mod engine_names;
mod instances;
pub(crate) mod names;
mod rolling;
mod validate;
pub(crate) mod validated;
mod verifier;
